//! Plans, tombstones, the status and what was told outlive deploys: version 1 stays readable, byte for byte.

use lastgood_core::{
    catalog::{Extract, Leaving, PlanRecord, PlanState, Record, Status, Tombstone, decode, encode},
    config::Retention,
    domain::{
        backup::{Form, Method},
        finding::{Finding, FindingKind, Severity},
        freshness::{AssetStatus, CopyCount, Newest, Proven, Rto, State},
        retention::{Judged, Plan},
        tell::{Ack, Ended, Known, Knows, Memory, Refused, Topic},
    },
    error::Kind,
};
use std::fmt::Debug;

const NIGHT: &str = "01KAFH5B00A1B2C3D4E5F6G7H8";
const OLD: &str = "01K7EZ0A00A1B2C3D4E5F6G7H8";

fn plan() -> PlanRecord {
    PlanRecord {
        planned_at: "2026-11-20T04:00:00Z".parse().unwrap(),
        holder: "prune-7f3a".to_owned(),
        approved: false,
        state: PlanState::Done { at: "2026-11-20T04:00:03Z".parse().unwrap() },
        plan: Plan {
            asset: "orders-db".parse().unwrap(),
            policy: Retention { daily: 7, weekly: 4, monthly: 12 },
            keep: vec![Judged {
                id: NIGHT.parse().unwrap(),
                why: "newest data; newest backup; newest verified; day 2026-11-20".to_owned(),
            }],
            prune: vec![Judged { id: OLD.parse().unwrap(), why: "newer backups stand for its day, week and month".to_owned() }],
            refused: None,
            hash: "5d41402abc4b".to_owned(),
        },
    }
}

fn tombstone() -> Tombstone {
    Tombstone {
        backup: OLD.parse().unwrap(),
        asset: "orders-db".parse().unwrap(),
        form: Form::Export,
        method: Method::PgDumpCustom,
        data_time: "2026-10-13T02:00:04Z".parse().unwrap(),
        stored_bytes: 563_200_000,
        let_go_at: "2026-11-20T04:00:01Z".parse().unwrap(),
        why: "newer backups stand for its day, week and month".to_owned(),
        plan: "5d41402abc4b".to_owned(),
        objects: vec!["exports/orders-db/orders-db_daily_20261013_020000.dump.zst".to_owned()],
        held: None,
        places: vec!["s3://acme-backups-west/lastgood".parse().unwrap()],
        leaving: Leaving::Gone,
    }
}

fn extract() -> Extract {
    Extract::new(
        NIGHT.parse().unwrap(),
        "orders-rds".parse().unwrap(),
        "20261120T050000Z".parse().unwrap(),
        "arn:aws:rds:eu-west-1:123456789012:snapshot:lastgood-orders-rds-20261120t030000z".to_owned(),
        "s3://acme-analytics/orders".parse().unwrap(),
        "2026-11-20T06:20:00Z".parse().unwrap(),
        12_000_000_000,
    )
}

fn status() -> Status {
    let sentence = "newest backup is 26h old, policy allows 24h";
    let stale = Finding::new(FindingKind::BackupStale, Severity::Critical, sentence, "lastgood export orders-db")
        .about(&"orders-db".parse().unwrap())
        .linked("https://example.com/runbook");
    let orders = AssetStatus {
        asset: "orders-db".parse().unwrap(),
        kind: "postgres".to_owned(),
        fleet: None,
        state: State::Stale,
        newest: Some(Newest {
            id: NIGHT.parse().unwrap(),
            form: Form::Export,
            method: Method::PgDumpCustom,
            data_time: "2026-11-20T02:00:04Z".parse().unwrap(),
            age_seconds: 93_600,
            stored_bytes: None,
            took_seconds: None,
        }),
        rpo: "24h".parse().unwrap(),
        copies: CopyCount { proven: 1, asked: 2 },
        proven: Some(Proven { backup: OLD.parse().unwrap(), form: Form::Export, at: "2026-11-15T06:03:20Z".parse().unwrap() }),
        rto: Rto { target: "4h".parse().unwrap(), measured_seconds: Some(187) },
        recoverable: None,
        forecast: None,
        backups: 23,
        stored_bytes: 12_953_600_000,
        next_due: Some("2026-11-22T02:00:00Z".parse().unwrap()),
        findings: vec![stale],
    };
    Status::of("2026-11-21T04:00:04Z".parse().unwrap(), vec![orders], Vec::new())
}

fn told() -> Memory {
    let topic: Topic = "orders-db/backup-stale".parse().unwrap();
    let drilled: Topic = "orders-db/drill-failed".parse().unwrap();
    let (since, at) = ("2026-11-20T04:00:04Z".parse().unwrap(), "2026-11-20T08:00:04Z".parse().unwrap());
    let critical = Knows { severity: Severity::Critical, told_at: Some(at), instead: false };
    let instead = Knows { severity: Severity::Warning, told_at: Some(at), instead: true };
    let refused = Refused { since: at, why: "Slack: it answered 404 Not Found, no_service".to_owned() };
    Memory {
        since: [(topic.clone(), since), (drilled.clone(), at)].into(),
        channels: [
            ("pagerduty".to_owned(), Known { topics: [(topic, critical), (drilled, instead)].into(), digest_at: Some(at), refused: None }),
            ("slack".to_owned(), Known { refused: Some(refused.clone()), ..Known::default() }),
        ]
        .into(),
        heartbeat: Some(Refused { why: "the heartbeat's receiver did not answer in time".to_owned(), ..refused }),
    }
}

fn ack() -> Ack {
    Ack {
        asset: Some("orders-db".parse().unwrap()),
        kind: FindingKind::BackupStale,
        severity: Severity::Critical,
        by: "ana".to_owned(),
        why: "the disk is being replaced".to_owned(),
        at: "2026-11-20T08:15:00Z".parse().unwrap(),
        until: "2026-11-23T08:15:00Z".parse().unwrap(),
        ended: Some(Ended { at: "2026-11-21T02:10:00Z".parse().unwrap(), why: "what it was about is over".to_owned() }),
    }
}

/// What was written by version 1 reads back as this, and this is still written so.
#[track_caller]
fn golden<R: Record + PartialEq + Debug>(record: &R, golden: &str) {
    let written = String::from_utf8(encode(record).unwrap().to_vec()).unwrap();
    assert_eq!(written, golden, "what is written differs from version 1:\n{written}");
    assert_eq!(decode::<R>(golden.as_bytes()).unwrap(), *record);
    let (version, newer) = (format!("\"version\": {}", R::VERSION), format!("\"version\": {}", R::VERSION + 1));
    let newer = golden.replace(&version, &newer);
    assert_eq!(decode::<R>(newer.as_bytes()).unwrap_err().kind(), Kind::Corrupt, "the seal covers the version");
}

#[test]
fn r50_version_1_plans_stay_readable_and_are_still_what_we_write() {
    golden(&plan(), include_str!("../golden/plan-v1.json"));
}

#[test]
fn r50_version_1_tombstones_stay_readable_and_are_still_what_we_write() {
    golden(&tombstone(), include_str!("../golden/tombstone-v1.json"));
}

#[test]
fn r50_version_1_extracts_stay_readable_and_are_still_what_we_write() {
    golden(&extract(), include_str!("../golden/extract-v1.json"));
}

#[test]
fn r50_the_status_is_what_programs_rely_on() {
    golden(&status(), include_str!("../golden/status-v1.json"));
}

#[test]
fn r50_what_was_told_is_version_2_and_still_what_we_write() {
    golden(&told(), include_str!("../golden/told-v2.json"));
}

#[test]
fn r50_what_version_1_told_stays_readable_and_is_not_told_again() {
    let read: Memory = decode(include_bytes!("../golden/told-v1.json")).unwrap();
    let known = &read.channels["webhook (1 of 1)"];
    let knows = known.topics[&"orders-db/backup-stale".parse::<Topic>().unwrap()];
    assert_eq!(knows, Knows { severity: Severity::Critical, told_at: None, instead: false });
    assert_eq!((read.since.len(), known.digest_at, &known.refused), (0, None, &None));
}

#[test]
fn r50_version_1_acknowledgements_stay_readable_and_are_still_what_we_write() {
    golden(&ack(), include_str!("../golden/ack-v1.json"));
}
