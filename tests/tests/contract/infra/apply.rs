//! The minimal example, applied by Terraform to an emulator of AWS: everything is accepted, stands as it was asked for, and a
//! second apply changes nothing.

use lastgood_tests::{deployed::role_policies, s3::S3Server, terraform::Terraform};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn r26_the_minimal_example_is_applied_and_its_roles_keep_to_their_room() {
    const TEST: &str = "r26_the_minimal_example_is_applied_and_its_roles_keep_to_their_room";
    let Some(terraform) = tokio::task::block_in_place(|| Terraform::with_provider(TEST)) else { return };
    let Some(aws) = S3Server::moto(TEST).await else { return };
    terraform.talks_to(aws.address(), "examples/minimal", &[]);
    // Operators, so that their roles stand too.
    let operators = "module \"lastgood\" {\n  operators = [\"arn:aws:iam::123456789012:role/on-call\"]\n}\n";
    std::fs::write(terraform.folder("examples/minimal/operators_override.tf"), operators).unwrap();
    let packages = format!("-var=packages={}", terraform.folder("tests/packages").display());
    let (stood, again, config, state) = tokio::task::block_in_place(|| {
        let below = "examples/minimal";
        terraform.begin(below);
        terraform.done(below, &["apply", "-auto-approve", "-no-color", "-input=false", &packages]);
        let stood: Value = serde_json::from_str(&terraform.done(below, &["output", "-json", "lastgood"])).unwrap();
        let plan = ["plan", "-out=again", "-no-color", "-input=false", &packages];
        terraform.done(below, &plan);
        let again: Value = serde_json::from_str(&terraform.done(below, &["show", "-json", "again"])).unwrap();
        let state: Value = serde_json::from_str(&terraform.done(below, &["show", "-json"])).unwrap();
        (stood, again, std::fs::read(terraform.folder("examples/minimal/lastgood.yaml")).unwrap(), state)
    });
    assert_eq!(stood["config_url"], "s3://acme-lastgood/lastgood/lastgood.yaml");
    let read = aws.client().get_object().bucket("acme-lastgood").key("lastgood/lastgood.yaml").send().await.unwrap();
    assert_eq!(read.body.collect().await.unwrap().into_bytes(), config, "the functions read what Terraform read");
    let functions: BTreeSet<_> = stood["functions"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(functions, ["freshness-checker", "restore-drill", "snapshot-trigger"].into(), "nothing that the config does not ask for");
    assert_eq!(stood["drill_into"]["rds"]["subnet_group"], "lastgood-drill");
    assert_eq!(changes(&again), Vec::<String>::new(), "a second apply would change something");
    super::rooms::hold(&role_policies(&state));
}

/// What a plan would change: resources, with the attributes that differ.
fn changes(plan: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    for resource in plan["resource_changes"].as_array().unwrap().iter().filter(|resource| resource["change"]["actions"] != json!(["no-op"]))
    {
        let (before, after) = (&resource["change"]["before"], &resource["change"]["after"]);
        let differ = after.as_object().into_iter().flatten().filter(|(name, value)| before[name.as_str()] != **value);
        // moto forgets what a rule that names another group is described by.
        let forgotten = |name: &str| name == "description" && resource["type"].as_str().unwrap().starts_with("aws_vpc_security_group_");
        let differ: Vec<_> = differ.map(|(name, _)| name.as_str()).filter(|name| !forgotten(name)).collect();
        if !differ.is_empty() || resource["change"]["actions"] != json!(["update"]) {
            changes.push(format!("{} {}: {}", resource["change"]["actions"], resource["address"], differ.join(", ")));
        }
    }
    changes
}
