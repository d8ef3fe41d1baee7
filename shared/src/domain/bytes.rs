//! An amount of bytes as an operator writes it: `500GiB`, `2 TiB`, `750 MB`.

use crate::error::{Error, invalid};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// An amount of bytes, more than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[1-9][0-9]* ?([KMGT]iB|[kMGT]?B)$"))]
pub struct Bytes(u64);

impl Bytes {
    /// An amount of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns how many bytes it is.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = UNITS.iter().find_map(|(unit, size)| {
            let count = text.strip_suffix(unit)?;
            let count: u64 = count.strip_suffix(' ').unwrap_or(count).parse().ok()?;
            count.checked_mul(*size).filter(|total| *total > 0)
        });
        parsed.map(Self).ok_or_else(|| {
            invalid(format!("{:?} is not an amount of bytes", crate::redact::clip(text, 40)))
                .hint("write a whole number and a unit, such as 500GiB, 2TiB or 750MB")
        })
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.to_string()
    }
}

impl fmt::Display for Bytes {
    /// The largest unit that says it exactly: what was written is read again as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |(_, size): &&(&str, u64)| self.0.is_multiple_of(*size);
        let (unit, size) = UNITS.iter().filter(exact).max_by_key(|(_, size)| *size).unwrap_or(&("B", 1));
        f.pad(&format!("{}{unit}", self.0 / size))
    }
}

/// Returns an amount for people: `1.5 GiB`.
pub fn human(bytes: u64) -> String {
    let (unit, size) = UNITS[..4].iter().rev().find(|(_, size)| bytes >= *size).copied().unwrap_or(("B", 1));
    if size == 1 {
        return format!("{bytes} B");
    }
    let tenths = u128::from(bytes) * 10 / u128::from(size);
    if tenths >= 1_000 || tenths % 10 == 0 { format!("{} {unit}", tenths / 10) } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_write_as_operators_do() {
        for (text, bytes) in [("500GiB", 500 << 30), ("2TiB", 2 << 40), ("750MB", 750_000_000), ("10kB", 10_000), ("7B", 7)] {
            let read: Bytes = text.parse().unwrap();
            assert_eq!((read.get(), read.to_string().as_str()), (bytes, text));
        }
        assert_eq!("500 GiB".parse::<Bytes>().unwrap().to_string(), "500GiB");
        for text in ["", "0B", "GiB", "1.5GiB", "-1GB", "5", "5gb", "99999999999TiB", "1  GiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn people_read_one_place_after_the_point() {
        assert_eq!([0, 1_023, 1_536, 500 << 30, u64::MAX].map(human), ["0 B", "1023 B", "1.5 KiB", "500 GiB", "16777215 TiB"]);
    }
}
