//! After a run, programs that wait for it hear what it changed.
//!
//! An event that is not taken keeps nothing from being done, and is told all the same.

use crate::{
    clock::{self, SystemClock, Timestamp},
    domain::{
        change::Change,
        finding::{Finding, FindingKind, Severity},
    },
    env::Env,
    error::{Result, out_of_time},
};
use std::time::Duration;

/// What this may take, at most.
const PATIENCE: Duration = Duration::from_secs(8);

/// Tells changes, before the platform ends the invocation; returns a finding where that failed.
pub(super) async fn announce(env: &Env, function: &str, changes: &[Change], killed_at: Option<Timestamp>) -> Option<Finding> {
    use crate::clock::Clock;
    if changes.is_empty() || env.config.events.is_none() {
        return None;
    }
    let left = killed_at.map_or(PATIENCE, |at| clock::since(at, SystemClock.now()).saturating_sub(Duration::from_millis(500)));
    let told = tokio::time::timeout(left.min(PATIENCE), tell(env, function, changes)).await;
    let error = told.unwrap_or_else(|_| Err(out_of_time("there was no answer in time"))).err()?;
    let finding = Finding::new(
        FindingKind::NotDelivered,
        Severity::Warning,
        format!("{function} could not tell of {} changes: {}", changes.len(), error.full()),
        "lastgood doctor",
    );
    tracing::warn!(function, finding = finding.kind.slug(), hint = error.advice(), "{}", finding.sentence);
    Some(finding.linked(&env.config.runbook))
}

async fn tell(env: &Env, function: &str, changes: &[Change]) -> Result<()> {
    match env.providers.announcer().await? {
        Some(announcer) => announcer.announce(function, changes).await,
        None => Ok(()),
    }
}
