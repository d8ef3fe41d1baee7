//! `lastgood ack`: somebody knows of a finding. It is kept in the vault, and needs nothing but the vault.

use crate::{
    command::Ack as Ask,
    output::{Form, say, say_json, table::moment},
};
use lastgood_core::{
    catalog::{Key, Status},
    clock::after,
    domain::{
        finding::{Finding, FindingKind},
        tell::{Ack, Topic},
    },
    env::Env,
    error::{Result, invalid, not_found},
    function::{Exit, Findings},
    id::AssetName,
    redact,
};
use std::time::Duration;

/// The longest that anything stays quiet: beyond it nobody remembers why.
const LONGEST: Duration = Duration::from_hours(24 * 90);

/// Keeps that somebody knows of a finding that the last check found.
pub async fn ack(env: &Env, ask: &Ask, form: Form) -> Result<Exit> {
    let topic = topic(ask)?;
    if ask.span.duration() > LONGEST {
        return Err(invalid("nothing is acknowledged for more than 90 days").hint("change the policy if it is meant to stay so"));
    }
    let why = said(&ask.why, "--why", 500)?;
    let by = said(&ask.by, "--by", 100)?;
    let status = env.vault.load::<Status>(&Key::Status).await?.map(|stored| stored.record);
    let status = status.ok_or_else(|| not_found("nothing was ever checked in this vault").hint("lastgood check"))?;
    let findings = status.findings();
    let worst = findings.iter().filter(|finding| Topic::of(finding) == topic).max_by_key(|finding| finding.severity);
    let finding = worst.ok_or_else(|| nothing(&topic, &findings))?;
    let at = env.clock.now();
    let ack = Ack {
        asset: topic.asset.clone(),
        kind: topic.kind,
        severity: finding.severity,
        by,
        why,
        at,
        until: after(at, ask.span.duration()),
        ended: None,
    };
    env.vault.save(&Key::Ack(topic), &ack).await?;
    match form {
        Form::Programs => say_json(&ack)?,
        Form::People => say(&format!("acknowledged until {}: {finding}\nit speaks again then, or when it gets worse", moment(ack.until)))?,
    }
    Ok(Exit::Good)
}

fn topic(ask: &Ask) -> Result<Topic> {
    let asset = match ask.asset.as_str() {
        "-" => None,
        name => Some(name.parse::<AssetName>()?),
    };
    let kind = FindingKind::ALL.into_iter().find(|kind| kind.slug() == ask.kind).ok_or_else(|| {
        let known: Vec<_> = FindingKind::ALL.iter().map(|kind| kind.slug()).collect();
        invalid(format!("{:?} is no kind of finding", redact::clip(&ask.kind, 40))).hint(format!("write one of: {}", known.join(", ")))
    })?;
    Ok(Topic { asset, kind })
}

fn said(text: &str, key: &str, most: usize) -> Result<String> {
    let text = redact::text(text.trim());
    if text.is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(invalid(format!("{key} is empty, longer than {most} characters, or not one line")).hint("write one sentence"));
    }
    Ok(text)
}

fn nothing(topic: &Topic, findings: &[Finding]) -> lastgood_core::error::Error {
    let open: Vec<_> = findings.iter().map(|f| format!("{} {}", f.asset.as_ref().map_or("-", AssetName::as_str), f.kind.slug())).collect();
    let open = if open.is_empty() { "nothing".to_owned() } else { redact::clip(&open.join(", "), 500) };
    not_found(format!("the last check found no {} of {}", topic.kind.slug(), topic.asset.as_ref().map_or("-", AssetName::as_str)))
        .hint(format!("it found: {open}"))
}
