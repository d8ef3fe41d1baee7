//! Channels against servers that keep to what Slack, `PagerDuty`, Google and mail servers say in public, and nothing more.

mod mail;
mod public;

use lastgood_core::{
    clock::Clock,
    config::SecretRef,
    domain::{
        finding::{Finding, FindingKind, Severity},
        tell::{Alert, Digest, Message, What},
    },
    error::Kind,
    ports::Secrets,
    testing::{ManualClock, MemorySecrets},
};
use std::{collections::BTreeMap, sync::Arc};

fn alert(what: What, severity: Severity, sentence: &str) -> Alert {
    let finding = Finding::new(FindingKind::BackupStale, severity, sentence, "lastgood export orders-db");
    let finding = finding.about(&"orders-db".parse().unwrap()).linked("https://example.com/runbook");
    Alert { what, finding, since: Some("2026-11-20T10:00:00Z".parse().unwrap()), respond_within: Some("15m".parse().unwrap()) }
}

fn message(alerts: Vec<Alert>) -> Message {
    let sent_at = "2026-11-20T12:00:00Z".parse().unwrap();
    Message { function: "freshness-checker".to_owned(), vault: "s3://acme/lastgood".to_owned(), sent_at, alerts, digest: None }
}

fn digest(lines: usize) -> Message {
    let lines = (0..lines).map(|n| format!("db-{n} good: newest 2h old of 24h, copies 1/1, proven 3d ago")).collect();
    let digest = Digest { good: 3, assets: 3, lines, open: Vec::new(), acknowledged: Vec::new() };
    Message { digest: Some(digest), ..message(Vec::new()) }
}

fn secrets(pairs: &[(&str, &str)]) -> Arc<dyn Secrets> {
    let pairs: BTreeMap<_, _> = pairs.iter().map(|(name, value)| (format!("env:{name}"), (*value).to_owned())).collect();
    Arc::new(MemorySecrets(pairs))
}

fn env(name: &str) -> SecretRef {
    SecretRef::Env(name.to_owned())
}

fn clock() -> (ManualClock, Arc<dyn Clock>) {
    let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap());
    (clock.clone(), Arc::new(clock))
}

/// The error of a delivery that must fail, which names neither an address nor a secret.
#[track_caller]
fn refused(done: lastgood_core::error::Result<()>) -> (Kind, String) {
    let error = done.unwrap_err();
    let said = format!("{}; {}", error.full(), error.advice().unwrap_or_default());
    assert!(!said.contains("canary") && !said.contains("127.0.0.1:"), "{said}");
    (error.kind(), said)
}
