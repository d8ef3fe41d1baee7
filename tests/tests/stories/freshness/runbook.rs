//! docs/runbook.md against the program: every finding has its section, every command can be typed.

use lastgood_core::domain::finding::FindingKind;

/// docs/runbook.md is read by people at 3 a.m.: every kind has a section, with what it means, what to type, and when to
/// wake somebody else.
#[test]
fn every_finding_has_its_section_in_the_runbook() {
    let runbook = include_str!("../../../../docs/runbook.md");
    let sections: std::collections::BTreeMap<&str, &str> =
        runbook.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
    for kind in FindingKind::ALL {
        let section = sections.get(kind.slug()).unwrap_or_else(|| panic!("docs/runbook.md has no section {}", kind.slug()));
        for part in ["**Means.**", "**Why it matters.**", "**Check.**", "**Escalate**", "```\n"] {
            assert!(section.contains(part), "{} lacks {part}", kind.slug());
        }
        let commands = section.split("```").nth(1).unwrap();
        assert!(commands.lines().any(|line| line.starts_with("lastgood ")), "{} names no command", kind.slug());
    }
    assert_eq!(sections.len(), FindingKind::ALL.len(), "a section without a finding");
}

/// Every command that the runbook tells somebody to type is one that the program understands.
#[test]
fn every_command_in_the_runbook_can_be_typed() {
    use clap::Parser;
    let runbook = include_str!("../../../../docs/runbook.md").replace("ASSET", "orders-db").replace("HASH", "0123456789ab");
    let lines = runbook.split("```").skip(1).step_by(2).flat_map(str::lines).filter(|line| line.starts_with("lastgood "));
    let mut typed = 0;
    for line in lines {
        let words = line.split('#').next().unwrap().split_whitespace();
        lastgood::command::Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        typed += 1;
    }
    assert!(typed > 40);
}
