use super::*;
use crate::{
    clock::before,
    config::Config,
    domain::{
        backup::{Artifact, Compression, Expectations, Manifest, Method, Origin, Role, Tier},
        freshness::DrillSeen,
        posture::Posture,
    },
    id::Slot,
};
use std::collections::BTreeMap;

const CONFIG: &str = r#"
vault: s3://acme/lastgood
assets:
  orders: { kind: rds, instance: orders-prod, region: eu-west-1, url: "env:U", export: { schedule: "0 2 * * *" }, copies: [ { vault: s3://west/lastgood } ] }
"#;

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn hours(hours: u64) -> Timestamp {
    before(now(), Duration::from_hours(hours))
}

fn candidate(age: u64, size: u64) -> Candidate {
    let (asset, slot) = ("orders".parse().unwrap(), Slot::at(hours(age)));
    let artifact = Artifact {
        key: format!("exports/orders/{age}"),
        role: Role::Data,
        size,
        sha256: String::new(),
        chunks: None,
        plain_size: size,
        compression: Compression::None,
        recipients: Vec::new(),
    };
    let manifest = Manifest {
        id: BackupId::derive("export-to-bucket", &asset, &slot),
        asset,
        method: Method::PgDumpCustom,
        tier: Tier::Daily,
        slot,
        data_time: hours(age),
        started_at: hours(age),
        finished_at: hours(age),
        source: Origin::default(),
        artifacts: vec![artifact],
        held: None,
        expectations: Expectations::default(),
        tools: BTreeMap::new(),
    };
    Candidate { manifest, objects: Objects::Whole, reading: None, copies: BTreeMap::new() }
}

fn drill(of: &Candidate, age: u64, verdict: Verdict, took: u64) -> DrillSeen {
    DrillSeen {
        backup: of.manifest.id,
        form: of.manifest.form(),
        moment: None,
        finished_at: hours(age),
        verdict,
        why: None,
        took: Some(Duration::from_secs(took)),
        unsigned: None,
    }
}

fn of(seen: &Seen) -> Recoverable {
    let config = Config::parse(CONFIG, "lastgood.yaml").unwrap();
    recoverable(config.assets.values().next().unwrap(), seen, &config.vault, now(), Tense::Now)
}

fn west() -> Place {
    "s3://west/lastgood".parse().unwrap()
}

#[test]
fn an_answer_says_to_when_how_fast_what_is_lost_and_from_where() {
    let newest = candidate(10, 1_000);
    let drills = vec![drill(&newest, 5, Verdict::Proven, 432)];
    let found = of(&Seen { backups: vec![candidate(34, 1_000), newest], drills, ..Seen::default() });
    let said = "restorable to 2026-11-20 02:00:00Z within 7m 12s (measured), data loss if lost now: 10h, last proven 5h ago, from s3://acme/lastgood";
    assert_eq!(found.sentence, said);
    assert_eq!((found.within_seconds, found.loss_seconds, found.proven_at), (Some(432), Some(36_000), Some(hours(5))));
}

#[test]
fn what_was_never_measured_is_no_number_and_another_forms_time_is_not_taken_for_it() {
    let never = of(&Seen { backups: vec![candidate(10, 1_000)], ..Seen::default() });
    assert_eq!((never.within_seconds, never.proven_at), (None, None));
    assert!(never.sentence.contains("(how long that takes was never measured)") && never.sentence.contains("never proven"));
    let other = DrillSeen { form: Form::Snapshot, ..drill(&candidate(10, 1_000), 5, Verdict::Proven, 432) };
    let of_a_snapshot = of(&Seen { backups: vec![candidate(10, 1_000)], drills: vec![other], ..Seen::default() });
    assert_eq!(of_a_snapshot.within_seconds, None, "{}", of_a_snapshot.sentence);
    let failed = drill(&candidate(10, 1_000), 5, Verdict::Failed, 432);
    let failed = of(&Seen { backups: vec![candidate(10, 1_000)], drills: vec![failed], ..Seen::default() });
    assert!(failed.within_seconds.is_none() && failed.sentence.contains("never proven (the last drill failed)"), "{}", failed.sentence);
}

#[test]
fn what_is_damaged_at_home_is_had_back_from_where_it_is_whole_or_not_at_all() {
    let mut newest = candidate(10, 1_000);
    newest.objects = Objects::Damaged("x is missing".to_owned());
    let older = of(&Seen { backups: vec![newest.clone(), candidate(34, 1_000)], ..Seen::default() });
    assert_eq!(older.restorable_to, Some(hours(34)), "no copy, so the one before");
    newest.copies.insert(west(), CopySeen::Proven);
    let copied = of(&Seen { backups: vec![newest.clone(), candidate(34, 1_000)], ..Seen::default() });
    assert_eq!((copied.restorable_to, copied.from), (Some(hours(10)), Some(west())));
    newest.copies.insert(west(), CopySeen::Damaged("y is missing".to_owned()));
    let none = of(&Seen { backups: vec![newest], ..Seen::default() });
    assert_eq!((none.restorable_to, none.from, none.loss_seconds), (None, None, None));
    assert_eq!(none.sentence, "nothing can be restored: the one backup that there is does not count");
    assert_eq!(of(&Seen::default()).sentence, "nothing can be restored: there is no backup");
    let unreadable = of(&Seen { unreadable: vec![("k".to_owned(), "why".to_owned())], ..Seen::default() });
    assert!(unreadable.sentence.starts_with("nothing is known to be restorable"), "{}", unreadable.sentence);
}

#[test]
fn what_could_not_be_looked_at_is_said_to_be_so() {
    let mut newest = candidate(10, 1_000);
    newest.objects = Objects::Unknown;
    let unsure = of(&Seen { backups: vec![newest.clone()], ..Seen::default() });
    assert!(unsure.sentence.ends_with("from s3://acme/lastgood as recorded: that could not be looked at"), "{}", unsure.sentence);
    newest.copies.insert(west(), CopySeen::Proven);
    assert_eq!(of(&Seen { backups: vec![newest], ..Seen::default() }).from, Some(west()), "what is sure is named before");
}

#[test]
fn what_is_odd_or_of_the_future_is_not_offered_unless_a_drill_proved_it() {
    let mut backups: Vec<_> = (1..5).map(|night| candidate(10 + 24 * night, 1_000)).collect();
    let odd = candidate(10, 20);
    backups.push(odd.clone());
    assert_eq!(of(&Seen { backups: backups.clone(), ..Seen::default() }).restorable_to, Some(hours(34)));
    let drills = vec![drill(&odd, 5, Verdict::Proven, 432)];
    assert_eq!(of(&Seen { backups, drills, ..Seen::default() }).restorable_to, Some(hours(10)));
}

#[test]
fn a_provider_that_brings_back_any_moment_is_asked_for_the_latest_and_what_measured_snapshots_measures_no_moment() {
    let newest = candidate(10, 1_000);
    let latest = before(now(), Duration::from_mins(5));
    let posture = Posture { retention_days: Some(7), restorable_to: Some(latest), ..Posture::default() };
    let drills = vec![drill(&newest, 5, Verdict::Proven, 432)];
    let seen = Seen { backups: vec![newest.clone()], drills, posture: Some(posture.clone()), ..Seen::default() };
    let found = of(&seen);
    assert_eq!((found.restorable_to, found.backup, found.within_seconds), (Some(latest), None, None));
    assert!(found.sentence.ends_with("from aws://eu-west-1 (its provider's continuous backups)"), "{}", found.sentence);
    assert_eq!(found.loss_seconds, Some(300));
    let mut moment = seen.clone();
    moment.drills.push(DrillSeen { moment: Some(latest), ..drill(&newest, 1, Verdict::Proven, 900) });
    assert_eq!(of(&moment).within_seconds, Some(900));
    let off = Seen { posture: Some(Posture { retention_days: Some(0), ..posture }), ..seen };
    assert_eq!(of(&off).restorable_to, Some(hours(10)), "it keeps none");
}
