//! Pages of listings, and what a filter lets through.

use crate::gcp::wire::{Call, Refusal};
use serde_json::{Value, json};

/// A page, and the token of the next.
pub(super) struct Page {
    items: Vec<Value>,
    next: Option<String>,
}

impl Page {
    /// As it goes over the wire: without a field for what is not there.
    pub(super) fn json(self, kind: &str, field: &str) -> Value {
        let mut json = json!({ "kind": kind });
        if !self.items.is_empty() {
            json[field] = self.items.into();
        }
        if let Some(next) = self.next {
            json["nextPageToken"] = next.into();
        }
        json
    }
}

/// Cuts a page out of all that there is.
pub(super) fn page(all: &[Value], call: &Call, size: &str, most: usize) -> Result<Page, Refusal> {
    let invalid = |what: &str| Refusal::new(400, "invalid", format!("Invalid value for: {what}"));
    let from: usize = match call.query("pageToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => token.strip_prefix("from-").and_then(|from| from.parse().ok()).ok_or_else(|| invalid("pageToken"))?,
    };
    let size: usize = match call.query(size) {
        None => most,
        Some(asked) => asked.parse::<usize>().map_err(|_| invalid(size))?.clamp(1, most),
    };
    let items: Vec<_> = all.iter().skip(from).take(size).cloned().collect();
    let next = (from + items.len() < all.len()).then(|| format!("from-{}", from + items.len()));
    Ok(Page { items, next })
}

/// Whether a filter lets something through: `settings.userLabels.team:orders state:RUNNABLE`, all of which must hold.
pub(super) fn lets_through(filter: Option<&str>, value: &Value) -> Result<bool, Refusal> {
    let Some(filter) = filter else { return Ok(true) };
    for term in filter.split_whitespace().filter(|term| *term != "AND") {
        let Some(at) = term.find([':', '=']) else {
            return Err(Refusal::new(400, "invalidFilter", format!("Invalid filter: {filter}")));
        };
        let (path, wanted) = (&term[..at], term[at + 1..].trim_matches('"'));
        let found = path.split('.').try_fold(value, |at, part| at.get(part)).and_then(Value::as_str);
        let holds = match found {
            None => false,
            Some(_) if wanted == "*" => true,
            Some(found) => found == wanted,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}
