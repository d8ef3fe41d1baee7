//! What is wrong with a config, told so that it can be mended at once: file, line, key, and the fix.

use crate::error::{Error, invalid};
use serde_saphyr::Error as Yaml;

/// Tells a parser's error with the key path it happened at. Never repeats the text of the file: a secret may stand there.
pub fn of_yaml(name: &str, path: &str, error: &Yaml) -> Error {
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    let error = match error {
        Yaml::WithSnippet { error, .. } => error,
        other => other,
    };
    let (what, hint) = match error {
        Yaml::SerdeUnknownField { field, expected, .. } => {
            let nearest = nearest(field, expected);
            let known = format!("known keys here: {}", expected.join(", "));
            let hint = nearest.map_or(known.clone(), |near| format!("did you mean `{near}`? {known}"));
            (format!("unknown key `{}`", crate::redact::clip(field, 40)), Some(hint))
        }
        Yaml::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown value `{}`", crate::redact::clip(variant, 40)), Some(format!("write one of: {}", expected.join(", "))))
        }
        Yaml::SerdeMissingField { field, .. } => (format!("missing key `{field}`"), Some(format!("add `{field}: …` here"))),
        Yaml::DuplicateMappingKey { key, .. } => (
            format!("key `{}` stands twice", key.as_deref().map(|key| crate::redact::clip(key, 40)).unwrap_or_default()),
            Some("keep one of the two".to_owned()),
        ),
        Yaml::SerdeInvalidType { expected, .. } | Yaml::SerdeInvalidValue { expected, .. } => {
            ("a value of the wrong type".to_owned(), Some(format!("write {expected}")))
        }
        Yaml::InvalidScalar { ty, .. } => ("a value of the wrong type".to_owned(), Some(format!("write a value of type {ty}"))),
        Yaml::Message { msg, .. } => match msg.split_once("; ") {
            Some((what, hint)) => (what.to_owned(), Some(hint.to_owned())),
            None => (msg.clone(), None),
        },
        Yaml::Budget { .. } => ("the file is larger or deeper than a config may be".to_owned(), None),
        other => {
            let said = other.to_string();
            (said.split(" at line ").next().unwrap_or(&said).to_owned(), None)
        }
    };
    told(name, line, column, path, &what, hint.as_deref())
}

/// Tells something that parses but makes no sense.
pub fn told(name: &str, line: u64, column: u64, path: &str, what: &str, hint: Option<&str>) -> Error {
    // A value whose place is remembered stands one step deeper than the file shows it.
    let path = path.replace(".value", "");
    let place = if line == 0 { name.to_owned() } else { format!("{name}:{line}:{column}") };
    let path = if path.is_empty() || path == "." || path == "?" { String::new() } else { format!(" in `{path}`") };
    let error = invalid(format!("{place}: {what}{path}"));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Tells everything that is wrong at once; nothing wrong is a success.
pub fn all_of(mut wrong: Vec<Error>) -> Result<(), Error> {
    match wrong.len() {
        0 => Ok(()),
        1 => Err(wrong.remove(0)),
        _ => {
            let each = |error: &Error| match error.advice() {
                Some(hint) => format!("{error} ({hint})"),
                None => error.to_string(),
            };
            Err(invalid(wrong.iter().map(each).collect::<Vec<_>>().join("\n       ")).hint(format!("mend all {}", wrong.len())))
        }
    }
}

fn nearest<'a>(field: &str, expected: &[&'a str]) -> Option<&'a str> {
    let shares = |candidate: &&&str| {
        let common = candidate.chars().filter(|c| field.contains(*c)).count();
        let longest = candidate.len().max(field.len());
        candidate.len().abs_diff(field.len()) <= 2 && common * 10 >= longest * 7
    };
    expected.iter().filter(shares).max_by_key(|candidate| candidate.bytes().zip(field.bytes()).filter(|(a, b)| a == b).count()).copied()
}
