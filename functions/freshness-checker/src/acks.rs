//! What somebody acknowledged, and its end.

use lastgood_core::{
    catalog::{self, Key},
    clock::Timestamp,
    domain::{
        finding::Finding,
        tell::{Ack, Ended, Topic},
    },
    env::Env,
};

/// Every acknowledgement that could be read: one that could not makes nothing quiet.
#[derive(Debug, Clone, Default)]
pub struct Acks(Vec<Ack>);

impl Acks {
    /// Reads them; where that fails, nothing is acknowledged.
    pub async fn read(env: &Env) -> Self {
        match catalog::acks(&env.vault).await {
            Ok(found) => {
                for (key, error) in &found.unreadable {
                    tracing::warn!(key, "this acknowledgement makes nothing quiet: {}", error.full());
                }
                Self(found.good)
            }
            Err(error) => {
                tracing::warn!("acknowledgements could not be read, and make nothing quiet: {}", error.full());
                Self::default()
            }
        }
    }

    /// Returns who knows of a finding, if somebody does.
    pub fn of(&self, finding: &Finding, now: Timestamp) -> Option<&Ack> {
        self.0.iter().find(|ack| ack.quiets(finding, now))
    }

    /// Those that stand.
    pub fn holding(&self, now: Timestamp) -> Vec<Ack> {
        self.0.iter().filter(|ack| ack.holds(now)).cloned().collect()
    }

    /// Ends those whose finding is over or got worse.
    pub(crate) async fn end(&mut self, env: &Env, findings: &[Finding], looked: impl Fn(&Topic) -> bool, now: Timestamp) {
        for ack in &mut self.0 {
            let topic = ack.topic();
            let worst = findings.iter().filter(|finding| Topic::of(finding) == topic).max_by_key(|finding| finding.severity);
            if worst.is_none() && !looked(&topic) {
                continue;
            }
            let Some(why) = ack.ends(worst, now) else { continue };
            ack.ended = Some(Ended { at: now, why: why.to_owned() });
            tracing::info!(topic = topic.to_string(), "an acknowledgement ends: {why}");
            // Not noted, it ends again with the next check: the finding's state says so then as well, unless it came back.
            if let Err(error) = env.vault.save(&Key::Ack(topic), ack).await {
                tracing::warn!("the end of an acknowledgement could not be noted: {}", error.full());
            }
        }
    }
}
