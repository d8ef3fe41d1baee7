//! Records outlive deploys: what is written today is what the golden files say, what they say stays readable, and what
//! is damaged, newer or somewhere else is named and never guessed.
//!
//! An extra field in a record of a known version is tolerated: a change that an older reader would misread raises the
//! version, so what it does not know it may ignore. The seal covers extra fields all the same.

use bytes::Bytes;
use lastgood_core::{
    catalog::{Heartbeat, Key, Record, Vault, Waker, decode, encode},
    domain::{
        backup::{Artifact, Chunks, Compression, Expectations, Locale, Manifest, Method, Origin, Role, TableFacts, Tier},
        compare::CheckResult,
        drill::{Drill, OpenDrill, ReplicaName},
        run::{Run, RunState},
    },
    error::Kind,
    function::Exit,
    id::{AssetName, BackupId},
    testing::{ManualClock, MemoryBucket},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{fmt::Debug, path::PathBuf, sync::Arc};

fn at(text: &str) -> lastgood_core::clock::Timestamp {
    text.parse().unwrap()
}

fn asset() -> AssetName {
    "orders-db".parse().unwrap()
}

fn id() -> BackupId {
    "01KAFH5B00A1B2C3D4E5F6G7H8".parse().unwrap()
}

/// A manifest in which every field says something.
fn manifest() -> Manifest {
    let artifact = |name: &str, role, compression| Artifact {
        key: format!("exports/orders-db/{name}"),
        role,
        size: 1_234_567,
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        chunks: None,
        plain_size: 9_876_543,
        compression,
        recipients: Vec::new(),
    };
    let mut data = artifact("orders-db_daily_20261120_020000.dump.zst.gpg", Role::Data, Compression::Zstd);
    data.chunks = Some(Chunks { size: 8 << 20, crc64nvme: "ae8b14860a799888".into() });
    data.recipients = vec!["0123456789ABCDEF".into()];
    Manifest {
        id: id(),
        asset: asset(),
        method: Method::PgDumpCustom,
        tier: Tier::Daily,
        slot: "20261120T020000Z".parse().unwrap(),
        data_time: at("2026-11-20T02:00:04.25Z"),
        started_at: at("2026-11-20T02:00:03Z"),
        finished_at: at("2026-11-20T02:03:20Z"),
        source: Origin {
            server: "PostgreSQL 15.18".into(),
            server_version_num: 150_018,
            system_identifier: Some("7309372036854775807".into()),
            address: "db.internal:5432/orders".into(),
            database: Some("orders".into()),
        },
        artifacts: vec![
            data,
            artifact("orders-db_daily_20261120_020000.globals.sql.gz", Role::Globals, Compression::Gzip),
            artifact("orders-db_daily_20261120_020000.stories.csv", Role::TableCsv("public.stories".into()), Compression::None),
            artifact("orders-db_daily_20261120_020000.dir/3042.dat.zst", Role::DirectoryFile("3042.dat".into()), Compression::Zstd),
            artifact("orders-db_daily_20261120_020000.wal.tar.zst", Role::Wal, Compression::Zstd),
            artifact("orders-db_daily_20261120_020000.16999.tar.zst", Role::Tablespace("16999".into()), Compression::Zstd),
            artifact("orders-db_daily_20261120_020000.backup_manifest", Role::BackupManifest, Compression::None),
        ],
        held: None,
        expectations: Expectations {
            encoding: Some("UTF8".into()),
            locale: Some(Locale {
                collate: "en_US.UTF-8".into(),
                ctype: "en_US.UTF-8".into(),
                provider: "c".into(),
                recorded_version: Some("2.36".into()),
                actual_version: Some("2.41".into()),
            }),
            extensions: [("pgcrypto".into(), "1.3".into()), ("plpgsql".into(), "1.0".into())].into(),
            roles: vec!["app".into(), "répörting \"x\"".into()],
            migrations: [("alembic_version".into(), "2b1ae634e5cd".into())].into(),
            tables: [
                ("public.orders".into(), TableFacts { rows: 52_000, digest: Some("5eb63bbbe01eeed0".into()) }),
                ("public.users".into(), TableFacts { rows: 0, digest: None }),
            ]
            .into(),
            large_objects: 3,
            end_lsn: Some("0/3000148".into()),
            keyspace: std::collections::BTreeMap::new(),
            secrets: std::collections::BTreeMap::new(),
        },
        tools: [("pg_dump".into(), "15.18".into()), ("lastgood".into(), "0.1.0".into())].into(),
    }
}

/// A manifest of a set of secrets: names and versions, and nothing of a value.
fn manifest_of_secrets() -> Manifest {
    let whole = manifest();
    let artifact =
        Artifact { key: "exports/orders-db/orders-db_daily_20261120_020000.secrets.jsonl.zst.gpg".into(), ..whole.artifacts[0].clone() };
    let secrets = [("db-password".to_owned(), Some("7".to_owned())), ("switched-off".to_owned(), None)].into();
    Manifest {
        method: Method::SecretsJsonl,
        source: Origin { server: "Google Secret Manager".into(), address: "projects/acme".into(), ..Origin::default() },
        artifacts: vec![artifact],
        expectations: Expectations { secrets, ..Expectations::default() },
        tools: [("lastgood".to_owned(), "0.1.0".to_owned())].into(),
        ..whole
    }
}

fn run() -> Run {
    Run {
        function: "export-to-bucket".into(),
        asset: asset(),
        slot: "20261120T020000Z".parse().unwrap(),
        id: id(),
        attempt: 2,
        state: RunState::Working {
            holder: "01KAFH5B0000000000000000HS".into(),
            since: at("2026-11-20T02:00:03Z"),
            lease_until: at("2026-11-20T02:15:03Z"),
        },
        leftovers: vec!["exports/orders-db/orders-db_daily_20261120_020000.dump.zst".into()],
        snapshot: None,
        drill: None,
    }
}

fn golden_file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(format!("{name}.json"))
}

/// Checks that a record is written as its golden file says, and that the file reads back as the record. A version that
/// is no longer written keeps its file and only has to be readable.
#[track_caller]
fn is_golden<R: Record + PartialEq + Debug>(name: &str, record: &R) {
    let written = String::from_utf8(encode(record).unwrap().to_vec()).unwrap();
    let golden = match std::fs::read_to_string(golden_file(name)) {
        Ok(golden) => golden,
        Err(error) => panic!("{name}: {error}; if this format is new, this is its golden file:\n{written}"),
    };
    assert_eq!(decode::<R>(golden.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error:?}")), *record);
    assert_eq!(written, golden, "{name} is written differently than before: that needs a new version");
}

#[test]
fn r50_manifests_of_version_1_stay_readable_and_are_still_what_we_write() {
    is_golden("manifest-v1", &manifest());
    is_golden("manifest-secrets-v1", &manifest_of_secrets());
}

#[test]
fn r50_runs_of_version_1_stay_readable_and_are_still_what_we_write() {
    is_golden("run-working-v1", &run());
    let state = RunState::Waiting { reason: "this invocation's time ended".into() };
    is_golden("run-waiting-v1", &Run { state, leftovers: Vec::new(), ..run() });
    is_golden("run-done-v1", &Run { state: RunState::Done { at: at("2026-11-20T02:03:21Z") }, ..run() });
    let state = RunState::Failed { at: at("2026-11-20T02:03:21Z"), reason: "no space left".into() };
    is_golden("run-failed-v1", &Run { state, ..run() });
    let drill = OpenDrill {
        restore_test: None,
        drill: Drill::Checking { replica: ReplicaName("lastgood-drill-orders-db-20261120t060000z".into()) },
        backup: id(),
        point_in_time: None,
        from: "s3://acme-backups-west/lastgood".parse().unwrap(),
        age_seconds: Some(14_396),
        opened_at: at("2026-11-20T06:00:00Z"),
        deadline: at("2026-11-20T10:00:00Z"),
        restoring_since: Some(at("2026-11-20T06:00:01Z")),
        validated_at: None,
        checks: vec![CheckResult::passed("encoding", "UTF8", "UTF8")],
        reason: None,
        tools: [("pg_restore".into(), "15.18".into())].into(),
    };
    is_golden("run-drill-v1", &Run { function: "restore-drill".into(), drill: Some(drill), ..run() });
}

#[test]
fn r50_recalls_of_version_1_stay_readable_and_are_still_what_we_write() {
    let recall = lastgood_core::catalog::Recall {
        backup: id(),
        asset: "orders-db".parse().unwrap(),
        place: "s3://acme-backups-west/lastgood".parse().unwrap(),
        class: "GLACIER".to_owned(),
        haste: lastgood_core::domain::archive::Haste::Standard,
        begun_at: at("2026-11-20T06:00:00Z"),
        ended_at: None,
    };
    is_golden("recall-v1", &recall);
}

#[test]
fn r50_heartbeats_of_version_1_stay_readable_and_are_still_what_we_write() {
    let heartbeat = Heartbeat {
        function: "export-to-bucket".into(),
        at: at("2026-11-20T02:03:21Z"),
        exit: Exit::Good,
        waker: Waker::Event,
        scheduled_at: Some(at("2026-11-20T02:00:00Z")),
    };
    is_golden("heartbeat-v1", &heartbeat);
}

/// Anything at all in the envelope of a manifest: what a later or a broken program might write.
struct Anything<const VERSION: u64>(Map<String, Value>);

impl<const V: u64> Serialize for Anything<V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, const V: u64> Deserialize<'de> for Anything<V> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self)
    }
}

impl<const V: u64> Record for Anything<V> {
    const NAME: &'static str = "manifest";
    const VERSION: u64 = V;
}

/// A manifest with another field more, of the given version, sealed as it should be.
fn with_extra<const V: u64>() -> Bytes {
    let Value::Object(mut fields) = serde_json::to_value(manifest()).unwrap() else { panic!("not an object") };
    fields.insert("colour".into(), "blue".into());
    encode(&Anything::<V>(fields)).unwrap()
}

#[test]
fn r50_a_newer_version_is_refused_and_says_so() {
    let error = decode::<Manifest>(&with_extra::<2>()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.full().contains("version 2") && error.advice().unwrap().contains("newer Lastgood"), "{error:?}");
    assert_eq!(decode::<Manifest>(&with_extra::<0>()).unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn r50_an_unknown_field_of_a_known_version_is_tolerated() {
    assert_eq!(decode::<Manifest>(&with_extra::<1>()).unwrap(), manifest());
}

#[test]
fn r13_a_manifest_of_another_kind_is_refused() {
    assert_eq!(decode::<Manifest>(&encode(&run()).unwrap()).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(decode::<Run>(&encode(&manifest()).unwrap()).unwrap_err().kind(), Kind::Corrupt);
}

#[test]
fn r13_every_single_flipped_bit_is_found() {
    fn check<R: Record + Debug>(record: &R) {
        let bytes = encode(record).unwrap();
        let mut damaged = bytes.to_vec();
        for offset in 0..bytes.len() {
            for bit in 0..8 {
                damaged[offset] ^= 1 << bit;
                let error = decode::<R>(&damaged).unwrap_err();
                assert_eq!(error.kind(), Kind::Corrupt, "byte {offset}, bit {bit}: {error:?}");
                damaged[offset] = bytes[offset];
            }
        }
    }
    let mut small = manifest();
    small.artifacts.truncate(1);
    check(&small);
    check(&run());
}

#[test]
fn r13_every_truncation_and_every_repetition_is_found() {
    let bytes = encode(&manifest()).unwrap();
    for end in 0..bytes.len() - 1 {
        assert_eq!(decode::<Manifest>(&bytes[..end]).unwrap_err().kind(), Kind::Corrupt, "cut at {end}");
    }
    assert_eq!(decode::<Manifest>(&[&bytes[..], &bytes[..]].concat()).unwrap_err().kind(), Kind::Corrupt);
    decode::<Manifest>(&bytes[..bytes.len() - 1]).expect("the final line break carries nothing");
}

proptest! {
    #[test]
    fn r13_arbitrary_bytes_are_never_a_manifest(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        prop_assert!(decode::<Manifest>(&bytes).is_err());
    }

    #[test]
    fn r13_a_changed_value_breaks_the_seal(rows in 0..u64::MAX, digits in "[0-9a-f]{16}") {
        let text = String::from_utf8(encode(&manifest()).unwrap().to_vec()).unwrap();
        for changed in [text.replacen("52000", &rows.to_string(), 1), text.replacen("5eb63bbbe01eeed0", &digits, 1)] {
            match decode::<Manifest>(changed.as_bytes()) {
                Ok(read) => prop_assert_eq!(read, manifest()),
                Err(error) => prop_assert_eq!(error.kind(), Kind::Corrupt),
            }
        }
    }

    /// Whatever number a record holds, it reads back as it was and still matches its seal.
    #[test]
    fn a_float_survives_the_way_through_a_record(seconds in any::<f64>().prop_filter("finite", |seconds| seconds.is_finite())) {
        let fields = Map::from_iter([("restore_seconds".to_owned(), Value::from(seconds))]);
        let read = decode::<Anything<1>>(&encode(&Anything::<1>(fields.clone())).unwrap()).unwrap();
        prop_assert_eq!(read.0, fields);
    }
}

fn vault() -> (Vault, MemoryBucket) {
    let bucket = MemoryBucket::new("s3://memory/vault".parse().unwrap(), ManualClock::at(at("2026-11-20T03:00:00Z")));
    (Vault::new(Arc::new(bucket.clone())), bucket)
}

#[tokio::test]
async fn r13_what_is_missing_truncated_duplicated_newer_or_damaged_is_named_and_never_counted() {
    let (vault, bucket) = vault();
    assert!(vault.backups(&asset()).await.unwrap().good.is_empty());
    assert_eq!(vault.backup(&asset(), id()).await.unwrap(), None, "no manifest, no backup");

    vault.create(&Key::Manifest(asset(), id()), &manifest()).await.unwrap();
    let good = encode(&manifest()).unwrap();
    let mut damaged = good.to_vec();
    damaged[1_000] ^= 0x10;
    let bad = [
        ("01KAFH5B00A1B2C3D4E5F6G7H9", good.slice(..good.len() / 2), Kind::Corrupt),
        ("01KAFH5B00A1B2C3D4E5F6G7HA", Bytes::new(), Kind::Corrupt),
        ("01KAFH5B00A1B2C3D4E5F6G7HB", good.clone(), Kind::Corrupt), // the same backup once more, under another name
        ("01KAFH5B00A1B2C3D4E5F6G7HC", with_extra::<2>(), Kind::Unsupported),
        ("01KAFH5B00A1B2C3D4E5F6G7HD", damaged.into(), Kind::Corrupt),
    ];
    for (name, bytes, _) in &bad {
        bucket.overwrite(&format!("catalog/v1/assets/orders-db/backups/{name}.json"), bytes.clone());
    }
    let found = vault.backups(&asset()).await.unwrap();
    assert_eq!(found.good, [manifest()], "only the one that is whole and in its place counts");
    let mut named: Vec<_> = found.unreadable.into_iter().map(|(key, error)| (key, error.kind())).collect();
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    let wanted: Vec<_> = bad.iter().map(|(name, _, kind)| (format!("catalog/v1/assets/orders-db/backups/{name}.json"), *kind)).collect();
    assert_eq!(named, wanted);
    for (name, _, kind) in &bad {
        let error = vault.backup(&asset(), name.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), *kind, "{name}");
        assert!(error.full().contains(name), "{}", error.full());
    }
    // Another asset's manifest does not count here either.
    let other: AssetName = "users-db".parse().unwrap();
    bucket.overwrite(&Key::Manifest(other.clone(), id()).to_string(), good);
    let found = vault.backups(&other).await.unwrap();
    assert!(found.good.is_empty() && found.unreadable.len() == 1);
}
