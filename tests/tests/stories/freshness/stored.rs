//! What is stored, here and elsewhere: copies that are missing, bytes that are gone, damaged or suspiciously few.

use super::{WEST, check, found, healthy, kinds, newest, said};
use lastgood_core::{
    catalog::Key,
    domain::{backup::Manifest, damage::Damage, drill::Verdict, finding::FindingKind, freshness::State},
    function::{Exit, Findings},
};

#[tokio::test]
async fn copy_missing_is_late_first_and_stale_once_the_place_is_older_than_the_rpo() {
    let world = healthy();
    let newest = newest(&world);
    let proof = Key::Copy(newest.asset.clone(), newest.id, WEST.parse().unwrap()).to_string();
    world.vault.lose(&proof);
    assert!(!kinds(&check(&world).await).contains(&FindingKind::CopyMissing), "two hours after it was made it may still be on its way");
    world.passes("6h");
    let status = check(&world).await;
    assert!(found(&status, FindingKind::CopyMissing).contains("is not at file:///west; the newest there is 32h old, policy allows 24h"));
    assert_eq!((status.exit(), status.assets[0].state), (Exit::Stale, State::Stale));
    assert_eq!(status.assets[0].copies.proven, 0);
}

#[tokio::test]
async fn r36_a_copy_whose_bytes_are_gone_is_not_there_whatever_its_proof_says() {
    // Two hours after it was made a copy may be on its way; one that was proven and is gone is not.
    let world = healthy();
    let key = newest(&world).artifacts[0].key.clone();
    world.at(WEST).lose(&key);
    let status = check(&world).await;
    assert!(
        found(&status, FindingKind::CopyMissing).contains(&format!("is not at {WEST} any more ({key} is missing)")),
        "{:?}",
        said(&status)
    );
}

#[tokio::test]
async fn r36_recorded_but_missing_is_stale_with_the_reason() {
    for cut in [false, true] {
        let world = healthy();
        let manifest = newest(&world);
        let key = manifest.artifacts[0].key.clone();
        if cut {
            assert!(world.vault.truncate(&key, 5))
        } else {
            world.vault.lose(&key)
        }
        let status = check(&world).await;
        assert!(found(&status, FindingKind::RecordedButMissing).contains(if cut { "has 5 bytes instead of" } else { "is missing" }));
        let stale = found(&status, FindingKind::BackupStale);
        assert!(stale.contains("is not whole") && stale.contains("the newest that counts is 26h old, policy allows 24h"), "{stale}");
        assert_eq!(status.assets[0].state, State::Failing);
        assert_eq!(status.exit(), Exit::Stale);
        assert_eq!(status.assets[0].newest.as_ref().unwrap().age_seconds, 26 * 3_600);
    }
}

#[tokio::test]
async fn present_but_unrecorded_once_it_has_lain_for_a_while() {
    let world = healthy();
    world.vault.overwrite("exports/orders-db/orders-db_daily_20261120_110000.dump.zst", "half a dump");
    assert_eq!(said(&check(&world).await), [""; 0], "a run may be writing it");
    world.passes("20m");
    let status = check(&world).await;
    let sentence = found(&status, FindingKind::PresentButUnrecorded);
    assert!(
        sentence.contains("orders-db_daily_20261120_110000.dump.zst (11 bytes) lies in the vault and belongs to no backup"),
        "{sentence}"
    );
    assert_eq!(status.exit(), Exit::Good, "it is told, but no promise is broken");
    assert_eq!(status.assets[0].state, State::Warning);
}

#[tokio::test]
async fn r12_r36_a_corrupt_newest_backup_counts_for_nothing() {
    let world = healthy();
    let manifest = newest(&world);
    let object = manifest.artifacts[0].key.clone();
    let damage = Damage::Bytes { object, offset: Some(8_388_608), length: 8_388_608 };
    world.asset("orders-db").verified(manifest.id, "1h ago", vec![damage]).unwrap();
    let status = check(&world).await;
    assert!(found(&status, FindingKind::BackupCorrupt).contains("is damaged at offset 8388608"));
    assert!(found(&status, FindingKind::BackupStale).contains("is corrupt"));
    assert_eq!((status.exit(), status.assets[0].state), (Exit::Failed, State::Failing));

    world.asset("orders-db").verified(manifest.id, "now", Vec::new()).unwrap();
    assert_eq!(said(&check(&world).await), [""; 0], "a later reading that found nothing replaces it");
}

#[tokio::test]
async fn record_unreadable_names_the_record() {
    let world = healthy();
    let manifest = newest(&world);
    let key = Key::Manifest(manifest.asset, manifest.id).to_string();
    assert!(world.vault.truncate(&key, 100));
    let status = check(&world).await;
    assert!(found(&status, FindingKind::RecordUnreadable).contains(&key));
    assert_eq!(status.exit(), Exit::Failed);
    assert_eq!(status.assets[0].backups, 4);
}

#[tokio::test]
async fn r36_half_the_size_is_suspicious_and_not_fresh_until_a_drill_has_proven_it() {
    let world = healthy();
    world.passes("23h");
    let shrunk = world.asset("orders-db").backed_up_with("1h ago", |manifest| manifest.artifacts[0].plain_size = 400 << 10).unwrap();
    world.asset("orders-db").copied(shrunk, WEST).unwrap();
    let status = check(&world).await;
    assert!(found(&status, FindingKind::SizeAnomaly).contains("it holds 409600 bytes, the ones before usually 1048576"));
    assert!(found(&status, FindingKind::BackupStale).contains("is suspicious"));
    world.asset("orders-db").drilled(shrunk, "now", Verdict::Proven, 60.0).unwrap();
    assert!(!kinds(&check(&world).await).contains(&FindingKind::BackupStale));
}

#[tokio::test]
async fn r36_no_rows_where_there_were_rows_is_not_fresh() {
    let world = healthy();
    world.passes("23h");
    let emptied = |manifest: &mut Manifest| manifest.expectations.tables.values_mut().for_each(|table| table.rows = 0);
    world.asset("orders-db").backed_up_with("1h ago", emptied).unwrap();
    let status = check(&world).await;
    assert!(found(&status, FindingKind::SizeAnomaly).contains("it has 0 rows, the one before had some"));
    assert!(found(&status, FindingKind::BackupStale).contains("is suspicious"));
}

#[tokio::test]
async fn thrice_the_size_is_told_but_counts() {
    for (size, odd) in [(3 << 20, false), (4 << 20, true)] {
        let world = healthy();
        let id = world.asset("orders-db").backed_up_with("1h ago", |manifest| manifest.artifacts[0].plain_size = size).unwrap();
        world.asset("orders-db").copied(id, WEST).unwrap();
        let status = check(&world).await;
        assert_eq!(kinds(&status).contains(&FindingKind::SizeAnomaly), odd, "{:?}", said(&status));
        assert_eq!(status.assets[0].newest.as_ref().unwrap().id, id);
    }
}
