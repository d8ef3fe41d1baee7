//! What Terraform deployed, set going: each function's real binary with the settings that it was given, woken by the schedules
//! and rules that stand, with what they would send.

use crate::{
    hosts::{Installed, Lambda, binary},
    runtime_api::Answer,
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, path::Path};

/// The deployed functions, and what wakes them.
pub struct Deployed {
    functions: BTreeMap<String, Lambda>,
    resources: Vec<Resource>,
}

/// One resource of Terraform's state.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its type and name: `aws_lambda_function.function`.
    pub kind: String,
    /// Its key, where it is one of several.
    pub index: String,
    /// What stands.
    pub values: Value,
}

impl Deployed {
    /// Starts every function of a state (`terraform show -json`) as a Lambda, with what `besides` says of it besides its own
    /// variables.
    pub async fn start(state: &Value, scratch: &Path, besides: impl Fn(&str) -> Vec<(String, String)>) -> Self {
        let mut resources = Vec::new();
        collect(&state["values"]["root_module"], &mut resources);
        let mut functions = BTreeMap::new();
        for function in resources.iter().filter(|resource| resource.kind == "aws_lambda_function.function") {
            let given: Map<String, Value> = function.values["environment"][0]["variables"].as_object().cloned().unwrap_or_default();
            let config = Path::new(given["LASTGOOD_CONFIG"].as_str().expect("where the config is"));
            let room = scratch.join(&function.index);
            std::fs::create_dir_all(&room).expect("a scratch folder");
            let mut installed = Installed::new(binary(&function.index), config, &room);
            for (name, value) in &given {
                installed = installed.with(name, value.as_str().expect("a variable"));
            }
            for (name, value) in besides(&function.index) {
                installed = installed.with(&name, &value);
            }
            functions.insert(function.index.clone(), installed.lambda().await);
        }
        Self { functions, resources }
    }

    /// The resources of a type and name.
    pub fn all(&self, kind: &str) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(move |resource| resource.kind == kind)
    }

    /// What a function has logged so far.
    pub fn logs(&self, function: &str) -> String {
        self.functions[function].process.logs()
    }

    /// Fires a schedule, as EventBridge Scheduler does: with its input, and the moment in it.
    pub async fn tick(&self, schedule: &str, at: &str) -> Answer {
        let found = self
            .resources
            .iter()
            .find(|resource| resource.values["name"] == schedule && resource.kind.starts_with("aws_scheduler_schedule."));
        let target = &found.unwrap_or_else(|| panic!("no schedule {schedule}")).values["target"][0];
        let input = target["input"].as_str().expect("an input").replace("<aws.scheduler.scheduled-time>", at);
        self.invoke(&target["arn"], &serde_json::from_str(&input).expect("an event")).await
    }

    /// Puts an event on the bus. Every target of every rule that matches gets it, in the rule's own words if it has some;
    /// returned are their functions and answers.
    pub async fn event(&self, event: &Value) -> Vec<(String, Answer)> {
        let mut answers = Vec::new();
        for rule in self.resources.iter().filter(|resource| resource.kind.starts_with("aws_cloudwatch_event_rule.")) {
            let pattern: Value = serde_json::from_str(rule.values["event_pattern"].as_str().expect("a pattern")).expect("a pattern");
            if !matches(&pattern, event) {
                continue;
            }
            let targets = self.resources.iter().filter(|resource| resource.kind.starts_with("aws_cloudwatch_event_target."));
            for target in targets.filter(|target| target.values["rule"] == rule.values["name"]) {
                let transformer = &target.values["input_transformer"][0];
                let said = if transformer.is_null() { event.clone() } else { transformed(transformer, event) };
                let name = target.values["target_id"].as_str().expect("a name").to_owned();
                answers.push((name, self.invoke(&target.values["arn"], &said).await));
            }
        }
        answers
    }

    async fn invoke(&self, arn: &Value, event: &Value) -> Answer {
        let deployed =
            self.resources.iter().find(|resource| resource.kind == "aws_lambda_function.function" && resource.values["arn"] == *arn);
        let deployed = deployed.unwrap_or_else(|| panic!("no function {arn}"));
        self.functions[&deployed.index].invoke(event).await
    }
}

/// The policies of a state, by role: its own, and what stands beside it.
pub fn role_policies(state: &Value) -> BTreeMap<String, Value> {
    let mut resources = Vec::new();
    collect(&state["values"]["root_module"], &mut resources);
    let mut policies: BTreeMap<String, Value> = BTreeMap::new();
    let of_roles = |kind: &str| matches!(kind, "aws_iam_role_policy.function" | "aws_iam_role_policy.operator" | "aws_iam_policy.beside");
    for resource in resources.into_iter().filter(|resource| of_roles(&resource.kind)) {
        let policy: Value = serde_json::from_str(resource.values["policy"].as_str().expect("a policy")).expect("a policy");
        let role = policies.entry(resource.index).or_insert_with(|| json!({ "Statement": [] }));
        let statements = role["Statement"].as_array_mut().expect("statements");
        statements.extend(policy["Statement"].as_array().expect("statements").iter().cloned());
    }
    policies
}

fn collect(module: &Value, resources: &mut Vec<Resource>) {
    for resource in module["resources"].as_array().into_iter().flatten() {
        let text = |key: &str| resource[key].as_str().unwrap_or_default().to_owned();
        resources.push(Resource {
            kind: format!("{}.{}", text("type"), text("name")),
            index: text("index"),
            values: resource["values"].clone(),
        });
    }
    for child in module["child_modules"].as_array().into_iter().flatten() {
        collect(child, resources);
    }
}

/// EventBridge's patterns, as far as our rules use them: lists of literals and prefixes. What else a rule says is a failure here.
fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(name, wanted)| matches(wanted, &event[name.as_str()])),
        Value::Array(choices) => choices.iter().any(|choice| match event {
            Value::Array(several) => several.iter().any(|one| is(choice, one)),
            one => is(choice, one),
        }),
        other => panic!("no pattern of EventBridge: {other}"),
    }
}

fn is(choice: &Value, one: &Value) -> bool {
    match choice {
        Value::String(_) => choice == one,
        Value::Object(rule) if rule.len() == 1 && rule.contains_key("prefix") => {
            one.as_str().is_some_and(|text| text.starts_with(rule["prefix"].as_str().expect("a prefix")))
        }
        Value::Object(rule) if rule.len() == 1 && rule.contains_key("anything-but") => {
            rule["anything-but"].as_array().is_some_and(|others| !others.contains(one))
        }
        other => panic!("this double does not know the pattern {other}"),
    }
}

/// An input transformer: paths of the event, put as JSON where the template names them.
fn transformed(transformer: &Value, event: &Value) -> Value {
    let mut text = transformer["input_template"].as_str().expect("a template").to_owned();
    for (name, path) in transformer["input_paths"].as_object().expect("paths") {
        let pointer = path.as_str().expect("a path").trim_start_matches('$').replace('.', "/");
        text = text.replace(&format!("<{name}>"), &event.pointer(&pointer).unwrap_or(&json!(null)).to_string());
    }
    serde_json::from_str(&text).expect("an event")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_as_eventbridge_says() {
        let event =
            json!({ "source": "aws.rds", "detail": { "SourceIdentifier": "lastgood-orders-2026", "EventCategories": ["failure"] } });
        assert!(matches(&json!({ "source": ["aws.rds", "x"], "detail": { "EventCategories": ["creation", "failure"] } }), &event));
        assert!(matches(&json!({ "detail": { "SourceIdentifier": [{ "prefix": "lastgood-orders-2" }] } }), &event));
        assert!(!matches(&json!({ "source": ["aws.rds"], "account": ["1"] }), &event));
        assert!(!matches(&json!({ "detail": { "EventCategories": ["creation"] } }), &event));
    }
}
