//! An event from an account whose events are not believed: it does nothing, and somebody must hear of it.
//!
//! Each channel hears of it once, until the next check: a flood of such events must not become a flood of messages.

use crate::{
    catalog::Key,
    domain::{
        finding::{Finding, FindingKind, Severity},
        tell::{Alert, Instead, Memory, Message, Topic, What},
    },
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
    let (topic, now) = (Topic::of(finding), env.clock.now());
    let told = env.vault.load::<Memory>(&Key::Told).await.ok().flatten().map(|stored| stored.record).unwrap_or_default();
    let respond_within = env.config.alerts.respond.within(finding);
    let alert = Alert { what: What::New, finding: finding.clone(), since: Some(now), respond_within };
    let message = Message {
        function: function.to_owned(),
        vault: env.vault.place().to_string(),
        sent_at: now,
        alerts: vec![alert.clone()],
        digest: None,
    };
    for notifier in &env.notifiers {
        let channel = notifier.channel();
        let knows = told.channels.get(channel).is_some_and(|known| known.topics.contains_key(&topic));
        if knows || !notifier.filter().takes(finding, None) {
            continue;
        }
        if let Err(error) = notifier.notify(&message).await {
            tracing::warn!(function, channel, "it could not be told: {}", error.full());
            continue;
        }
        let noted = env.vault.revise::<Memory>(&Key::Told, |told| {
            told.since.entry(topic.clone()).or_insert(now);
            let known = told.channels.entry(channel.to_owned()).or_default();
            known.took(&[(topic.clone(), alert.clone())], now, Instead::OfNobody);
        });
        if let Err(error) = noted.await {
            tracing::warn!(function, "what was told could not be noted: {}", error.full());
        }
    }
}
