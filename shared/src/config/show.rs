//! The effective config as it would have to be written: with every default, and fit to be read again.

use super::Config;
use crate::{
    domain::fleet::Standing,
    error::{Result, failed, invalid},
};
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
        let Some(Value::Object(fleets)) = shown.remove("fleets") else { return Err(failed("the config has no fleets")) };
        if let Some(assets) = shown.get_mut("assets").and_then(Value::as_object_mut) {
            // A member is what its fleet's line makes of it.
            assets.retain(|_, asset| asset.get("member").is_none());
            for (name, fleet) in fleets {
                let Value::Object(fleet) = fleet else { continue };
                let fleet = std::iter::once(("kind".to_owned(), Value::from("rds"))).chain(fleet).collect();
                assets.insert(name, Value::Object(fleet));
            }
        }
        for asset in shown.get_mut("assets").and_then(Value::as_object_mut).into_iter().flat_map(|assets| assets.values_mut()) {
            // An asset's name is its key.
            asset.as_object_mut().map(|asset| asset.remove("name"));
        }
        let text =
            serde_saphyr::to_string(&said(Value::Object(shown))).map_err(|error| invalid("the config cannot be shown").because(error))?;
        Ok(crate::redact::text(&(text.trim_end().to_owned() + "\n" + &self.rolls())))
    }

    /// Who belongs to the fleets, as comments: it follows from what was seen, and nobody writes it.
    fn rolls(&self) -> String {
        use std::fmt::Write as _;
        let mut said = String::new();
        for fleet in self.fleets.values().filter(|fleet| fleet.roll.looked) {
            let roll = &fleet.roll;
            for (name, member) in &roll.members {
                let note = match &member.standing {
                    Standing::Selected => "",
                    Standing::Unknown => ", as far as is known",
                    Standing::Left { .. } => ", no longer selected: its backups are kept",
                };
                let _ = writeln!(said, "# {}: {name} is {} in {}{note}", fleet.name, member.id, fleet.region);
            }
            for (id, why) in roll.left_out.iter().chain(&roll.refused) {
                let _ = writeln!(said, "# {}: {id} is no member: {why}", fleet.name);
            }
            if let Some(why) = &roll.unknown {
                let _ = writeln!(said, "# {}: {why}", fleet.name);
            }
        }
        said
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
