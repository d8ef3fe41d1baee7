//! An event from an account whose events are not believed: it does nothing, and somebody must hear of it.
//!
//! Each channel hears of it once, until the next check: a flood of such events must not become a flood of messages.

use crate::{
    catalog::{Key, Told},
    domain::finding::{Finding, FindingKind, Severity},
    env::Env,
    error::Error,
};

/// Tells every channel that does not know it yet.
pub async fn tell(env: &Env, function: &str, refusal: &Error) {
    tracing::warn!(function, finding = FindingKind::EventRefused.slug(), "{}", refusal.full());
    let finding = Finding::new(FindingKind::EventRefused, Severity::Warning, refusal.sentence(), "lastgood config show");
    once(env, function, &finding.linked(&env.config.runbook)).await;
}

/// Tells a finding to every channel that does not know it, and remembers who knows.
pub(super) async fn once(env: &Env, function: &str, finding: &Finding) {
    let news = Told::news(finding);
    let mut told = env.vault.load::<Told>(&Key::Told).await.ok().flatten().map(|stored| stored.record).unwrap_or_default();
    let before = told.clone();
    for notifier in &env.notifiers {
        let known = told.channels.entry(notifier.channel().to_owned()).or_default();
        if known.contains(&news) {
            continue;
        }
        match notifier.notify(function, std::slice::from_ref(finding)).await {
            Ok(()) => {
                known.insert(news.clone());
            }
            Err(error) => tracing::warn!(function, channel = notifier.channel(), "it could not be told: {}", error.full()),
        }
    }
    if told != before
        && let Err(error) = env.vault.save(&Key::Told, &told).await
    {
        tracing::warn!(function, "what was told could not be noted: {}", error.full());
    }
}
