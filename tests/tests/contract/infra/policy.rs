//! IAM's own rules, as far as our policies use them: a request is allowed when a statement allows it and none denies it.

use serde_json::Value;

/// One call: what is asked of what, and what is known of it (tags of the request and of the resource, the service that asks
/// on the role's behalf, …).
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    pub known: &'a [(&'a str, &'a str)],
}

/// Whether a policy allows a call.
pub fn allows(policy: &Value, call: Call<'_>) -> bool {
    let statements = policy["Statement"].as_array().expect("statements");
    let says = |effect: &str| statements.iter().any(|statement| statement["Effect"] == effect && applies(statement, call));
    says("Allow") && !says("Deny")
}

fn applies(statement: &Value, call: Call<'_>) -> bool {
    let action = match (&statement["Action"], &statement["NotAction"]) {
        (Value::Null, except) => !any(except, |pattern| like(&pattern.to_lowercase(), &call.action.to_lowercase())),
        (action, _) => any(action, |pattern| like(&pattern.to_lowercase(), &call.action.to_lowercase())),
    };
    let resource = match (&statement["Resource"], &statement["NotResource"]) {
        (Value::Null, except) => !any(except, |pattern| like(pattern, call.resource)),
        (resource, _) => any(resource, |pattern| like(pattern, call.resource)),
    };
    action && resource && conditions(&statement["Condition"], call)
}

fn conditions(conditions: &Value, call: Call<'_>) -> bool {
    let known = |key: &str| call.known.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| *value);
    let holds = |operator: &str, key: &str, wanted: &Value| match (operator, known(key)) {
        ("Null", value) => any(wanted, |wanted| (wanted == "true") == value.is_none()),
        // A negated condition holds for what is not known; any other does not.
        ("StringNotEquals", value) => value.is_none_or(|value| !any(wanted, |wanted| wanted == value)),
        (_, None) => false,
        ("StringEquals" | "Bool", Some(value)) => any(wanted, |wanted| wanted == value),
        ("StringLike" | "ArnLike" | "ArnEquals", Some(value)) => any(wanted, |wanted| like(wanted, value)),
        (other, _) => panic!("{other} is not known here"),
    };
    conditions
        .as_object()
        .into_iter()
        .flatten()
        .all(|(operator, keys)| keys.as_object().expect("keys").iter().all(|(key, wanted)| holds(operator, key, wanted)))
}

/// Whether one of a text or a list of texts fits.
fn any(value: &Value, fits: impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Array(all) => all.iter().any(|one| fits(one.as_str().expect("a text"))),
        one => fits(one.as_str().expect("a text")),
    }
}

/// Whether a text fits a pattern with `*` and `?`.
fn like(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.first(), text.first()) {
            (Some(b'*'), _) => {
                again = Some((&pattern[1..], text));
                pattern = &pattern[1..];
            }
            (Some(b'?'), Some(_)) => (pattern, text) = (&pattern[1..], &text[1..]),
            (Some(a), Some(b)) if a == b => (pattern, text) = (&pattern[1..], &text[1..]),
            (None, None) => return true,
            _ => match again {
                Some((after, from)) if !from.is_empty() => {
                    again = Some((after, &from[1..]));
                    (pattern, text) = (after, &from[1..]);
                }
                _ => return false,
            },
        }
    }
}

#[test]
fn the_rules_are_iams() {
    use serde_json::json;
    assert!(like("a*c", "abcc") && like("*", "") && like("a?c", "abc") && !like("a*c", "abd") && !like("a?c", "ac"));
    let policy = json!({ "Statement": [
        { "Effect": "Allow", "Action": ["s3:Get*"], "Resource": "*" },
        { "Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:b/*", "Condition": { "Null": { "x": "true" } } },
        { "Effect": "Deny", "NotAction": ["s3:GetObject"], "Resource": "arn:c/*" },
    ] });
    let call = |action, resource, known| allows(&policy, Call { action, resource, known });
    assert!(call("s3:GetObject", "arn:a/1", &[]) && !call("s3:PutObject", "arn:a/1", &[]));
    assert!(!call("s3:GetObject", "arn:b/1", &[]) && call("s3:GetObject", "arn:b/1", &[("X", "1")]));
    assert!(call("s3:GetObject", "arn:c/1", &[]) && !call("s3:GetBucketAcl", "arn:c/1", &[]));
}
