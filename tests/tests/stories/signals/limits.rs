//! Limits: how long a backup takes, how much is stored, how old WAL may be; and backups that only look fresh.

use super::stage::{CONFIG, WEST, check, copied, healthy, newest, reconfigured};
use lastgood_core::{
    clock::before,
    domain::{
        backup::Manifest,
        damage::Damage,
        finding::{Finding, FindingKind, Severity},
        freshness::{ScheduleSeen, State},
        posture::Space,
        run::RunState,
    },
    function::{Exit, Findings},
    testing::World,
};
use std::time::Duration;

async fn told(world: &World, kind: FindingKind) -> Option<Finding> {
    check(world).await.findings().into_iter().find(|finding| finding.kind == kind)
}

fn with(line: &str) -> World {
    let mut world = healthy();
    reconfigured(&mut world, &CONFIG.replace("    copies:", &format!("    {line}\n    copies:")));
    world
}

fn took(minutes: u64) -> impl Fn(&mut Manifest) {
    move |manifest| manifest.started_at = before(manifest.finished_at, Duration::from_mins(minutes))
}

#[tokio::test]
async fn a_backup_that_takes_far_longer_than_usual_is_told_and_counts() {
    let world = healthy();
    copied(&world, world.asset("orders-db").backed_up_with("1h ago", took(11)).unwrap());
    assert_eq!(told(&world, FindingKind::DurationOverLimit).await, None, "ten minutes more are noise");
    copied(&world, world.asset("orders-db").backed_up_with("30m ago", took(40)).unwrap());
    let finding = told(&world, FindingKind::DurationOverLimit).await.unwrap();
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.sentence.contains("took 40m, it usually takes 1m"), "{finding}");
    let status = check(&world).await;
    assert_eq!((status.assets[0].state, status.exit()), (State::Warning, Exit::Good), "it took long, and is as good as any");
}

#[tokio::test]
async fn a_limit_of_the_policy_holds_from_the_first_backup_on_and_for_what_is_under_way() {
    let world = with("max_duration: 30m");
    copied(&world, world.asset("orders-db").backed_up_with("1h ago", took(25)).unwrap());
    assert_eq!(told(&world, FindingKind::DurationOverLimit).await, None);
    let working = |at| RunState::Working { holder: "somebody".into(), since: at, lease_until: at };
    world.asset("orders-db").ran("20m ago", working).unwrap();
    assert_eq!(told(&world, FindingKind::DurationOverLimit).await, None);
    world.passes("11m");
    let finding = told(&world, FindingKind::DurationOverLimit).await.unwrap();
    assert!(finding.sentence.contains("is under way for 31m, policy allows 30m"), "{finding}");
    copied(&world, world.asset("orders-db").backed_up("2m ago").unwrap());
    assert_eq!(told(&world, FindingKind::DurationOverLimit).await, None, "once it is done it is judged by itself");
}

#[tokio::test]
async fn a_quota_of_an_asset_says_the_day_on_which_it_is_used_up() {
    let mut world = healthy();
    // Eight nights, so that a week's growth is known.
    for hours in [122, 146, 170, 194] {
        copied(&world, world.asset("orders-db").backed_up_with(&format!("{hours}h ago"), |of| of.artifacts[0].size = 100).unwrap());
    }
    let used: u64 = check(&world).await.assets[0].stored_bytes;
    let quota = |of: u64| CONFIG.replace("    copies:", &format!("    quota: {of}B\n    copies:"));
    reconfigured(&mut world, &quota(used * 2));
    assert_eq!(told(&world, FindingKind::StorageQuota).await, None);
    reconfigured(&mut world, &quota(used + used / 10));
    let finding = told(&world, FindingKind::StorageQuota).await.unwrap();
    assert_eq!((finding.severity, finding.command.as_str()), (Severity::Warning, "lastgood prune orders-db"));
    assert!(finding.sentence.contains("(90 %)") && finding.sentence.contains("more a day, it is used up on 2026-11-2"), "{finding}");
    reconfigured(&mut world, &quota(used));
    let finding = told(&world, FindingKind::StorageQuota).await.unwrap();
    assert!(finding.severity == Severity::Critical && finding.sentence.contains("(100 %)"), "{finding}");
}

#[tokio::test]
async fn a_disk_without_room_for_the_next_round_is_critical_and_unknown_room_is_not_spoken_of() {
    let world = healthy();
    for (place, bucket) in [("file:///vault", world.vault.clone()), (WEST, world.at(WEST))] {
        bucket.set_space(Some(Space { size: 1_000_000, free: 10 }));
        let finding = told(&world, FindingKind::StorageQuota).await.unwrap();
        assert!(finding.severity == Severity::Critical && finding.sentence.contains(place), "{finding}");
        bucket.set_space(Some(Space { size: 1_000_000, free: 900_000 }));
        assert_eq!(told(&world, FindingKind::StorageQuota).await, None);
        bucket.set_space(None);
    }
    assert_eq!(told(&world, FindingKind::StorageQuota).await, None);
}

#[tokio::test]
async fn a_folder_says_how_much_room_its_disk_has() {
    let home = tempfile::tempdir().unwrap();
    let place = format!("file://{}", home.path().display()).parse().unwrap();
    let space = lastgood_core::providers::open_bucket(&place).unwrap().space().await.unwrap().unwrap();
    let df = std::process::Command::new("df").args(["-B1", "--output=size,avail"]).arg(home.path()).output().unwrap();
    let df = String::from_utf8(df.stdout).unwrap();
    let [size, free]: [u64; 2] =
        df.lines().nth(1).unwrap().split_whitespace().map(|n| n.parse().unwrap()).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(space.size, size);
    assert!(space.free.abs_diff(free) < 2 << 30, "others write meanwhile: {} and {free}", space.free);
}

#[tokio::test]
async fn wal_that_waits_makes_the_asset_stale_and_what_cannot_be_asked_is_unknown() {
    let world = with("wal: { archive_within: 15m, repository: { pgbackrest: { stanza: main } } }");
    assert_eq!(check(&world).await.findings(), []);
    world.wal.fails();
    world.passes("5m");
    let finding = told(&world, FindingKind::WalStale).await.unwrap();
    assert!(finding.severity == Severity::Warning && finding.sentence.contains("the archiver fails (once so far"), "{finding}");
    world.passes("15m");
    let status = check(&world).await;
    let finding = status.findings().into_iter().find(|finding| finding.kind == FindingKind::WalStale).unwrap();
    assert!(finding.sentence.contains("1 file waits to be archived, the oldest for 20m, policy allows 15m"), "{finding}");
    assert_eq!((status.assets[0].state, status.exit()), (State::Stale, Exit::Stale));
    world.wal.archives();
    assert_eq!(check(&world).await.findings(), []);
    world.wal.loses();
    let finding = told(&world, FindingKind::WalStale).await.unwrap();
    assert!(finding.severity == Severity::Critical && finding.sentence.contains("the newest in the repository"), "{finding}");
    world.wal.archives();
    world.wal.goes_away();
    let status = check(&world).await;
    assert_eq!((status.assets[0].state, status.exit()), (State::Unknown, Exit::CouldNotVerify));
    assert!(status.findings()[0].sentence.contains("its archiver could not be looked at: the server did not answer"), "{status:#?}");
}

#[tokio::test]
async fn a_schedule_that_is_off_or_gone_is_told_before_anything_is_stale() {
    let world = healthy();
    for (name, seen, severity, words) in [
        ("export.orders-db", ScheduleSeen::Off, Severity::Warning, "that wakes export-to-bucket for orders-db is switched off"),
        ("restore-drill", ScheduleSeen::Absent, Severity::Warning, "that wakes restore-drill is not there"),
        ("freshness-checker", ScheduleSeen::Off, Severity::Critical, "that wakes freshness-checker is switched off"),
    ] {
        world.schedules.set(name, seen);
        let finding = told(&world, FindingKind::ScheduleDisabled).await.unwrap();
        assert!(finding.severity == severity && finding.sentence.contains(words), "{finding}");
        assert_eq!(check(&world).await.exit(), Exit::Stale);
        world.schedules.set(name, ScheduleSeen::On);
        assert_eq!(check(&world).await.findings(), []);
    }
    // On Fargate the same export is woken under another name.
    world.schedules.set("export.orders-db", ScheduleSeen::Absent);
    assert_eq!(check(&world).await.findings(), [], "it is a task");
    world.schedules.set("task.orders-db", ScheduleSeen::Absent);
    assert!(told(&world, FindingKind::ScheduleDisabled).await.unwrap().sentence.contains("is not there"));
}

#[tokio::test]
async fn r36_a_fresh_looking_newest_that_is_old_corrupt_elsewhere_or_empty_is_stale_with_the_reason() {
    type Act = fn(&World);
    let stale = |act: Act| async move {
        let world = healthy();
        world.passes("23h");
        act(&world);
        (told(&world, FindingKind::BackupStale).await, check(&world).await)
    };
    // Older data time: a job of one hour ago whose data is of the day before yesterday.
    let (finding, _) = stale(|world| {
        let old = |manifest: &mut Manifest| manifest.data_time = before(manifest.data_time, Duration::from_hours(49));
        copied(world, world.asset("orders-db").backed_up_with("1h ago", old).unwrap());
    })
    .await;
    let sentence = finding.unwrap().sentence;
    assert!(sentence.contains("newest backup is 25h old"), "the older one that has newer data is the newest: {sentence}");
    // Corrupt.
    let (finding, status) = stale(|world| {
        let id = world.asset("orders-db").backed_up("1h ago").unwrap();
        copied(world, id);
        let object = newest(world).artifacts[0].key.clone();
        world.asset("orders-db").verified(id, "now", vec![Damage::Missing { object }]).unwrap();
    })
    .await;
    assert!(finding.unwrap().sentence.contains("is corrupt"));
    assert_eq!(status.exit(), Exit::Failed);
    // Half the size; no rows.
    for (act, word) in [
        (
            (|world: &World| assert!(world.asset("orders-db").backed_up_with("1h ago", |of| of.artifacts[0].plain_size = 1 << 18).is_ok()))
                as Act,
            "is suspicious (it holds",
        ),
        (
            |world: &World| {
                let emptied = |of: &mut Manifest| of.expectations.tables.values_mut().for_each(|table| table.rows = 0);
                assert!(world.asset("orders-db").backed_up_with("1h ago", emptied).is_ok());
            },
            "is suspicious (it has 0 rows",
        ),
    ] {
        let (finding, _) = stale(act).await;
        assert!(finding.unwrap().sentence.contains(word));
    }
    // In the wrong region: the vault has it, the place that the policy names does not.
    let world = healthy();
    world.passes("23h");
    world.asset("orders-db").backed_up("8h ago").unwrap();
    let missing = told(&world, FindingKind::CopyMissing).await.unwrap();
    assert!(missing.severity == Severity::Critical && missing.sentence.contains("the newest there is 25h old"), "{missing}");
    assert_eq!(check(&world).await.assets[0].state, State::Stale);
}

#[tokio::test]
async fn a_copy_is_late_while_its_place_is_fresh_and_missing_once_it_is_not() {
    let world = healthy();
    copied(&world, newest(&world).id);
    world.passes("8h");
    world.asset("orders-db").backed_up("7h ago").unwrap();
    let late = told(&world, FindingKind::CopyMissing).await.unwrap();
    assert_eq!(late.severity, Severity::Warning);
    assert!(late.sentence.contains("is not yet at file:///west, 6h 59m after it was made; the newest there is 10h old"), "{late}");
    assert_eq!(check(&world).await.assets[0].state, State::Warning);
    copied(&world, newest(&world).id);
    assert_eq!(told(&world, FindingKind::CopyMissing).await, None);
}

#[tokio::test]
async fn versioning_a_lifecycle_a_lock_and_a_key_that_drift_are_told_and_over_when_they_are_back() {
    use lastgood_core::domain::posture::{BucketPosture, Encryption, Expiry, Lifecycle, Lock};
    let good = || BucketPosture {
        versioning: Some(true),
        encryption: Some(Encryption::OfTheStore),
        lock: Some(Lock::On { days: Some(30) }),
        lifecycle: Some(vec![Lifecycle { id: "uploads".into(), uploads_days: Some(7), ..Lifecycle::default() }]),
        ..BucketPosture::default()
    };
    let mut world = healthy();
    reconfigured(&mut world, &CONFIG.replace("vault: file:///vault", "vault: file:///vault\nobject_lock: true"));
    let deletes = Lifecycle { id: "tidy".into(), expires: Some(Expiry::After(9_000)), uploads_days: Some(7), ..Lifecycle::default() };
    for (drifted, words) in [
        (BucketPosture { versioning: Some(false), ..good() }, "keeps no former versions"),
        (BucketPosture { lifecycle: Some(vec![deletes]), ..good() }, "lifecycle rule (tidy) that deletes"),
        (BucketPosture { lock: Some(Lock::Off), ..good() }, "has no Object Lock, which the config asks for"),
        (BucketPosture { encryption: Some(Encryption::Nothing), ..good() }, "does not encrypt"),
    ] {
        world.vault.set_posture(good());
        assert_eq!(check(&world).await.findings(), []);
        world.vault.set_posture(drifted);
        let found = check(&world).await.findings();
        assert!(found.len() == 1 && found[0].kind == FindingKind::PostureDrift && found[0].severity == Severity::Warning, "{found:#?}");
        assert!(found[0].sentence.contains(words), "{found:#?}");
    }
}
