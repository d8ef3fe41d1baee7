//! What Terraform deploys is what the functions understand: the same config, the same events, the rights that they ask for.
//!
//! What reads the module as text always runs. What runs Terraform itself runs where it is installed, and says so elsewhere.

mod apply;
mod eventbridge;
mod gcp;
mod iam;
mod policy;
mod rooms;
mod terraform;

use lastgood_core::{
    config::{Config, Source},
    event::{Envelope, Event},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file of the module.
fn module(name: &str) -> String {
    let path = root().join("infra/aws").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folders(path: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The keys of a map that begins with `name = {`, one line each, as `terraform fmt` writes it.
fn keys_of(text: &str, name: &str) -> BTreeSet<String> {
    let (_, rest) = text.split_once(&format!("  {name} = ")).unwrap_or_else(|| panic!("no {name}"));
    let block = rest.split_once('{').unwrap().1.split_once("\n  }").unwrap().0;
    block.lines().filter_map(|line| line.trim().split_once(" =")).map(|(key, _)| key.trim().to_owned()).collect()
}

/// What an operator runs by hand. Everything else in `functions/` is deployed.
const BY_HAND: [&str; 2] = ["lastgood", "restore"];

#[test]
fn every_function_is_deployed_with_a_schedule_a_role_and_an_alarm() {
    let mut wanted = folders(&root().join("functions"));
    wanted.retain(|name| !BY_HAND.contains(&name.as_str()));
    assert_eq!(keys_of(&module("functions.tf"), "all_functions"), wanted);

    let mut ticks = keys_of(&module("schedules.tf"), "ticks");
    assert!(ticks.insert("export-to-bucket".to_owned()), "exports have a schedule for each asset");
    assert!(module("schedules.tf").contains("resource \"aws_scheduler_schedule\" \"export\""));
    assert_eq!(ticks, wanted);

    let roles: BTreeSet<_> = iam::roles().into_keys().collect();
    assert!(wanted.is_subset(&roles), "{roles:?}");
    assert!(roles.contains("recover"), "restores by hand have a role too");

    let alerts = module("alerts.tf");
    for (alarm, over) in [("silent", "local.ticking"), ("failing", "local.functions")] {
        let block = alerts.split_once(&format!("resource \"aws_cloudwatch_metric_alarm\" \"{alarm}\"")).unwrap().1;
        let line = block.lines().find(|line| line.trim().starts_with("for_each")).unwrap();
        assert!(line.ends_with(over), "{alarm}: {line}");
    }
}

#[test]
fn every_example_is_a_config_that_the_functions_read() {
    let examples = root().join("infra/aws/examples");
    let named = folders(&examples);
    assert!(named.is_superset(&["minimal", "two-account", "two-region"].map(str::to_owned).into()), "{named:?}");
    let configs = named.iter().map(|name| examples.join(name).join("lastgood.yaml"));
    for path in configs.chain([root().join("infra/aws/tests/everything.yaml")]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let config = Config::parse(&text, "lastgood.yaml").unwrap_or_else(|error| panic!("{}: {}", path.display(), error.full()));
        assert!(config.vault.to_string().starts_with("s3://"), "{}", path.display());
        assert!(config.assets.values().any(|asset| matches!(asset.source, Source::Rds { .. })), "{}", path.display());
    }
}

#[test]
fn the_functions_read_every_setting_that_is_given_to_them() {
    let read = ["host/surroundings.rs", "providers/aws/scheduler.rs"].map(|file| root().join("shared/src").join(file));
    let read: String = read.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let mut given = 0;
    for file in ["functions.tf", "fargate.tf"] {
        for name in module(file).split(|c: char| !(c.is_ascii_uppercase() || c == '_')).filter(|word| word.starts_with("LASTGOOD_")) {
            assert!(read.contains(&format!("\"{name}\"")), "nobody reads {name}");
            given += 1;
        }
    }
    assert!(given >= 2);
}

/// The JSON templates of a file that are sent to functions: `input = "…"`, `input_template = "…"`.
fn inputs(file: &str) -> Vec<String> {
    let unquote = |line: &str| -> Option<String> {
        let (name, value) = line.trim().split_once('=')?;
        let value = value.trim();
        (matches!(name.trim(), "input" | "input_template") && value.starts_with('"'))
            .then(|| value.trim_matches('"').replace("\\\"", "\"").replace("${each.value.asset}", "orders-db"))
    };
    module(file).lines().filter_map(unquote).collect()
}

#[test]
fn a_schedules_input_names_an_asset_at_most_and_is_known_as_a_schedules() {
    let inputs: Vec<_> =
        inputs("schedules.tf").iter().map(|input| input.replace("${local.scheduled_at}", "2026-11-20T02:00:00Z")).collect();
    let events: Vec<_> = inputs.iter().map(|input| Event::parse(input.as_bytes()).unwrap()).collect();
    assert_eq!(events.len(), 4);
    for event in &events {
        assert!(event.scheduled, "its silence is missed");
        assert_eq!(event.at, Some("2026-11-20T02:00:00Z".parse().unwrap()), "a stale one is dropped");
        event.request::<export_to_bucket::ExportToBucket>().unwrap();
    }
    assert!(events[0].request.is_empty(), "a tick looks at everything");
    assert_eq!(events[1].request["analytics"], true, "extracts are never begun by a tick of another kind");
    assert_eq!(events[2].request["asset"], "orders-db");
    assert_eq!(events[3].request["asset"], "orders-db", "a fleet's name stands where an asset's does");
}

#[test]
fn r33_a_wake_carries_its_moment_its_origin_and_an_asset() {
    let templates = inputs("wakes.tf");
    assert_eq!(templates.len(), 1);
    let filled = templates[0].replace("<time>", "\"2026-11-20T02:00:00Z\"").replace("<account>", "\"123456789012\"");
    let event = Event::parse(filled.replace("<region>", "\"eu-west-1\"").as_bytes()).unwrap();
    assert_eq!(event.envelope, Envelope::EventBridge);
    assert!(!event.scheduled, "an event is no schedule");
    assert_eq!(event.account.as_deref(), Some("123456789012"));
    assert_eq!(event.region.as_deref(), Some("eu-west-1"));
    assert_eq!(event.request.len(), 1);
    let request: snapshot_trigger::SnapshotTrigger = event.request().unwrap();
    assert_eq!(request.asset.unwrap().as_str(), "orders-db");
    let at = event.at.unwrap();
    assert!(event.stale(at).unwrap().is_none());
    let day_later = lastgood_core::clock::after(at, std::time::Duration::from_hours(25));
    assert!(event.stale(day_later).unwrap().is_some(), "an event that is a day late is dropped");
}
