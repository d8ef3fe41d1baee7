//! Whether the provider keeps a managed database as a restore will need it.

use super::{Case, old};
use crate::{
    clock::since,
    domain::{
        finding::{Finding, FindingKind, Severity},
        posture::{Moments, Posture},
    },
};
use std::{collections::BTreeMap, time::Duration};

/// By how much the earliest restorable moment may be later than it should be: a log is let go with the backup that it follows.
const SHORT: Duration = Duration::from_hours(24);
/// How far behind the latest restorable moment may be. RDS and Cloud SQL ship logs every five minutes.
const BEHIND: Duration = Duration::from_mins(30);

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut found = keys(case);
    let Some(posture) = &case.seen.posture else { return found };
    let drift = [moments(case, posture), window(case, posture), protection(posture), beside(posture), public(posture)];
    found.extend(drift.into_iter().flatten().map(|sentence| drifted(case, sentence)));
    found.extend(quota(case, posture));
    found.extend(plaintext(posture).map(|sentence| drifted(case, sentence)));
    found.extend(posture.besides.iter().map(|sentence| drifted(case, sentence.clone())));
    found
}

/// A key that cannot be used takes every snapshot under it along: now, not at the restore.
fn keys(case: &Case<'_>) -> Vec<Finding> {
    let its_own = case.seen.posture.iter().filter_map(|posture| posture.key.as_ref());
    let unusable: BTreeMap<&str, &str> =
        case.seen.keys.iter().chain(its_own).filter_map(|key| Some((key.name.as_str(), key.unusable.as_deref()?))).collect();
    let tell = |(name, why): (&str, &str)| {
        let sentence = format!("its key {name} {why}: nothing that is encrypted with it can be restored");
        case.finding(FindingKind::KeyUnusable, Severity::Critical, sentence, "list")
    };
    unusable.into_iter().map(tell).collect()
}

fn quota(case: &Case<'_>, posture: &Posture) -> Option<Finding> {
    let quota = posture.snapshots.filter(|quota| quota.is_near())?;
    let severity = if quota.used >= quota.most { Severity::Critical } else { Severity::Warning };
    let sentence = format!("{} of {} manual snapshots that the account may have here are taken", quota.used, quota.most);
    Some(case.finding(FindingKind::QuotaNear, severity, sentence, "prune"))
}

fn drifted(case: &Case<'_>, sentence: String) -> Finding {
    case.finding(FindingKind::PostureDrift, Severity::Warning, sentence, "list")
}

fn moments(case: &Case<'_>, posture: &Posture) -> Option<String> {
    if posture.retention_days == Some(0) {
        return Some("the provider's own backups are off: no moment between two snapshots can be restored".to_owned());
    }
    if posture.moments == Some(Moments::Off) {
        return Some("point-in-time recovery is off: no moment between two backups can be restored".to_owned());
    }
    let behind = since(case.now, posture.restorable_to?);
    (behind > BEHIND).then(|| format!("its latest restorable moment is {} behind: the provider's logs are not being kept", old(behind)))
}

/// A window that reaches less far back than it was told to: what lies before it is lost already.
fn window(case: &Case<'_>, posture: &Posture) -> Option<String> {
    let Some(Moments::Kept { days: Some(days), from: Some(from), since: made }) = posture.moments else { return None };
    let wanted = Duration::from_hours(24 * u64::from(days));
    let there = made.map_or(wanted, |made| since(case.now, made).min(wanted));
    let reaches = since(case.now, from);
    let short = there.saturating_sub(reaches);
    (short > SHORT).then(|| format!("its restorable moments reach back only {}, and {days} days are asked of them", old(reaches)))
}

fn protection(posture: &Posture) -> Option<String> {
    let both = match (posture.protected, posture.outlives) {
        (Some(false), Some(true)) => "it is not protected from deletion",
        (Some(false), _) => "it is not protected from deletion, and its provider's own backups would go with it",
        (_, Some(false)) => "its backups go with it when it is deleted: they are not retained",
        (Some(true) | None, _) => return None,
    };
    Some(both.to_owned())
}

fn beside(posture: &Posture) -> Option<String> {
    let region = posture.beside.as_ref()?;
    Some(format!("its newest backup lies in {region} alone, where it is itself: one disaster takes both"))
}

fn public(posture: &Posture) -> Option<String> {
    (posture.public == Some(true)).then(|| "it has a public address".to_owned())
}

fn plaintext(posture: &Posture) -> Option<String> {
    (posture.plaintext == Some(true)).then(|| "it may be spoken to without encryption".to_owned())
}
