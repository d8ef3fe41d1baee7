//! Hands the numbers of a check to the vault and to every monitor of the config.

use lastgood_core::{
    catalog::{Key, Status},
    domain::finding::{Finding, FindingKind, Severity},
    env::Env,
    error::{Kind, Result},
    exposition::exposition,
    function::Findings,
    ports::{If, Numbers},
};

/// Hands numbers on; returns who did not take them, as findings.
pub async fn plot(env: &Env, status: &Status) -> Vec<Finding> {
    let numbers = Numbers { text: exposition(status), measures: status.measures(), at: status.checked_at };
    let mut refused = Vec::new();
    if let Err(error) = keep(env, &numbers).await {
        refused.push(("the vault", error));
    }
    for monitor in &env.monitors {
        if let Err(error) = monitor.take(&numbers).await {
            refused.push((monitor.name(), error));
        }
    }
    let finding = |(name, error): (&str, lastgood_core::error::Error)| {
        let sentence = format!("the numbers could not be given to {name}: {}", error.full());
        Finding::new(FindingKind::NotDelivered, Severity::Warning, sentence, "lastgood doctor").linked(&env.config.runbook)
    };
    refused.into_iter().map(finding).collect()
}

/// Keeps them in the vault. Of two checks at once the last one stays.
async fn keep(env: &Env, numbers: &Numbers) -> Result<()> {
    let (bucket, key) = (env.vault.bucket(), Key::Metrics.to_string());
    let condition = bucket.head(&key).await?.map_or(If::Absent, |seen| If::Is(seen.version));
    match bucket.put(&key, numbers.text.clone().into(), condition).await {
        Err(error) if error.kind() == Kind::Conflict => Ok(()),
        done => done.map(drop),
    }
}
