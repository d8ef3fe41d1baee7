//! Whether the provider keeps a managed database as a restore will need it.

use super::{Case, old};
use crate::{
    clock::since,
    domain::{
        finding::{Finding, FindingKind, Severity},
        posture::Posture,
    },
};
use std::{collections::BTreeMap, time::Duration};

/// How far behind the latest restorable moment may be. RDS and Cloud SQL ship logs every five minutes.
const BEHIND: Duration = Duration::from_mins(30);

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut found = keys(case);
    let Some(posture) = &case.seen.posture else { return found };
    found.extend([quota(case, posture), moments(case, posture), protection(case, posture), public(case, posture)].into_iter().flatten());
    found.extend(
        posture.besides.iter().map(|sentence| case.finding(FindingKind::PostureDrift, Severity::Warning, sentence.clone(), "list")),
    );
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

fn moments(case: &Case<'_>, posture: &Posture) -> Option<Finding> {
    let drift = |sentence: String| Some(case.finding(FindingKind::PostureDrift, Severity::Warning, sentence, "list"));
    if posture.retention_days == Some(0) {
        return drift("the provider's own backups are off: no moment between two snapshots can be restored".to_owned());
    }
    let behind = since(case.now, posture.restorable_to?);
    if behind <= BEHIND {
        return None;
    }
    drift(format!("its latest restorable moment is {} behind: the provider's logs are not being kept", old(behind)))
}

fn protection(case: &Case<'_>, posture: &Posture) -> Option<Finding> {
    let sentence = "it is not protected from deletion, and its provider's own backups would go with it";
    (posture.protected == Some(false)).then(|| case.finding(FindingKind::PostureDrift, Severity::Warning, sentence, "list"))
}

fn public(case: &Case<'_>, posture: &Posture) -> Option<Finding> {
    let sentence = "it has a public address";
    (posture.public == Some(true)).then(|| case.finding(FindingKind::PostureDrift, Severity::Warning, sentence, "list"))
}
