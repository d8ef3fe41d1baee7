//! The module for Google Cloud: the same config, the same events, rights that somebody asks for, and nobody who is everybody.
//!
//! Its own tests (`infra/gcp/tests`) say what it would ask Google for. What only Google could refuse, no test here can show.

use super::{BY_HAND, folders, keys_of, root};
use lastgood_core::{
    config::{Config, Source},
    domain::{measure::Gauge, place::Scheme},
    event::Event,
};
use lastgood_tests::terraform::Terraform;
use std::{collections::BTreeSet, path::PathBuf};

fn module(name: &str) -> String {
    let path = root().join("infra/gcp").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All of the module but its examples and tests.
fn text() -> String {
    let mut files: Vec<PathBuf> = ["", "vault"]
        .iter()
        .flat_map(|below| std::fs::read_dir(root().join("infra/gcp").join(below)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "tf"));
    files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Every word in quotes that fits.
fn quoted(text: &str, fits: impl Fn(&str) -> bool) -> BTreeSet<String> {
    text.split('"').filter(|word| fits(word)).map(str::to_owned).collect()
}

/// Whether a word is one of Google's permissions: `cloudsql.instances.get`.
fn is_permission(word: &str) -> bool {
    const SERVICES: [&str; 7] = ["cloudsql", "compute", "monitoring", "pubsub", "redis", "secretmanager", "storage"];
    let parts: Vec<_> = word.split('.').collect();
    parts.len() >= 3
        && parts.len() <= 4
        && SERVICES.contains(&parts[0])
        && !word.ends_with(".com")
        && parts.iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphabetic()))
}

#[test]
fn the_module_for_google_is_formatted_valid_and_passes_its_own_tests() {
    let Some(terraform) = Terraform::google("the_module_for_google_is_formatted_valid_and_passes_its_own_tests") else { return };
    terraform.done("", &["fmt", "-check", "-diff", "-recursive"]);
    terraform.begin("");
    terraform.done("", &["validate", "-no-color"]);
    let said = terraform.done("", &["test", "-no-color"]);
    assert!(said.contains("Success!") && !said.contains(" 0 passed"), "{said}");
    for example in folders(&terraform.folder("examples")) {
        let below = format!("examples/{example}");
        terraform.begin(&below);
        terraform.done(&below, &["validate", "-no-color"]);
    }
}

#[test]
fn terraform_is_told_what_the_google_provider_does_not_know() {
    let Some(terraform) = Terraform::google("terraform_is_told_what_the_google_provider_does_not_know") else { return };
    let path = terraform.folder("alerts.tf");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("evaluation_missing_data ", "evaluation_missing_dat ")).unwrap();
    terraform.begin("");
    let said = terraform.refused("", &["validate", "-no-color"]);
    assert!(said.contains("evaluation_missing_dat\" is not expected here"), "{said}");
}

#[test]
fn every_function_is_deployed_to_google_with_a_schedule_and_an_account() {
    let mut wanted = folders(&root().join("functions"));
    wanted.retain(|name| !BY_HAND.contains(&name.as_str()));
    assert_eq!(keys_of(&module("functions.tf"), "all_functions"), wanted);
    let mut ticks = keys_of(&module("schedules.tf"), "ticks");
    assert!(ticks.insert("export-to-bucket".to_owned()), "exports have a schedule for each asset");
    assert_eq!(ticks, wanted);
    assert!(keys_of(&module("permissions.tf"), "project_grants").is_superset(&wanted));
    assert!(keys_of(&module("permissions_vault.tf"), "vault_grants").is_superset(&wanted));
    // What is deployed is what the image has.
    let image = std::fs::read_to_string(root().join("infra/images/cloud-run/Dockerfile")).unwrap();
    assert!(wanted.iter().all(|function| image.contains(function)), "an image without a function");
}

#[test]
fn every_example_for_google_is_a_config_that_the_functions_read() {
    let examples = root().join("infra/gcp/examples");
    let named = folders(&examples);
    assert!(named.is_superset(&["pegasus", "roadtrip"].map(str::to_owned).into()), "{named:?}");
    let configs = named.iter().map(|name| examples.join(name).join("lastgood.yaml"));
    for path in configs.chain([root().join("infra/gcp/tests/everything.yaml")]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let config = Config::parse(&text, "lastgood.yaml").unwrap_or_else(|error| panic!("{}: {}", path.display(), error.full()));
        assert_eq!(config.vault.scheme(), Scheme::Gs, "{}", path.display());
        assert!(config.assets.values().any(|asset| matches!(asset.source, Source::Cloudsql { .. })), "{}", path.display());
        assert!(config.metrics.cloud_monitoring.is_some(), "{}: the alerts look at nothing", path.display());
    }
    let disks = std::fs::read_to_string(root().join("infra/gcp/tests/disks.yaml")).unwrap();
    let config = Config::parse(&disks, "lastgood.yaml").unwrap_or_else(|error| panic!("{}", error.full()));
    assert!(config.assets.values().any(|asset| matches!(asset.source, Source::Disk { .. })));
}

#[test]
fn the_functions_read_every_setting_that_google_gives_them() {
    let read: String = ["host/surroundings.rs", "host/caller.rs"]
        .map(|file| std::fs::read_to_string(root().join("shared/src").join(file)).unwrap())
        .concat();
    let text = module("functions.tf");
    let given: BTreeSet<_> =
        text.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).filter(|word| word.starts_with("LASTGOOD_")).collect();
    assert!(given.len() >= 5, "{given:?}");
    for name in given {
        assert!(read.contains(&format!("\"{name}\"")), "nobody reads {name}");
    }
}

#[test]
fn a_call_of_cloud_scheduler_is_known_as_a_schedules_and_asks_for_whatever_is_due() {
    let schedules = module("schedules.tf");
    let bodies: Vec<_> = schedules.lines().filter_map(|line| line.split_once("base64encode(\"")?.1.strip_suffix("\")")).collect();
    let bodies: Vec<_> = bodies.into_iter().map(|body| body.replace("\\\"", "\"")).collect();
    assert_eq!(bodies.len(), 2);
    let event = Event::parse(bodies[0].as_bytes()).unwrap();
    assert!(event.scheduled && event.request.is_empty(), "its silence is missed, and it asks for nothing else");
    assert_eq!(bodies[1], "{}", "Cloud Run's own API: the job as it is");
}

#[test]
fn the_alerts_look_at_numbers_that_we_draw() {
    let snake = |gauge: &Gauge| {
        let name = gauge.name();
        let mut text = String::new();
        for (at, letter) in name.char_indices() {
            if letter.is_ascii_uppercase() && at > 0 {
                text.push('_');
            }
            text.push(letter.to_ascii_lowercase());
        }
        text
    };
    let drawn: BTreeSet<_> = Gauge::ALL.iter().map(snake).collect();
    let alerts = module("alerts.tf");
    let (_, rest) = alerts.split_once("  gauges = {").unwrap();
    let words = rest.split_once('}').unwrap().0.split([',', '\n']).filter_map(|pair| Some(pair.split_once('=')?.0.trim().to_owned()));
    let described: BTreeSet<_> = words.filter(|word| !word.is_empty()).collect();
    assert!(described.len() >= 6 && described.is_subset(&drawn), "{described:?} are not all among {drawn:?}");
    for line in [alerts, module("dashboard.tf")].concat().lines() {
        if let Some((_, name)) = line.split_once("${local.numbers}/").filter(|(_, name)| !name.starts_with("${")) {
            let name = name.split(['\\', '"']).next().unwrap();
            assert!(described.contains(name), "{name} is looked at and never described");
        }
    }
}

#[test]
fn whatever_is_asked_of_google_is_granted_and_nothing_wide_is() {
    fn sources(folder: &std::path::Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                sources(&entry, into);
            } else {
                let text = std::fs::read_to_string(entry).unwrap();
                into.push_str(text.split("#[cfg(test)]").next().unwrap());
            }
        }
    }
    let mut ours = String::new();
    sources(&root().join("shared/src/providers/gcp"), &mut ours);
    let (asked, text) = (quoted(&ours, is_permission), text());
    let granted = quoted(&text, is_permission);
    // These two are all that the predefined roles of theirs have to give.
    let predefined = ["secretmanager.versions.access", "pubsub.topics.publish"].map(str::to_owned).into();
    // Parts go up at once only where a bucket keeps nothing of what was replaced: none of the module's is so.
    let at_once = |word: &str| word.starts_with("storage.multipartUploads.") || word == "storage.objects.move";
    let missing: Vec<_> =
        asked.difference(&granted).filter(|word| !BTreeSet::contains(&predefined, *word) && !at_once(word.as_str())).collect();
    assert!(missing.is_empty(), "nobody is granted {missing:?}");
    assert!(asked.len() >= 6, "{asked:?}");
    let wide =
        ["roles/owner", "roles/editor", "roles/viewer", "roles/cloudsql", "roles/storage", "allUsers", "allAuthenticatedUsers", "user:"];
    for word in wide {
        assert!(!text.contains(&format!("\"{word}")), "{word} is granted to somebody");
    }
    let roles = quoted(&text, |word| word.starts_with("roles/"));
    let known = [
        "roles/iam.serviceAccountOpenIdTokenCreator",
        "roles/iam.serviceAccountTokenCreator",
        "roles/pubsub.publisher",
        "roles/pubsub.subscriber",
        "roles/run.invoker",
        "roles/secretmanager.secretAccessor",
    ];
    assert_eq!(roles, known.map(str::to_owned).into(), "a role of Google's that nobody thought about");
    let grants = ["permissions.tf", "permissions_vault.tf", "permissions_beside.tf"].map(module).concat();
    for permission in [
        "storage.buckets.delete",
        "storage.buckets.update",
        "storage.buckets.setIamPolicy",
        "storage.objects.setRetention",
        "resourcemanager",
    ] {
        assert!(!grants.contains(&format!("\"{permission}")), "{permission} weakens the vault");
    }
}

#[test]
fn every_grant_is_explained_to_whoever_deploys() {
    let guide = std::fs::read_to_string(root().join("docs/deploy-gcp.md")).unwrap();
    let permissions = module("permissions.tf");
    let mut grants: BTreeSet<_> = permissions.split("grant = \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    let spaced = permissions.split("grant       = \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    grants.extend(spaced);
    let vault = module("permissions_vault.tf");
    for word in
        vault.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 5 && word.starts_with(|c: char| c.is_ascii_uppercase()))
    {
        if ["Read", "Store", "Clear", "Keep", "Replace", "Report", "LetGo", "Look"].iter().any(|begin| word.starts_with(begin)) {
            grants.insert(word.to_owned());
        }
    }
    grants.remove("Replacing");
    grants.remove("Reading");
    assert!(grants.len() > 20, "{grants:?}");
    let unexplained: Vec<_> = grants.iter().filter(|grant| !guide.contains(&format!("`{grant}`"))).collect();
    assert!(unexplained.is_empty(), "docs/deploy-gcp.md says nothing of {unexplained:?}");
}

#[test]
fn the_checker_may_write_the_same_on_both_clouds() {
    let aws = std::fs::read_to_string(root().join("infra/aws/permissions_drill.tf")).unwrap();
    let (_, report) = aws.split_once("Sid      = \"Report\"").unwrap();
    let line = report.lines().find(|line| line.trim().starts_with("Resource")).unwrap();
    let there: BTreeSet<_> =
        line.split("${local.vault_below}/").skip(1).map(|rest| rest.split('"').next().unwrap().trim_end_matches('*').to_owned()).collect();
    let gcp = module("permissions_vault.tf");
    let line = gcp.lines().find(|line| line.trim().starts_with("of_the_check")).unwrap();
    let here: BTreeSet<_> = quoted(line, |word| word.starts_with("status/") || word.starts_with("catalog/"));
    assert_eq!(here, there);
}
