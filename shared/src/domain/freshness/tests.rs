//! What holds of every judgement, whatever was seen. What each finding needs to fire is told by the stories.

use super::{Candidate, DrillSeen, Objects, Reading, Seen, State, judge, old, unrecorded};
use crate::{
    clock::{Timestamp, after, before},
    config::{Asset, Config},
    domain::{
        backup::{Artifact, Compression, Expectations, Form, Manifest, Method, Origin, Role, TableFacts, Tier},
        drill::Verdict,
        finding::{FindingKind, Severity},
        freshness::Stray,
    },
    function::{Exit, exit_of},
    id::{BackupId, Slot},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn asset() -> Asset {
    let yaml = "vault: file:///v\nassets:\n  orders-db:\n    kind: postgres\n    url: env:U\n    rpo: 24h\n    export: { schedule: \"0 2 * * *\" }\n";
    let config = Config::parse(yaml, "lastgood.yaml").unwrap();
    config.assets.into_values().next().unwrap()
}

fn backup(hours: u64, size: u64, rows: u64) -> Manifest {
    let data_time = before(now(), Duration::from_hours(hours));
    let (asset, slot) = ("orders-db".parse().unwrap(), Slot::at(data_time));
    let artifact = Artifact {
        key: format!("exports/orders-db/{hours}"),
        role: Role::Data,
        size,
        sha256: String::new(),
        chunks: None,
        plain_size: size,
        compression: Compression::None,
        recipients: Vec::new(),
    };
    Manifest {
        id: BackupId::derive("export-to-bucket", &asset, &slot),
        asset,
        method: Method::PgDumpCustom,
        tier: Tier::Daily,
        slot,
        data_time,
        started_at: data_time,
        finished_at: after(data_time, Duration::from_mins(5)),
        source: Origin::default(),
        artifacts: vec![artifact],
        held: None,
        expectations: Expectations {
            tables: [("public.orders".to_owned(), TableFacts { rows, digest: None })].into(),
            ..Expectations::default()
        },
        tools: BTreeMap::new(),
    }
}

prop_compose! {
    fn candidates()(parts in prop::collection::btree_map(1_u64..200, (1_u64..5_000_000, 0_u64..3, 0_u8..4, prop::bool::ANY), 0..12)) -> Vec<(Candidate, Option<Verdict>)> {
        parts.into_iter().map(|(hours, (size, rows, fate, drilled))| {
            let objects = if fate == 1 { Objects::Damaged("it is missing".to_owned()) } else { Objects::Whole };
            let reading = (fate == 2).then(|| Reading { at: now(), contradiction: Some("bytes differ".to_owned()) });
            let candidate = Candidate { manifest: backup(hours, size, rows), objects, reading, copies: BTreeMap::new() };
            (candidate, drilled.then_some(Verdict::Proven))
        }).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r36_good_means_a_whole_uncontradicted_backup_within_the_rpo(candidates in candidates()) {
        let drill = |(candidate, verdict): &(Candidate, Option<Verdict>)| verdict.map(|verdict| DrillSeen {
            backup: candidate.manifest.id,
            form: Form::Export,
            moment: None,
            finished_at: now(),
            verdict,
            unsigned: None,
            why: None,
            took: None,
        });
        let drills = candidates.iter().filter_map(drill).collect();
        let backups: Vec<_> = candidates.iter().map(|(candidate, _)| candidate.clone()).collect();
        let seen = Seen { backups: backups.clone(), drills, ..Seen::default() };
        let status = judge(&asset(), &seen, now(), "https://example.com/runbook");
        let intact = |candidate: &&Candidate| candidate.objects == Objects::Whole && candidate.reading.is_none();
        let fresh = backups.iter().filter(intact).any(|candidate| candidate.manifest.data_time >= before(now(), Duration::from_hours(24)));
        if status.state == State::Good {
            prop_assert!(fresh);
        }
        if let Some(newest) = &status.newest {
            prop_assert!(backups.iter().filter(intact).any(|candidate| candidate.manifest.id == newest.id));
        }
        if !fresh {
            prop_assert!(status.findings.iter().any(|f| matches!(f.kind, FindingKind::BackupStale | FindingKind::NeverSucceeded)));
            prop_assert_ne!(exit_of(&status.findings), Exit::Good);
        }
        prop_assert!(status.findings.is_sorted_by_key(|finding| std::cmp::Reverse(finding.severity)));
        for finding in &status.findings {
            prop_assert!(finding.asset.is_some() && finding.runbook.ends_with(finding.kind.slug()));
        }
    }
}

#[test]
fn ages_are_said_as_operators_say_them() {
    let said = |minutes: u64| old(Duration::from_mins(minutes));
    assert_eq!([said(0), said(12), said(60), said(200), said(26 * 60 + 5)], ["0s", "12m", "1h", "3h 20m", "26h"]);
    assert_eq!([said(72 * 60), said(98 * 60)], ["3d", "4d 2h"]);
    assert_eq!(old(Duration::from_secs(42)), "42s", "a minute that is not over is never called 0m");
}

#[test]
fn exits_put_what_failed_before_what_is_old_before_what_is_unknown() {
    use crate::domain::finding::Finding;
    let finding = |kind, severity| Finding::new(kind, severity, "x", "lastgood status");
    let stale = finding(FindingKind::BackupStale, Severity::Critical);
    let failed = finding(FindingKind::DrillFailed, Severity::Critical);
    let unknown = finding(FindingKind::CouldNotObserve, Severity::Warning);
    assert_eq!(exit_of(&[unknown.clone(), stale.clone(), failed]), Exit::Failed);
    assert_eq!(exit_of(&[unknown.clone(), stale]), Exit::Stale);
    assert_eq!(exit_of(&[unknown]), Exit::CouldNotVerify);
    assert_eq!(exit_of(&[finding(FindingKind::HandOperated, Severity::Note)]), Exit::Good);
    assert_eq!(exit_of(&[]), Exit::Good);
}

#[test]
fn what_a_run_noted_is_explained_a_folder_with_all_below_it() {
    let stray = |key: &str| Stray { key: key.to_owned(), size: 1, modified: before(now(), Duration::from_hours(1)) };
    let named = BTreeSet::from(["exports/a/x.dump".to_owned(), "exports/a/y/".to_owned()]);
    let listed = ["exports/a/x.dump", "exports/a/x.dump.sha256", "exports/a/y/toc.dat", "exports/a/z.dump"].map(stray);
    let left: Vec<_> = unrecorded(listed.to_vec(), &named, now()).into_iter().map(|stray| stray.key).collect();
    assert_eq!(left, ["exports/a/z.dump"]);
}
