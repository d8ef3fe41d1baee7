//! A function's sign of life, written by its host: whatever comes of a run, that it ran is known.

use crate::{
    catalog::{Heartbeat, Key, Status, Waker},
    clock::{self, SystemClock, Timestamp},
    domain::{
        finding::{Finding, FindingKind, Severity},
        tell::{Memory, Refused},
    },
    env::Env,
    error::{Error, Kind, Result, out_of_time},
    function::{Exit, Findings, worst},
    providers::notify::{Vital, ping},
};
use std::time::Duration;

/// The function whose checks are told outside our account.
const CHECKER: &str = "freshness-checker";
/// What that may take, at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// Records that `function` ran and how it ended. `scheduled_at` is when a schedule woke it; a run by hand leaves that of
/// the last schedule as it was.
pub async fn beat(env: &Env, function: &str, exit: Exit, waker: Waker, scheduled_at: Option<Timestamp>) -> Result<()> {
    let key = Key::Heartbeat(function.to_owned());
    let scheduled_at = match scheduled_at {
        Some(at) => Some(at),
        None => match env.vault.load::<Heartbeat>(&key).await {
            Ok(last) => last.and_then(|stored| stored.record.scheduled_at),
            // A heartbeat that cannot be read is replaced: it is an observation, and there is a newer one.
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::Invalid) => None,
            Err(error) => return Err(error),
        },
    };
    let heartbeat = Heartbeat { function: function.to_owned(), at: env.clock.now(), exit, waker, scheduled_at };
    env.vault.save(&key, &heartbeat).await
}

/// Gives a sign of life outside our account, where the config names a place for it: after a check of everything that a
/// schedule woke, that began at `began` and whose status stands in the vault. A check that could not finish leaves none, so
/// that its silence is heard there. Returns a finding where the sign was not taken.
pub async fn sign_of_life(env: &Env, function: &str, began: Timestamp, killed_at: Option<Timestamp>) -> Option<Finding> {
    use crate::clock::Clock;
    let heartbeat = env.config.heartbeat.as_ref().filter(|_| function == CHECKER)?;
    let status = match env.vault.load::<Status>(&Key::Status).await {
        Ok(Some(stored)) if stored.record.checked_at >= began => stored.record,
        // A look at one asset, or a status that could not be saved.
        Ok(_) => return None,
        Err(error) => {
            tracing::warn!(function, "no sign of life is given: the status could not be read back: {}", error.full());
            return None;
        }
    };
    let vital = if worst(&status.findings()) == Some(Severity::Critical) { Vital::Critical } else { Vital::Alive };
    let left = killed_at.map_or(PATIENCE, |at| clock::since(at, SystemClock.now()).saturating_sub(Duration::from_millis(500)));
    let pinged = tokio::time::timeout(left.min(PATIENCE), ping(heartbeat, vital, &*env.secrets, env.clock.clone())).await;
    let refused = pinged.unwrap_or_else(|_| Err(out_of_time("there was no answer in time"))).err();
    let known = env.vault.load::<Memory>(&Key::Told).await.ok().flatten().and_then(|stored| stored.record.heartbeat);
    if refused.is_some() || known.is_some() {
        let now = env.clock.now();
        let why = refused.as_ref().map(Error::full);
        let noted = env.vault.revise::<Memory>(&Key::Told, |told| {
            let since = told.heartbeat.as_ref().map_or(now, |refused| refused.since);
            told.heartbeat = why.clone().map(|why| Refused { since, why });
        });
        if let Err(error) = noted.await {
            tracing::warn!(function, "that the sign of life was not taken could not be noted: {}", error.full());
        }
    }
    let sentence = format!("the heartbeat was not taken: {}", refused?.full());
    let finding = Finding::new(FindingKind::NotDelivered, Severity::Warning, sentence, "lastgood doctor").linked(&env.config.runbook);
    tracing::warn!(function, finding = finding.kind.slug(), "{}", finding.sentence);
    Some(finding)
}
