//! Which keys an object may have. One rule for every store, so that a vault can be copied to any other.
//!
//! A key that passes comes back from a listing exactly as it was written and never leads out of its place. Everything
//! else is refused before a store sees it: nothing is escaped, folded or trimmed.

use crate::error::{Error, Result, invalid};

/// The folder at the head of a place that stores may use for themselves. No key begins with it and no listing shows it.
pub const RESERVED: &str = ".lastgood";

/// S3 and GCS cap a key at 1,024 bytes of UTF-8.
const LONGEST: usize = 1024;

/// Refuses a key that some store could not hold exactly, or that leads out of its place.
pub fn check_key(key: &str) -> Result<()> {
    let refuse = |why: &str| Err(refusal(key, why));
    if key.is_empty() || key.len() > LONGEST {
        return refuse("a key has 1 to 1,024 bytes");
    }
    check_characters(key)?;
    for segment in key.split('/') {
        if segment.is_empty() {
            return refuse("it has an empty segment");
        }
        if segment == "." || segment == ".." {
            return refuse("it has a . or .. segment");
        }
    }
    if key.split('/').next() == Some(RESERVED) {
        return refuse("this folder is the store's own");
    }
    Ok(())
}

/// Refuses a prefix that no key can begin with; the empty one is every key's.
pub fn check_prefix(prefix: &str) -> Result<()> {
    let refuse = |why: &str| Err(refusal(prefix, why));
    if prefix.len() > LONGEST {
        return refuse("a key has at most 1,024 bytes");
    }
    check_characters(prefix)?;
    let Some((folders, _)) = prefix.rsplit_once('/') else { return Ok(()) };
    if folders.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return refuse("it has an empty, a . or a .. segment");
    }
    Ok(())
}

fn check_characters(key: &str) -> Result<()> {
    // XML 1.0, in which S3 lists its keys, cannot carry control characters nor U+FFFE and U+FFFF; a backslash is a
    // separator to some tools that a restore may be done with.
    match key.chars().find(|c| c.is_control() || matches!(c, '\\' | '\u{fffe}' | '\u{ffff}')) {
        Some(_) => Err(refusal(key, "it has a control character, a backslash or a non-character")),
        None => Ok(()),
    }
}

fn refusal(key: &str, why: &str) -> Error {
    invalid(format!("{:?} cannot be an object's key: {why}", crate::redact::clip(key, 80)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_and_odd_keys_pass() {
        let longest = ["x".repeat(200).as_str(); 6].join("/")[..1024].to_owned();
        for key in ["a", "a/b", "é/日本 語/🦀", "a b+c%20?x=1&y#z", "..a", "a..", "...", ".hidden", "~", "'\"<&>", &longest] {
            check_key(key).unwrap();
            check_prefix(key).unwrap();
        }
    }

    #[test]
    fn r39_keys_that_lead_out_or_cannot_be_held_are_refused() {
        let long = "x".repeat(1025);
        for key in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a/.",
            "a\0b",
            "a\nb",
            "a\\b",
            "\u{7f}",
            "\u{ffff}",
            ".lastgood",
            ".lastgood/uploads/x",
            &long,
        ] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
        for prefix in ["/", "../", "a/../b", "a//", "a\0", &long] {
            assert!(check_prefix(prefix).is_err(), "{prefix:?}");
        }
        for prefix in ["", "a", "a/", "a/b", ".last"] {
            check_prefix(prefix).unwrap();
        }
    }
}
