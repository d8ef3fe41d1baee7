//! No kind of finding exists without its section in the runbook: what it means, why it matters, what to type first, how to mend
//! it, when it is over, and whom to wake. Every link that an alert bears leads to one of them.

use clap::Parser;
use lastgood_core::domain::finding::{Finding, FindingKind, Severity};
use std::collections::BTreeMap;

const RUNBOOK: &str = include_str!("../../../docs/runbook.md");

/// The sections of the runbook, as an anchor leads to them.
fn sections() -> BTreeMap<&'static str, &'static str> {
    RUNBOOK.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap()).collect()
}

#[test]
fn no_finding_exists_without_a_section_that_says_how_it_begins_and_how_it_ends() {
    let sections = sections();
    for kind in FindingKind::ALL {
        let slug = kind.slug();
        let section = sections.get(slug).unwrap_or_else(|| panic!("docs/runbook.md has no section {slug}"));
        let parts = ["**Means.**", "**Why it matters.**", "**Check.**", "```\n", "**Mend.**", "**Over**", "**Escalate**"];
        let mut at = 0;
        for part in parts {
            let found = section[at..].find(part).unwrap_or_else(|| panic!("{slug} lacks {part}, or has it in another order"));
            at += found + part.len();
        }
    }
    assert_eq!(sections.len(), FindingKind::ALL.len(), "a section without a finding");
}

#[test]
fn every_link_that_an_alert_bears_leads_to_its_section() {
    let sections = sections();
    for kind in FindingKind::ALL {
        for severity in [Severity::Note, Severity::Warning, Severity::Critical] {
            let finding = Finding::new(kind, severity, "a sentence", "lastgood status").linked("https://example.com/runbook");
            let (base, anchor) = finding.runbook.split_once('#').unwrap();
            assert_eq!(base, "https://example.com/runbook");
            assert!(sections.contains_key(anchor), "{}", finding.runbook);
        }
    }
    // And what a section itself points at in code marks is a kind, or no kind's name at all.
    let known: Vec<_> = FindingKind::ALL.iter().map(|kind| kind.slug()).collect();
    for word in RUNBOOK.split('`').skip(1).step_by(2).filter(|word| word.split('-').count() > 1) {
        let close = known
            .iter()
            .any(|slug| slug.starts_with(word.split('-').next().unwrap()) && word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        let looks_like_one = close
            && ["stale", "missing", "failed", "silent", "anomaly", "refused", "disabled", "dead"].iter().any(|end| word.ends_with(end));
        assert!(!looks_like_one || known.contains(&word), "the runbook points at {word}, which is no finding");
    }
}

#[test]
fn the_first_command_of_every_section_can_be_typed() {
    for (slug, section) in sections() {
        let block = section.split("```").nth(1).unwrap().replace("ASSET", "orders-db").replace("HASH", "0123456789ab");
        let first = block.lines().map(str::trim).find(|line| !line.is_empty()).unwrap();
        let words: Vec<_> = first.split('#').next().unwrap().split_whitespace().collect();
        // Where somebody else must be stopped first, or a clock be read, the first command is not ours.
        if words[0] == "lastgood" {
            lastgood::command::Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{slug}: {first}: {error}"));
        } else {
            assert!(matches!(words[0], "date" | "aws"), "{slug}: {first}");
        }
    }
}
