//! How volumes are set up, as the manifest keeps it: a snapshot brings back the bytes and nothing of this.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What was recorded, by the setting's name.
pub(in crate::providers) type Settings = BTreeMap<String, Value>;

/// The settings of volumes, by their names or ids, below one key.
pub(in crate::providers) fn of(volumes: impl IntoIterator<Item = (String, Map<String, Value>)>) -> Settings {
    let each = volumes.into_iter().map(|(name, settings)| (name, Value::Object(settings)));
    Settings::from([("volumes".to_owned(), Value::Object(each.collect()))])
}

/// Those of one volume's settings that say anything.
pub(in crate::providers) fn said<const N: usize>(all: [(&str, Value); N]) -> Map<String, Value> {
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    };
    all.into_iter().filter(|(_, value)| says(value)).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What was recorded of one volume.
pub(in crate::providers) fn recorded<'a>(settings: &'a Settings, volume: &str) -> Option<&'a Map<String, Value>> {
    settings.get("volumes")?.get(volume)?.as_object()
}

/// A setting that is a text.
pub(in crate::providers) fn text<'a>(settings: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    settings.get(name).and_then(Value::as_str)
}

/// A setting that is a number.
pub(in crate::providers) fn number(settings: &Map<String, Value>, name: &str) -> Option<u64> {
    settings.get(name).and_then(Value::as_u64)
}
