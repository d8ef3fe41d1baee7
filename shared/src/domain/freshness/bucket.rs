//! Whether the buckets keep what lies in them: the vault and its copies as backups need it, a protected one as its owner asks.

use super::Case;
use crate::{
    config::{Config, Policy, Source},
    domain::{
        finding::{Finding, FindingKind, Severity},
        place::Place,
        posture::{BucketPosture, Encryption, Expiry, Exposure, Lifecycle, Lock},
    },
};

/// What is said of a bucket: kind, severity, sentence.
type Told = (FindingKind, Severity, String);

/// Judges how a bucket is kept that backups lie in.
pub fn vault(config: &Config, place: &Place, posture: &BucketPosture) -> Vec<Finding> {
    let mut told = exposure(posture, (FindingKind::VaultUnsafe, Severity::Critical));
    told.extend(versions(posture));
    told.extend(encryption(posture));
    told.extend(lifecycle(posture, place, kept_days(config, place)));
    let locked = config.object_lock == Some(true);
    told.extend(unlocked(posture).filter(|_| locked));
    told.extend(notes(posture, place, locked));
    if !posture.unseen.is_empty() {
        let unseen: Vec<_> = posture.unseen.iter().map(|(what, why)| format!("{what} ({why})")).collect();
        let sentence = format!("could not be looked at in all that keeps it: {}", unseen.join("; "));
        told.push((FindingKind::CouldNotObserve, Severity::Warning, sentence));
    }
    let finding = |(kind, severity, sentence): Told| {
        Finding::new(kind, severity, format!("{place} {sentence}"), "lastgood doctor").linked(&config.runbook)
    };
    told.into_iter().map(finding).collect()
}

/// Judges how a protected bucket is kept.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let (Some(posture), Source::Bucket { expect, .. }) = (&case.seen.bucket, &case.asset.source) else { return Vec::new() };
    let versioned = expect.as_ref().and_then(|expect| expect.versioning).unwrap_or(true);
    let mut told = exposure(posture, (FindingKind::PostureDrift, Severity::Warning));
    told.extend(versions(posture).filter(|_| versioned));
    told.extend(encryption(posture));
    told.extend(unlocked(posture).filter(|_| expect.as_ref().is_some_and(|expect| expect.object_lock == Some(true))));
    told.extend(expect.as_ref().and_then(|expect| expect.noncurrent_days).and_then(|days| noncurrent(posture, days)));
    told.into_iter().map(|(kind, severity, sentence)| case.finding(kind, severity, format!("it {sentence}"), "list")).collect()
}

fn drift(sentence: impl Into<String>) -> Told {
    (FindingKind::PostureDrift, Severity::Warning, sentence.into())
}

fn exposure(posture: &BucketPosture, public: (FindingKind, Severity)) -> Vec<Told> {
    match &posture.exposure {
        None | Some(Exposure::Closed) => Vec::new(),
        Some(Exposure::Unguarded(what)) => vec![drift(format!("is kept from the public by nothing but care: {what}"))],
        Some(Exposure::Public(why)) => vec![(public.0, public.1, format!("can be read by anybody: {why}"))],
    }
}

fn versions(posture: &BucketPosture) -> Option<Told> {
    (posture.versioning == Some(false)).then(|| drift("keeps no former versions: what is deleted or overwritten is gone at once"))
}

fn unlocked(posture: &BucketPosture) -> Option<Told> {
    (posture.lock == Some(Lock::Off))
        .then(|| drift("has no Object Lock, which the config asks for: whoever takes over the account can delete everything"))
}

fn encryption(posture: &BucketPosture) -> Option<Told> {
    (posture.encryption == Some(Encryption::Nothing)).then(|| drift("does not encrypt what it keeps"))
}

/// A rule that deletes by age alone knows neither what is the last good backup nor what a record is.
fn lifecycle(posture: &BucketPosture, place: &Place, kept_days: u32) -> Vec<Told> {
    let rules = posture.lifecycle.iter().flatten();
    rules
        .filter_map(|rule| deletes(rule, place, kept_days))
        .chain(posture.lifecycle.iter().flatten().filter_map(|rule| archives(rule, place)))
        .collect()
}

fn deletes(rule: &Lifecycle, place: &Place, kept_days: u32) -> Option<Told> {
    let what = ours(rule, place)?;
    let id = &rule.id;
    Some(match rule.expires.as_ref()? {
        Expiry::On(day) => (
            FindingKind::VaultUnsafe,
            Severity::Critical,
            format!("has a lifecycle rule ({id}) that deletes {what} on {day}, whatever retention says"),
        ),
        Expiry::After(days) if *days < kept_days => (
            FindingKind::VaultUnsafe,
            Severity::Critical,
            format!("has a lifecycle rule ({id}) that deletes {what} after {days} days, and retention keeps backups for {kept_days}"),
        ),
        Expiry::After(days) => {
            drift(format!("has a lifecycle rule ({id}) that deletes {what} after {days} days by age alone, the last good backup among it"))
        }
    })
}

fn archives(rule: &Lifecycle, place: &Place) -> Option<Told> {
    let what = ours(rule, place)?;
    let (days, class) = rule.archives.as_ref()?;
    Some(drift(format!(
        "has a lifecycle rule ({}) that moves {what} to {class} after {days} days: a restore waits for hours then",
        rule.id
    )))
}

/// What of ours a rule is about.
fn ours(rule: &Lifecycle, place: &Place) -> Option<&'static str> {
    let below = |folder: &str| match place.prefix() {
        "" => format!("{folder}/"),
        prefix => format!("{prefix}/{folder}/"),
    };
    match (rule.touches(&below("exports")), rule.touches(&below("catalog"))) {
        (true, true) => Some("backups and their records"),
        (true, false) => Some("backups"),
        (false, true) => Some("the records of backups"),
        (false, false) => None,
    }
}

/// What is worth knowing: our own sweep removes unfinished uploads too, and a lock is for those who fear a thief.
fn notes(posture: &BucketPosture, place: &Place, asked: bool) -> Vec<Told> {
    let note = |sentence: &str| (FindingKind::PostureDrift, Severity::Note, sentence.to_owned());
    let uploads = |rules: &Vec<Lifecycle>| !rules.iter().any(|rule| rule.uploads_days.is_some() && ours(rule, place).is_some());
    let kept = posture.lifecycle.as_ref().filter(|rules| uploads(rules));
    let open = (!asked && posture.lock == Some(Lock::Off))
        .then(|| note("has no Object Lock: whoever takes over the account can delete every backup"));
    kept.map(|_| note("never removes uploads that were not finished")).into_iter().chain(open).collect()
}

fn noncurrent(posture: &BucketPosture, wanted: u32) -> Option<Told> {
    let rules = posture.lifecycle.iter().flatten();
    let least = rules.filter(|rule| !rule.tagged).filter_map(|rule| rule.noncurrent_days).min()?;
    (least < wanted).then(|| drift(format!("keeps former versions for {least} days, and {wanted} are expected")))
}

/// For how many days the policies keep a backup at a place at most.
fn kept_days(config: &Config, place: &Place) -> u32 {
    let here = |policy: &Policy| config.vault == *place || policy.copies.iter().any(|copy| copy.place() == place);
    let days = |policy: &Policy| {
        let kept = policy.retention;
        kept.daily.max(kept.weekly.saturating_mul(7)).max(kept.monthly.saturating_mul(31))
    };
    config.assets.values().map(|asset| &asset.policy).filter(|policy| here(policy)).map(days).max().unwrap_or_default()
}
