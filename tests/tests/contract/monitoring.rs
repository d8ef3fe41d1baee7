//! What `infra/monitoring` promises: rules that Prometheus takes, each tested to fire and to end, each with a next command and a
//! section of the runbook; routing that Alertmanager takes.

use lastgood_core::domain::finding::FindingKind;
use lastgood_tests::prometheus::{checked, monitoring};

fn file(name: &str) -> String {
    monitoring().join(name).display().to_string()
}

#[test]
fn prometheus_takes_the_rules_and_each_of_them_fires_and_ends() {
    checked("promtool", &["check", "rules", &file("rules.yml")], None);
    checked("promtool", &["test", "rules", &file("rules_test.yml")], None);
    let tested = std::fs::read_to_string(file("rules_test.yml")).unwrap();
    for rule in rules() {
        assert!(tested.contains(&format!("alertname: {}\n", rule.name)), "{} is never seen to fire", rule.name);
        assert!(tested.contains(&format!("alertname: {} }}", rule.name)), "{} is never seen not to fire", rule.name);
    }
}

#[test]
fn every_alert_names_its_section_of_the_runbook_and_the_next_command() {
    let runbook = std::fs::read_to_string(monitoring().join("../../docs/runbook.md")).unwrap();
    for Rule { name, text } in rules() {
        assert!(text.contains("command: lastgood "), "{name} has no next command");
        let section = text.split_once("docs/runbook.md#").map(|(_, section)| section.lines().next().unwrap_or_default().trim()).unwrap();
        let known = FindingKind::ALL.into_iter().any(|kind| kind.slug() == section && runbook.contains(&format!("\n## {section}\n")));
        assert!(known || section == "{{ $labels.kind }}", "{name} points to {section}, which is no section");
        assert!(text.contains("severity: critical") || text.contains("severity: warning"), "{name} does not say how bad it is");
    }
}

struct Rule {
    name: String,
    text: String,
}

fn rules() -> Vec<Rule> {
    let text = std::fs::read_to_string(file("rules.yml")).unwrap();
    let rules: Vec<_> =
        text.split("- alert: ").skip(1).map(|rule| Rule { name: rule.lines().next().unwrap().to_owned(), text: rule.to_owned() }).collect();
    assert!(rules.len() >= 8, "the rules are read");
    rules
}

#[test]
fn alertmanager_takes_the_routing_and_wakes_somebody_for_what_is_critical() {
    let config = format!("--config.file={}", file("alertmanager.yml"));
    checked("amtool", &["check-config", &file("alertmanager.yml")], None);
    let routed = |labels: &[&str]| {
        let args = [&["config", "routes", "test", &config][..], labels].concat();
        checked("amtool", &args, None).lines().next().unwrap_or_default().to_owned()
    };
    for Rule { name, text } in rules() {
        let (label, severity, receiver) = if text.contains("severity: critical") {
            ("critical", "severity=critical", "on-call")
        } else {
            ("warning", "severity=warning", "day")
        };
        assert_eq!(routed(&[&format!("alertname={name}"), severity]), receiver, "{name}, {label}");
    }
}
