//! Verifications and proofs of copies outlive deploys: version 1 stays readable, byte for byte.

use lastgood_core::{
    catalog::{Checked, Copied, Copy, Copying, Opened, Record, Verification, decode, encode},
    domain::damage::Damage,
    error::Kind,
};
use std::fmt::Debug;

const MAIN: &str = "exports/orders-db/orders-db_daily_20261120_020000.dump.zst";

fn verification() -> Verification {
    Verification {
        backup: "01KAFH5B00A1B2C3D4E5F6G7H8".parse().unwrap(),
        asset: "orders-db".parse().unwrap(),
        verified_at: "2026-11-20T03:00:00Z".parse().unwrap(),
        bytes: 1_234,
        damage: vec![
            Damage::Bytes { object: MAIN.to_owned(), offset: Some(16_777_216), length: 8_388_608 },
            Damage::Bytes { object: "b".to_owned(), offset: None, length: 17 },
            Damage::Size { object: "c".to_owned(), recorded: 500, found: 499 },
            Damage::Missing { object: "d".to_owned() },
        ],
    }
}

fn copied() -> Copied {
    Copied { key: MAIN.to_owned(), size: 563_200_000, sha256: "ab".repeat(32) }
}

fn copy() -> Copy {
    Copy {
        backup: "01KAFH5B00A1B2C3D4E5F6G7H8".parse().unwrap(),
        asset: "orders-db".parse().unwrap(),
        place: "s3://acme-backups-west/lastgood".parse().unwrap(),
        proven_at: "2026-11-20T02:10:00Z".parse().unwrap(),
        artifacts: vec![copied()],
        held: None,
    }
}

fn copying() -> Copying {
    Copying {
        backup: "01KAFH5B00A1B2C3D4E5F6G7H8".parse().unwrap(),
        place: "s3://acme-backups-west/lastgood".parse().unwrap(),
        artifacts: vec![Checked { copied: copied(), version: "\"9b2cf535f27731c974343645a3985328-68\"".to_owned() }],
    }
}

fn opened() -> Opened {
    Opened {
        place: "aws://us-east-1".parse().unwrap(),
        key: "arn:aws:kms:us-east-1:123456789012:key/5f1c0c2e-58ff-4b42-9d07-0a0f1d6c3a11".to_owned(),
        closed: "AQICAHh=".to_owned(),
        closed_at: "2026-11-20T02:10:00Z".parse().unwrap(),
        opened_at: "2026-11-21T02:10:00Z".parse().unwrap(),
    }
}

fn stays<R: Record + PartialEq + Debug>(golden: &str, record: &R) {
    assert_eq!(String::from_utf8(encode(record).unwrap().to_vec()).unwrap(), golden);
    assert_eq!(&decode::<R>(golden.as_bytes()).unwrap(), record);
}

#[test]
fn r50_version_1_records_stay_readable_and_are_still_what_we_write() {
    stays(include_str!("../golden/verification-v1.json"), &verification());
    stays(include_str!("../golden/copy-v1.json"), &copy());
    stays(include_str!("../golden/copying-v1.json"), &copying());
    stays(include_str!("../golden/opened-v1.json"), &opened());
}

#[test]
fn r13_a_changed_or_newer_record_proves_nothing() {
    let golden = include_str!("../golden/copy-v1.json");
    let forged = golden.replace("563200000", "563200001");
    assert_eq!(decode::<Copy>(forged.as_bytes()).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(decode::<Verification>(golden.as_bytes()).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(decode::<Copy>(&golden.as_bytes()[..golden.len() / 2]).unwrap_err().kind(), Kind::Corrupt);
}

#[test]
fn r50_a_roster_of_version_1_stays_readable() {
    use lastgood_core::catalog::{Enrolment, Roster};
    let member = |instance: &str, left_at: Option<&str>| Enrolment {
        instance: instance.to_owned(),
        since: "2026-11-20T03:00:00Z".parse().unwrap(),
        left_at: left_at.map(|at| at.parse().unwrap()),
    };
    let members = [("prod-billing", member("billing", Some("2026-12-01T03:00:00Z"))), ("prod-orders", member("orders", None))];
    let members = members.into_iter().map(|(name, member)| (name.parse().unwrap(), member)).collect();
    stays(include_str!("../golden/roster-v1.json"), &Roster { fleet: "prod".parse().unwrap(), members });
}
