//! Findings as a person reads them in a mail: a subject of one line, and a text that says what to type next.

use crate::domain::finding::{Finding, Severity};
use crate::redact;

/// The most characters of a subject: what SNS takes.
const SUBJECT: usize = 100;
/// The most bytes of a text; SNS takes 256 KiB with everything around it.
const TEXT: usize = 128 << 10;

/// Returns a subject: ASCII, one line, at most 100 characters.
pub fn subject(findings: &[Finding]) -> String {
    let worst = findings.iter().max_by_key(|finding| finding.severity);
    let line = match (worst, findings.len()) {
        (None, _) => "Lastgood: nothing to tell".to_owned(),
        (Some(one), 1) => format!("Lastgood {}: {one}", word(one.severity)),
        (Some(worst), n) => format!("Lastgood {}: {worst} (and {} more)", word(worst.severity), n - 1),
    };
    let line: String = redact::text(&line)
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() {
                c
            } else if c.is_whitespace() {
                ' '
            } else {
                '?'
            }
        })
        .collect();
    if line.len() <= SUBJECT { line } else { format!("{}...", &line[..SUBJECT - 3]) }
}

/// Returns the text: each finding with its next command and its section of the runbook, worst first.
pub fn text(function: &str, findings: &[Finding]) -> String {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut out = String::new();
    for (told, finding) in sorted.iter().enumerate() {
        let Finding { severity, command, runbook, .. } = finding;
        let entry = format!("{}: {finding}\n  next: {command}\n  read: {runbook}\n\n", word(*severity));
        if out.len() + entry.len() > TEXT {
            out.push_str(&format!("And {} more: `lastgood status` shows them all.\n\n", sorted.len() - told));
            break;
        }
        out.push_str(&entry);
    }
    out.push_str(&format!("Told by {function}. `lastgood status` reads the vault anew and changes nothing.\n"));
    redact::text(&out)
}

/// How bad it is, in the word that people and filters read.
pub const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::FindingKind;

    fn finding(severity: Severity, sentence: &str) -> Finding {
        let finding = Finding::new(FindingKind::BackupStale, severity, sentence, "lastgood export orders-db");
        finding.about(&"orders-db".parse().unwrap()).linked("https://example.com/runbook")
    }

    #[test]
    fn a_subject_is_one_short_line_of_ascii() {
        let one = [finding(Severity::Critical, "newest backup is 26h old, policy allows 24h")];
        assert_eq!(subject(&one), "Lastgood critical: orders-db: newest backup is 26h old, policy allows 24h");
        let odd = [finding(Severity::Note, "ein Büro\nmit Zeilen\u{202e}"), finding(Severity::Warning, &"lang ".repeat(100))];
        let line = subject(&odd);
        assert!(line.len() == 100 && line.is_ascii() && line.starts_with("Lastgood warning: ") && line.ends_with("..."), "{line}");
        assert_eq!(subject(&odd[..1]), "Lastgood note: orders-db: ein B?ro mit Zeilen?");
    }

    #[test]
    fn a_text_says_what_to_type_next_worst_first_and_has_an_end() {
        let two = [finding(Severity::Note, "backup-stale is over"), finding(Severity::Critical, "newest backup is 26h old")];
        let said = text("freshness-checker", &two);
        let critical = "critical: orders-db: newest backup is 26h old\n  next: lastgood export orders-db\n  read: https://example.com/runbook#backup-stale\n\nnote: ";
        assert!(said.starts_with(critical), "{said}");
        let flood = vec![finding(Severity::Warning, &"x".repeat(1000)); 1000];
        let said = text("freshness-checker", &flood);
        assert!(said.len() < 200 << 10 && said.contains("`lastgood status` shows them all"));
    }
}
