//! The effective config as it would have to be written: with every default, and fit to be read again.

use super::Config;
use crate::error::{Result, failed, invalid};
use serde_json::{Map, Value};

impl Config {
    /// Returns the effective config as YAML. It holds references only, so there is nothing to mask but what looks like a secret.
    pub fn show(&self) -> Result<String> {
        let shown = serde_json::to_value(self).map_err(|error| failed("writing the config").because(error))?;
        let Value::Object(mut shown) = shown else { return Err(failed("the config is no map")) };
        let mut encryption = Map::new();
        for key in ["openpgp", "decrypt_with", "passphrase"] {
            encryption.extend(shown.remove(key).map(|value| (key.to_owned(), value)));
        }
        if !self.openpgp.is_empty() {
            shown.insert("encryption".to_owned(), Value::Object(encryption));
        }
        for asset in shown.get_mut("assets").and_then(Value::as_object_mut).into_iter().flat_map(|assets| assets.values_mut()) {
            // An asset's name is its key.
            asset.as_object_mut().map(|asset| asset.remove("name"));
        }
        let text =
            serde_saphyr::to_string(&said(Value::Object(shown))).map_err(|error| invalid("the config cannot be shown").because(error))?;
        Ok(crate::redact::text(&text))
    }
}

/// The same without what is not there.
fn said(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, said(value))).collect(),
        Value::Array(list) => list.into_iter().map(said).collect(),
        other => other,
    }
}
