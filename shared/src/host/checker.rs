//! A dead checker says nothing, so every other function that a schedule wakes looks whether it is alive, and tells when it is not.
//!
//! Each channel hears of it once, until the checker runs again: its next check tells that it is over.

use super::stranger::once;
use crate::{
    catalog::{Heartbeat, Key},
    clock::Timestamp,
    domain::{finding::Finding, freshness},
    env::Env,
};

const CHECKER: &str = "freshness-checker";

/// Looks when the checker last ran; returns the finding where that is too long ago, after telling it to every channel that does not
/// know it. What cannot be read here the checker's own silence will tell.
pub async fn watch(env: &Env, function: &str) -> Option<Finding> {
    if function == CHECKER {
        return None;
    }
    let beat = env.vault.load::<Heartbeat>(&Key::Heartbeat(CHECKER.to_owned())).await.ok().flatten()?;
    let now: Timestamp = env.clock.now();
    let finding = freshness::checker(&env.config, beat.record.scheduled_at, now)?;
    tracing::error!(function, finding = finding.kind.slug(), "{}", finding.sentence);
    once(env, function, &finding).await;
    Some(finding)
}
