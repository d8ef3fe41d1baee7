//! Takes secrets out of text before a person or a log sees it.
//!
//! Everything that was resolved from a secret reference is known by value and replaced wherever it turns up; what merely
//! looks like one (a password in a URL or conninfo, a presigned query, an authorisation header) is replaced by its shape.
//! Text in which nothing of the kind turns up comes out as it went in. No secret is ever written anywhere by this module.

mod shapes;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{borrow::Cow, collections::VecDeque, sync::RwLock};
use zeroize::Zeroizing;

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// The shortest value that is known by value: masking shorter ones would garble ordinary words.
const SHORTEST: usize = 6;

/// The most spellings that are kept; past it the oldest goes.
const MOST: usize = 4_096;

/// What RFC 3986 leaves unencoded, besides letters and digits.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Every spelling of every known secret, oldest first. Wiped as they go.
static KNOWN: RwLock<VecDeque<Zeroizing<String>>> = RwLock::new(VecDeque::new());

/// Cuts a foreign text to at most `most` characters, so that a hostile one cannot fill a log.
pub fn clip(text: &str, most: usize) -> String {
    let mut clipped: String = text.chars().take(most).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

/// Takes note of a secret value, so that [`text`] replaces it from now on: as it is, percent-encoded, and escaped as JSON
/// and debug output do. Of a URL its password is noted too, of a text of several lines (a key) every long line.
pub fn remember(value: &str) {
    let mut spellings = Vec::new();
    spell(value.trim(), &mut spellings);
    if let Some(password) = shapes::password_of_url(value) {
        spell(password, &mut spellings);
        if let Ok(decoded) = percent_encoding::percent_decode_str(password).decode_utf8() {
            spell(&Zeroizing::new(decoded.into_owned()), &mut spellings);
        }
    }
    if value.trim().contains('\n') {
        value.lines().map(str::trim).filter(|line| line.len() >= 20).for_each(|line| spell(line, &mut spellings));
    }
    let mut known = KNOWN.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    for spelling in spellings {
        if !known.contains(&spelling) {
            if known.len() >= MOST {
                known.pop_front();
            }
            known.push_back(spelling);
        }
    }
}

/// Adds every spelling under which a value may turn up.
fn spell(value: &str, spellings: &mut Vec<Zeroizing<String>>) {
    if value.chars().count() < SHORTEST {
        return;
    }
    let inner = |quoted: &str| Zeroizing::new(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned());
    let plain = Zeroizing::new(value.to_owned());
    let encoded = Zeroizing::new(utf8_percent_encode(value, NON_ALPHANUMERIC).to_string());
    let unreserved = Zeroizing::new(utf8_percent_encode(value, RESERVED).to_string());
    let form = Zeroizing::new(unreserved.replace("%20", "+"));
    let debug = inner(&Zeroizing::new(format!("{value:?}")));
    let json = inner(&Zeroizing::new(serde_json::Value::from(value).to_string()));
    for spelling in [plain, encoded, unreserved, form, debug, json] {
        if !spellings.contains(&spelling) {
            spellings.push(spelling);
        }
    }
}

/// Returns `text` without anything that is, or looks like, a secret.
pub fn text(text: &str) -> String {
    let unknown = without_known(text);
    shapes::mask(&unknown).into_owned()
}

/// Replaces every known value, the longest first, so that one that contains another goes as a whole.
fn without_known(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut met: Vec<&str> = known.iter().map(|value| value.as_str()).filter(|value| text.contains(value)).collect();
    if met.is_empty() {
        return Cow::Borrowed(text);
    }
    met.sort_by_key(|value| std::cmp::Reverse(value.len()));
    Cow::Owned(met.into_iter().fold(text.to_owned(), |text, value| text.replace(value, MASK)))
}

/// Returns a JSON value whose strings went through [`text`]; keys and numbers are as they were.
pub fn json(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(string) => Value::String(text(&string)),
        Value::Array(items) => Value::Array(items.into_iter().map(json).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, json(value))).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_value_goes_in_every_spelling() {
        remember("pa ss/w\"rd€9\n");
        for spelling in ["pa ss/w\"rd€9", "pa%20ss%2Fw%22rd%E2%82%AC9", "pa+ss%2Fw%22rd%E2%82%AC9", "pa ss/w\\\"rd€9"] {
            assert_eq!(text(&format!("before {spelling} after")), "before *** after");
        }
    }

    #[test]
    fn the_password_of_a_known_url_goes_by_itself_too() {
        remember("postgresql://app:cr%40zy-canary@db.example.com/orders?sslmode=require");
        assert_eq!(text("tried cr@zy-canary and cr%40zy-canary"), "tried *** and ***");
    }

    #[test]
    fn every_long_line_of_a_known_key_goes() {
        remember("-----BEGIN X-----\nlQOYBGabcdefghijklmnopqrstuv1\nAAAAB3NzaC1yc2EAAAADAQABAAAB2\n-----END X-----");
        assert_eq!(text("line AAAAB3NzaC1yc2EAAAADAQABAAAB2!"), "line ***!");
    }

    #[test]
    fn short_values_are_left_alone() {
        remember("on");
        assert_eq!(text("turn it on"), "turn it on");
    }

    #[test]
    fn json_keeps_its_shape() {
        remember("json-canary-1");
        let value = serde_json::json!({"reason": ["said json-canary-1", 1, null], "ok": true});
        assert_eq!(json(value), serde_json::json!({"reason": ["said ***", 1, null], "ok": true}));
    }

    proptest! {
        #[test]
        fn a_canary_never_survives(canary in "[A-Za-z0-9/+@:%&='\" -]{3,20}QZX7[a-z]{2,9}", before in ".{0,60}", after in ".{0,60}") {
            remember(&canary);
            let canary = canary.trim();
            for said in [
                format!("{before}{canary}{after}"),
                format!("{before}postgres://app:{canary}@db/x{after}"),
                format!("{before}{}{after}", serde_json::Value::from(canary)),
                format!("{before}{canary:?}{after}"),
                format!("{before}{}{after}", utf8_percent_encode(canary, NON_ALPHANUMERIC)),
            ] {
                prop_assert!(!text(&said).contains("QZX7"), "{}", text(&said));
            }
        }

        #[test]
        fn text_without_secrets_is_unchanged(said in "[a-zA-Z0-9 .,/_()?!-]{0,200}") {
            prop_assert_eq!(text(&said), said);
        }

        #[test]
        fn any_text_comes_out_whole_and_stays_so(said in ".{0,200}") {
            let once = text(&said);
            prop_assert_eq!(text(&once), once);
        }
    }
}
