//! The judgement on its own: who is owed what, and when.

use super::*;
use crate::{
    config::{Alerts, Respond},
    domain::finding::FindingKind,
    id::AssetName,
};
use std::collections::BTreeMap;

const NOON: &str = "2026-11-20T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn finding(asset: &str, kind: FindingKind, severity: Severity) -> Finding {
    let finding = Finding::new(kind, severity, format!("{} of {asset}", kind.slug()), "lastgood status");
    if asset.is_empty() { finding } else { finding.about(&asset.parse().unwrap()) }
}

fn stale(severity: Severity) -> Finding {
    finding("orders-db", FindingKind::BackupStale, severity)
}

fn topic(finding: &Finding) -> Topic {
    Topic::of(finding)
}

fn knowing(finding: &Finding, severity: Severity, told_at: &str) -> Known {
    let knows = Knows { severity, told_at: Some(at(told_at)), instead: false };
    Known { topics: [(topic(finding), knows)].into(), ..Known::default() }
}

fn whats(filter: &Filter, known: &Known, findings: &[Finding], now: &str) -> Vec<What> {
    said(filter, known, findings, now, &|_| false).into_iter().map(|(_, alert)| alert.what).collect()
}

fn said(filter: &Filter, known: &Known, findings: &[Finding], now: &str, quiet: &dyn Fn(&Finding) -> bool) -> Vec<(Topic, Alert)> {
    let stood: BTreeMap<_, _> = known.topics.keys().map(|topic| (topic.clone(), at("2026-11-20T08:00:00Z"))).collect();
    let respond = Respond([("critical".to_owned(), "15m".parse().unwrap()), ("drill-failed".to_owned(), "1h".parse().unwrap())].into());
    let rules = Alerts { respond, ..Alerts::default() };
    let cases = cases(findings, |_| None, &stood, quiet, at(now));
    let round = Round { cases: &cases, looked: &|_| true, stood: &stood, rules: &rules, runbook: "https://example.com/r", now: at(now) };
    owed(filter, known, &round)
}

#[test]
fn one_alert_for_each_change_and_none_between() {
    let all = Filter::default();
    let (warning, critical) = (stale(Severity::Warning), stale(Severity::Critical));
    assert_eq!(whats(&all, &Known::default(), std::slice::from_ref(&warning), NOON), [What::New]);
    let known = knowing(&warning, Severity::Warning, "2026-11-20T11:00:00Z");
    assert_eq!(whats(&all, &known, std::slice::from_ref(&warning), NOON), []);
    assert_eq!(whats(&all, &known, std::slice::from_ref(&critical), NOON), [What::Worse { was: Severity::Warning }]);
    let known = knowing(&warning, Severity::Critical, "2026-11-20T11:00:00Z");
    assert_eq!(whats(&all, &known, &[warning], NOON), [What::Better { was: Severity::Critical }]);
    let over = said(&all, &known, &[], NOON, &|_| false);
    assert_eq!(over[0].1.what, What::Over { lasted_seconds: Some(4 * 3600) });
    assert_eq!(over[0].1.finding.sentence, "backup-stale is over after 4h");
    assert_eq!(whats(&all, &Known::default(), &[stale(Severity::Note)], NOON), [], "a note is worth a digest, not an alert");
}

#[test]
fn what_stays_is_told_again_at_the_interval_of_its_severity() {
    let all = Filter::default();
    for (severity, told, now, again) in [
        (Severity::Critical, "2026-11-20T08:01:00Z", NOON, true),
        (Severity::Critical, "2026-11-20T08:30:00Z", NOON, false),
        (Severity::Warning, "2026-11-20T08:00:00Z", NOON, false),
        (Severity::Warning, "2026-11-19T12:00:00Z", NOON, true),
        (Severity::Warning, "2026-11-19T12:04:00Z", NOON, true),
    ] {
        let finding = stale(severity);
        let told = whats(&all, &knowing(&finding, severity, told), &[finding], now);
        assert_eq!(told == [What::Still], again, "{severity:?} {told:?}");
    }
}

#[test]
fn how_soon_to_respond_is_said_by_kind_before_severity() {
    let told = |finding: Finding| said(&Filter::default(), &Known::default(), &[finding], NOON, &|_| false)[0].1.respond_within;
    assert_eq!(told(stale(Severity::Critical)).unwrap().to_string(), "15m");
    assert_eq!(told(finding("orders-db", FindingKind::DrillFailed, Severity::Critical)).unwrap().to_string(), "1h");
    assert_eq!(told(stale(Severity::Warning)), None);
}

#[test]
fn a_filter_lets_through_its_severity_its_assets_and_what_concerns_everybody() {
    let pager = Filter { least: Severity::Critical, assets: ["orders-db".parse().unwrap()].into() };
    let users = finding("users-db", FindingKind::BackupStale, Severity::Critical);
    let vault = finding("", FindingKind::VaultUnsafe, Severity::Critical);
    let told = said(&pager, &Known::default(), &[stale(Severity::Critical), users, vault], NOON, &|_| false);
    assert_eq!(told.iter().map(|(topic, _)| topic.to_string()).collect::<Vec<_>>(), ["/vault-unsafe", "orders-db/backup-stale"]);
    assert_eq!(whats(&pager, &Known::default(), &[stale(Severity::Warning)], NOON), []);
    let fleet = Filter { assets: ["fleet".parse().unwrap()].into(), ..Filter::default() };
    let (fleet_name, member): (AssetName, AssetName) = ("fleet".parse().unwrap(), "fleet-orders".parse().unwrap());
    assert!(fleet.concerns(Some(&member), Some(&fleet_name)) && !fleet.concerns(Some(&member), None));
    // What got better than a pager wants to hear of is closed there, and told nowhere twice.
    let known = knowing(&stale(Severity::Critical), Severity::Critical, "2026-11-20T11:00:00Z");
    assert_eq!(whats(&pager, &known, &[stale(Severity::Warning)], NOON), [What::Eased { was: Severity::Critical }]);
}

#[test]
fn two_of_a_kind_are_one_alert_that_says_both_and_is_as_bad_as_the_worse() {
    let mut second = stale(Severity::Critical);
    second.sentence = "and the copy".to_owned();
    let told = said(&Filter::default(), &Known::default(), &[stale(Severity::Warning), second], NOON, &|_| false);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1.finding.severity, Severity::Critical);
    assert_eq!(told[0].1.finding.sentence, "and the copy; backup-stale of orders-db");
}

#[test]
fn what_is_acknowledged_is_quiet_until_it_gets_worse_ends_or_the_time_is_up() {
    let ack = Ack {
        asset: Some("orders-db".parse().unwrap()),
        kind: FindingKind::BackupStale,
        severity: Severity::Warning,
        by: "ana".to_owned(),
        why: "the disk is on its way".to_owned(),
        at: at("2026-11-20T09:00:00Z"),
        until: at("2026-11-23T09:00:00Z"),
        ended: None,
    };
    let (warning, critical) = (stale(Severity::Warning), stale(Severity::Critical));
    assert!(ack.quiets(&warning, at(NOON)) && !ack.quiets(&critical, at(NOON)));
    assert!(!ack.quiets(&warning, at("2026-11-23T09:00:00Z")));
    assert!(!ack.quiets(&finding("users-db", FindingKind::BackupStale, Severity::Warning), at(NOON)));
    assert_eq!(ack.ends(Some(&warning), at(NOON)), None);
    assert_eq!(ack.ends(Some(&critical), at(NOON)), Some("it got worse"));
    assert_eq!(ack.ends(None, at(NOON)), Some("what it was about is over"));
    let known = knowing(&warning, Severity::Warning, "2026-11-18T11:00:00Z");
    let told = |finding: &Finding| said(&Filter::default(), &known, std::slice::from_ref(finding), NOON, &|f| ack.quiets(f, at(NOON)));
    assert_eq!(told(&warning), []);
    assert_eq!(told(&critical)[0].1.what, What::Worse { was: Severity::Warning });
}

#[test]
fn a_digest_is_owed_once_its_hour_has_struck_and_the_first_check_only_begins_to_count() {
    let monday: crate::domain::due::Schedule = "0 8 * * 1".parse().unwrap();
    let known = |last: Option<&str>| Known { digest_at: last.map(at), ..Known::default() };
    assert!(!digest_due(&known(None), Some(&monday), at("2026-11-23T08:30:00Z")));
    assert!(!digest_due(&known(Some("2026-11-20T12:00:00Z")), Some(&monday), at("2026-11-23T07:59:00Z")));
    assert!(digest_due(&known(Some("2026-11-20T12:00:00Z")), Some(&monday), at("2026-11-23T08:00:00Z")));
    assert!(!digest_due(&known(Some("2026-11-23T08:00:00Z")), Some(&monday), at("2026-11-23T09:00:00Z")));
    assert!(!digest_due(&known(Some("2026-11-20T12:00:00Z")), None, at("2026-11-30T09:00:00Z")));
}

#[test]
fn what_a_channel_refused_goes_to_the_next_that_it_concerns_unless_somebody_knows_it() {
    let alert = |finding: Finding| (topic(&finding), Alert { what: What::New, finding, since: None, respond_within: None });
    let (all, pager) = (Filter::default(), Filter { least: Severity::Critical, assets: ["users-db".parse().unwrap()].into() });
    let nothing = Known::default();
    let of = |filter, known, refused| Standing { filter, known, refused };
    let refusal = [Refusal { channel: 0, alerts: vec![alert(stale(Severity::Warning))] }];
    // The pager is for other assets: the third comes first, though it is next but one.
    let to = |channels: &[Standing<'_>]| instead(&refusal, channels, |_| None).into_iter().map(|(n, _)| n).collect::<Vec<_>>();
    assert_eq!(to(&[of(&all, &nothing, true), of(&pager, &nothing, false), of(&all, &nothing, false)]), [2]);
    assert_eq!(to(&[of(&all, &nothing, true), of(&pager, &nothing, false), of(&all, &nothing, true)]), [1], "better than nobody");
    let knows = knowing(&stale(Severity::Warning), Severity::Warning, NOON);
    assert_eq!(to(&[of(&all, &nothing, true), of(&pager, &nothing, false), of(&all, &knows, false)]), [0; 0]);
    assert_eq!(to(&[of(&all, &nothing, true), of(&pager, &nothing, true), of(&all, &knows, true)]), [0; 0]);
}

#[test]
fn a_topic_reads_as_it_is_written() {
    for text in ["orders-db/backup-stale", "/vault-unsafe"] {
        assert_eq!(text.parse::<Topic>().unwrap().to_string(), text);
    }
    for text in ["", "orders-db", "orders-db/", "Orders/backup-stale", "orders-db/no-such-kind"] {
        assert!(text.parse::<Topic>().is_err(), "{text}");
    }
}
