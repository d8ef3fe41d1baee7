//! `lastgood report --email`: how everything stands, to everybody who is told by letter, with the page beside it.

use crate::{
    output::{Form, say, say_json},
    report::evidence,
    status::people_knowing,
};
use freshness_checker::{Looked, look, page::page};
use lastgood_core::{
    domain::finding::Severity,
    env::Env,
    error::{Result, invalid},
    function::{Exit, Findings},
    ports::Letter,
};
use maud::{DOCTYPE, html};
use serde::Serialize;

/// What became of one letter.
#[derive(Debug, Serialize)]
struct Posted {
    channel: String,
    sent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Sends the report. One that no channel took is a failure, whatever the report says.
pub async fn email(env: &Env, form: Form) -> Result<Exit> {
    let letter = letter(env, &look(env, None).await?);
    let mut all = Vec::new();
    for notifier in &env.notifiers {
        let Some(outcome) = notifier.mail(&letter).await else { continue };
        let reason = outcome.err().map(|error| match error.advice() {
            Some(hint) => format!("{}; {hint}", error.full()),
            None => error.full(),
        });
        all.push(Posted { channel: notifier.channel().to_owned(), sent: reason.is_none(), reason });
    }
    if all.is_empty() {
        return Err(
            invalid("no channel of the config is told by letter").hint("add `- { kind: smtp, … }` or `- { kind: ses, … }` to `notify`")
        );
    }
    match form {
        Form::Programs => say_json(&all)?,
        Form::People => {
            for Posted { channel, reason, .. } in &all {
                say(&match reason {
                    None => format!("{channel} took the report"),
                    Some(reason) => format!("{channel} did not take the report: {reason}"),
                })?;
            }
        }
    }
    Ok(if all.iter().all(|sent| sent.sent) { Exit::Good } else { Exit::Failed })
}

/// The report as a letter: the table as text, the findings as HTML that any mail program shows, the page to be opened.
fn letter(env: &Env, looked: &Looked) -> Letter {
    let status = &looked.status;
    let findings = status.findings();
    let urgent = findings.iter().filter(|finding| finding.severity > Severity::Note).count();
    let headline = format!("{} of {} assets are good, {urgent} findings need somebody", status.overall.good, status.overall.assets);
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (headline) } }
            body {
                h2 { (headline) }
                p { "The page beside this letter shows everything as of " (status.checked_at) "." }
                ul { @for finding in &findings { li { (finding.severity.as_str()) ": " (finding.to_string()) " — next: " code { (finding.command) } } } }
                pre { (people_knowing(status, &looked.acks)) }
            }
        }
    };
    Letter {
        subject: format!("Lastgood report: {headline}"),
        text: format!("{headline}\n\n{}\n", people_knowing(status, &looked.acks)),
        html: lastgood_core::redact::text(&body.into_string()),
        page: Some(("lastgood-status.html".to_owned(), page(looked, &evidence(&env.config.vault)))),
    }
}
