//! A value as a cloud's store gives it: whole, or one field of its JSON. Nothing of it is ever repeated, its field names
//! included.

use crate::{
    error::{Result, invalid, not_found},
    ports::Secret,
    redact,
};
use serde_json::Value;

/// The most bytes of a secret: what both clouds' stores allow.
const LONGEST: usize = 64 << 10;

/// Fields of the stores' own secrets that are no secrets: masking `postgres` in every log would hide more than it protects.
const HARMLESS: [&str; 9] =
    ["engine", "host", "port", "dbname", "username", "dbInstanceIdentifier", "dbClusterIdentifier", "masterarn", "sslrootcert"];

/// A store, as what it gave is told about.
#[derive(Debug, Clone, Copy)]
pub(in crate::providers) struct Store {
    /// How a reference to it begins: `secret:aws:`.
    pub(in crate::providers) scheme: &'static str,
    /// What gives a secret a value.
    pub(in crate::providers) give: &'static str,
}

impl Store {
    /// Takes a value into custody, and every text in it where it is JSON.
    pub(in crate::providers) fn take(self, name: &str, text: &str) -> Result<Secret> {
        if text.len() > LONGEST {
            return Err(invalid(format!("secret {name} has more than 64 KiB")));
        }
        // As of a file: one final line break is the editor's, not the secret's.
        let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() {
            return Err(not_found(format!("secret {name} is empty")).hint(self.give));
        }
        let secret = Secret::new(text);
        if let Ok(json @ Value::Object(_)) = serde_json::from_str(text) {
            remember(&json);
        }
        Ok(secret)
    }

    /// Returns the whole value, or one top-level field.
    pub(in crate::providers) fn part(self, whole: &Secret, name: &str, field: Option<&str>) -> Result<Secret> {
        let Some(field) = field else { return Ok(whole.clone()) };
        let scheme = self.scheme;
        let json: Value = serde_json::from_str(whole.expose()).map_err(|_| {
            invalid(format!("secret {name} is not JSON, so it has no field {field:?}"))
                .hint(format!("name it without a field: {scheme}{name}"))
        })?;
        let Value::Object(mut fields) = json else {
            return Err(invalid(format!("secret {name} is no JSON object, so it has no field {field:?}")));
        };
        match fields.remove(field) {
            Some(Value::String(text)) if !text.is_empty() => Ok(Secret::new(text)),
            Some(Value::Number(number)) => Ok(Secret::new(number.to_string())),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                Err(invalid(format!("field {field:?} of secret {name} is neither text nor a number")))
            }
            Some(Value::Null | Value::String(_)) => Err(not_found(format!("field {field:?} of secret {name} is empty")).hint(self.give)),
            None => Err(not_found(format!("secret {name} has no field {field:?}"))
                .hint(format!("mend the field in the config, or add it to the secret; it is the part after # in {scheme}{name}#{field}"))),
        }
    }
}

/// Takes every text in a JSON secret into custody, however deep, but for what is known to be no secret.
fn remember(json: &Value) {
    match json {
        Value::String(text) => redact::remember(text),
        Value::Array(items) => items.iter().for_each(remember),
        Value::Object(fields) => {
            fields.iter().filter(|(name, _)| !HARMLESS.contains(&name.as_str())).for_each(|(_, value)| remember(value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const STORE: Store = Store { scheme: "secret:x:", give: "give it a value" };

    #[test]
    fn a_field_is_text_or_a_number_and_nothing_of_the_value_is_ever_repeated() {
        let whole = Secret::new(r#"{"password": "f1eld-canary", "port": 5432, "on": true, "none": null, "deep": {"x": "d33p-canary"}}"#);
        let pick = |field: &str| STORE.part(&whole, "n", Some(field));
        assert_eq!(pick("password").unwrap().expose(), "f1eld-canary");
        assert_eq!(pick("port").unwrap().expose(), "5432");
        for (field, kind) in [("on", Kind::Invalid), ("deep", Kind::Invalid), ("none", Kind::NotFound), ("PASSWORD", Kind::NotFound)] {
            let error = pick(field).unwrap_err();
            assert_eq!(error.kind(), kind, "{field}");
            let said = format!("{} {}", error.full(), error.advice().unwrap_or_default());
            assert!(!said.contains("canary"), "{said}");
        }
        for text in ["pl4in-canary", "[1, 2]", "\"pl4in-canary\""] {
            let error = STORE.part(&Secret::new(text), "n", Some("x")).unwrap_err();
            assert!(error.kind() == Kind::Invalid && !error.full().contains("canary"), "{}", error.full());
        }
    }

    #[test]
    fn r45_every_text_in_a_json_secret_is_known_by_value_and_a_host_is_not() {
        let json = serde_json::json!({
            "username": "lastgood", "engine": "postgres", "password": "p4ss-canary-1", "more": [{"token": "t0ken-canary-2"}],
        });
        STORE.take("n", &json.to_string()).unwrap();
        assert_eq!(redact::text("p4ss-canary-1 t0ken-canary-2 of postgres"), "*** *** of postgres");
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_it_and_nothing_is_no_secret() {
        assert_eq!(STORE.take("n", "pl4in\r\n").unwrap().expose(), "pl4in");
        assert_eq!(STORE.take("n", "pl4in\n\n").unwrap().expose(), "pl4in\n");
        assert_eq!(STORE.take("n", "\n").unwrap_err().kind(), Kind::NotFound);
        assert_eq!(STORE.take("n", &"x".repeat(LONGEST + 1)).unwrap_err().kind(), Kind::Invalid);
    }
}
