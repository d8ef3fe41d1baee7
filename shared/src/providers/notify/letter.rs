//! A message as a person reads it in a mail: a subject of one line, a text that says what to type next, and the same as
//! plain HTML.

use crate::{
    clock::Timestamp,
    domain::tell::{Ack, Alert, Message, What},
    ports::Letter,
    redact,
};
use maud::{DOCTYPE, html};

/// The most characters of a subject: what SNS takes.
const SUBJECT: usize = 100;
/// The most bytes of a text; SNS takes 256 KiB with everything around it.
const TEXT: usize = 128 << 10;

/// Returns a subject: ASCII, one line, at most 100 characters.
pub fn subject(message: &Message) -> String {
    let line = redact::text(&format!("Lastgood {}", headline(message)));
    let plain = |c: char| match c {
        c if c.is_ascii_graphic() => c,
        c if c.is_whitespace() => ' ',
        _ => '?',
    };
    let line: String = line.chars().map(plain).collect();
    if line.len() <= SUBJECT { line } else { format!("{}...", &line[..SUBJECT - 3]) }
}

/// The whole message in one line.
pub fn headline(message: &Message) -> String {
    match (message.alerts.first(), message.alerts.len(), &message.digest) {
        (None, _, None) => "has nothing to tell".to_owned(),
        (None, _, Some(digest)) => format!("digest: {}", digest.headline()),
        (Some(worst), 1, _) => line(worst),
        (Some(worst), n, _) => format!("{} (and {} more)", line(worst), n - 1),
    }
}

/// One alert in one line.
pub fn line(alert: &Alert) -> String {
    let (finding, now) = (&alert.finding, alert.finding.severity.as_str());
    match alert.what {
        What::New => format!("{now}: {finding}"),
        What::Still => format!("{now}, still: {finding}"),
        What::Worse { was } | What::Better { was } => format!("{now}, was {}: {finding}", was.as_str()),
        What::Eased { was } => format!("only a {now} now, was {}: {finding}", was.as_str()),
        What::Over { .. } => format!("over: {finding}"),
        What::Trial => format!("this channel works: {finding}"),
    }
}

/// Since when it stands, and how soon somebody should respond.
pub fn when(alert: &Alert) -> Option<String> {
    let since = alert.since.filter(|_| !matches!(alert.what, What::Trial)).map(|since| format!("since {}", moment(since)));
    let respond = alert.respond_within.map(|span| format!("respond within {span}"));
    let said: Vec<_> = since.into_iter().chain(respond).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// An acknowledgement in one line.
pub fn acknowledged(ack: &Ack) -> String {
    let about = ack.asset.as_ref().map(|asset| format!("{asset}: ")).unwrap_or_default();
    format!("{about}{} until {}, by {}: {}", ack.kind.slug(), moment(ack.until), ack.by, ack.why)
}

/// A moment to the minute.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Returns the text: each alert with its next command and its section of the runbook, worst first.
pub fn text(message: &Message) -> String {
    let mut out = String::new();
    for (told, alert) in message.alerts.iter().enumerate() {
        let (command, runbook) = (&alert.finding.command, &alert.finding.runbook);
        let when = when(alert).map(|when| format!("  {when}\n")).unwrap_or_default();
        let entry = format!("{}\n{when}  next: {command}\n  read: {runbook}\n\n", line(alert));
        if out.len() + entry.len() > TEXT {
            out.push_str(&format!("And {} more: `lastgood status` shows them all.\n\n", message.alerts.len() - told));
            break;
        }
        out.push_str(&entry);
    }
    if let Some(digest) = &message.digest {
        let headline = format!("How everything stands at {}: {}.", moment(message.sent_at), digest.headline());
        let open = digest.open.iter().map(|alert| format!("  {}", line(alert))).collect();
        let known = digest.acknowledged.iter().map(|ack| format!("  {}", acknowledged(ack))).collect();
        let assets = digest.lines.iter().map(|line| format!("  {line}")).collect();
        out.push_str(&format!("{headline}\n\n"));
        for (title, lines) in [("Assets", assets), ("Open", open), ("Acknowledged", known)] as [(&str, Vec<String>); 3] {
            if !lines.is_empty() && out.len() < TEXT {
                out.push_str(&format!("{title}:\n{}\n\n", redact::clip(&lines.join("\n"), TEXT / 4)));
            }
        }
    }
    out.push_str(&format!(
        "Told by {} about {}. `lastgood status` reads the vault anew and changes nothing.\n",
        message.function, message.vault
    ));
    redact::text(&out)
}

/// Returns a message as a letter.
pub fn letter(message: &Message) -> Letter {
    Letter { subject: subject(message), text: text(message), html: page(message), page: None }
}

/// The same as plain HTML, without anything that a mail program would strip or fetch.
fn page(message: &Message) -> String {
    let digest = message.digest.as_ref();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (subject(message)) } }
            body {
                @for alert in message.alerts.iter().take(500) {
                    h3 { (line(alert)) }
                    @if let Some(when) = when(alert) { p { (when) } }
                    p { "Next: " code { (alert.finding.command) } }
                    p { (link(&alert.finding.runbook)) }
                }
                @if message.alerts.len() > 500 { p { "And " (message.alerts.len() - 500) " more." } }
                @if let Some(digest) = digest {
                    h2 { "How everything stands at " (moment(message.sent_at)) ": " (digest.headline()) }
                    ul { @for line in &digest.lines { li { (line) } } }
                    @if !digest.open.is_empty() {
                        h3 { "Open" }
                        ul { @for alert in &digest.open { li { (line(alert)) " " (link(&alert.finding.runbook)) } } }
                    }
                    @if !digest.acknowledged.is_empty() {
                        h3 { "Acknowledged" }
                        ul { @for ack in &digest.acknowledged { li { (acknowledged(ack)) } } }
                    }
                }
                p { "Told by " (message.function) " about " (message.vault) ". " code { "lastgood status" } " reads the vault anew." }
            }
        }
    };
    redact::text(&page.into_string())
}

/// The way into the runbook: a link where it is one.
fn link(runbook: &str) -> maud::Markup {
    html! { @if runbook.starts_with("http") { a href=(runbook) { "What it means" } } @else { (runbook) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::{Finding, FindingKind, Severity};

    fn alert(severity: Severity, sentence: &str) -> Alert {
        let finding = Finding::new(FindingKind::BackupStale, severity, sentence, "lastgood export orders-db");
        let finding = finding.about(&"orders-db".parse().unwrap()).linked("https://example.com/runbook");
        let since = Some("2026-11-20T04:00:00Z".parse().unwrap());
        Alert { what: What::New, finding, since, respond_within: Some("15m".parse().unwrap()) }
    }

    fn message(alerts: Vec<Alert>) -> Message {
        let sent_at = "2026-11-20T12:00:00Z".parse().unwrap();
        Message { function: "freshness-checker".to_owned(), vault: "s3://acme/lastgood".to_owned(), sent_at, alerts, digest: None }
    }

    #[test]
    fn a_subject_is_one_short_line_of_ascii() {
        let one = message(vec![alert(Severity::Critical, "newest backup is 26h old, policy allows 24h")]);
        assert_eq!(subject(&one), "Lastgood critical: orders-db: newest backup is 26h old, policy allows 24h");
        let odd = message(vec![alert(Severity::Warning, &"lang ".repeat(100)), alert(Severity::Note, "x")]);
        let line = subject(&odd);
        assert!(line.len() == 100 && line.is_ascii() && line.starts_with("Lastgood warning: ") && line.ends_with("..."), "{line}");
        let odd = message(vec![alert(Severity::Note, "ein Büro\nmit Zeilen\u{202e}")]);
        assert_eq!(subject(&odd), "Lastgood note: orders-db: ein B?ro mit Zeilen?");
    }

    #[test]
    fn a_text_says_since_when_how_soon_and_what_to_type_next_and_has_an_end() {
        let mut over = alert(Severity::Note, "backup-stale is over after 3h");
        over.what = What::Over { lasted_seconds: Some(10_800) };
        let said = text(&message(vec![alert(Severity::Critical, "newest backup is 26h old"), over]));
        let critical = "critical: orders-db: newest backup is 26h old\n  since 2026-11-20 04:00 UTC, respond within 15m\n  next: lastgood export orders-db\n  read: https://example.com/runbook#backup-stale\n\nover: orders-db: backup-stale is over after 3h\n";
        assert!(said.starts_with(critical), "{said}");
        let said = text(&message(vec![alert(Severity::Warning, &"x".repeat(1000)); 1000]));
        assert!(said.len() < 200 << 10 && said.contains("`lastgood status` shows them all"));
    }

    #[test]
    fn html_says_what_the_text_says_and_escapes_it() {
        let html = page(&message(vec![alert(Severity::Critical, "<script>alert(1)</script> & more")]));
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
        assert!(html.contains("respond within 15m") && html.contains("<code>lastgood export orders-db</code>"), "{html}");
    }
}
