//! Our own events, `Lastgood Backup State Change`: one function wakes the next for the asset whose backup changed.

use super::{Notice, Subject, text};
use serde_json::Value;

/// The source of our own events.
pub(crate) const SOURCE: &str = "lastgood";
/// Their type.
pub(crate) const STATE_CHANGE: &str = "Lastgood Backup State Change";

/// Reads the `detail` of one. All that counts of it is the asset; its other fields are for people and for rules.
pub(in crate::event) fn changed(detail: &Value) -> Notice {
    let state = text(detail, "/state").unwrap_or("changed");
    let subject = text(detail, "/asset").map(|name| Subject::Asset(name.to_owned()));
    Notice::new(format!("a backup state change ({state})"), subject.into_iter().collect())
}
