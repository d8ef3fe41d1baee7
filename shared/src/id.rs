//! Names: of assets, backups and slots. All derived, none random, so that running anything twice meets itself.

use crate::{
    clock::Timestamp,
    error::{Error, invalid},
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};
use ulid::Ulid;

/// The name of an asset: lower-case letters, digits and hyphens, at most 63, beginning with a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z0-9][a-z0-9-]{0,62}$"))]
pub struct AssetName(String);

impl AssetName {
    /// Returns the name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AssetName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 63 || name.starts_with('-') || !name.bytes().all(allowed) {
            return Err(invalid(format!("{:?} is not an asset name", crate::redact::clip(name, 40)))
                .hint("use 1 to 63 lower-case letters, digits and hyphens, beginning with a letter or a digit"));
        }
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for AssetName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<AssetName> for String {
    fn from(name: AssetName) -> Self {
        name.0
    }
}

impl fmt::Display for AssetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The id of a backup or a drill: a ULID, so that names sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackupId(pub Ulid);

impl BackupId {
    /// Derives the id that this function's work on this asset in this slot always has.
    pub fn derive(function: &str, asset: &AssetName, slot: &Slot) -> Self {
        let digest = Sha256::digest(format!("{function}/{asset}/{slot}"));
        let mut tail = [0; 16];
        tail[6..].copy_from_slice(&digest[..10]);
        let millis = u64::try_from(slot.0.as_millisecond()).unwrap_or_default();
        Self(Ulid::from_parts(millis, u128::from_be_bytes(tail)))
    }

    /// Returns the moment that the id says.
    pub fn time(self) -> Timestamp {
        i64::try_from(self.0.timestamp_ms()).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default()
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

impl FromStr for BackupId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ulid::from_string(text).map(Self).map_err(|_| {
            invalid(format!("{:?} is not a backup id", crate::redact::clip(text, 40))).hint("`lastgood list ASSET` shows the ids")
        })
    }
}

/// When a piece of work was due: the scheduled second, or the second in which somebody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot(pub Timestamp);

impl Slot {
    /// The slot of `at`, cut to the second.
    pub fn at(at: Timestamp) -> Self {
        Self(Timestamp::from_second(at.as_second()).unwrap_or(at))
    }

    /// The slot as artifact names carry it: `20261120_020000`, in UTC.
    pub fn stamp(self) -> String {
        self.0.to_zoned(TimeZone::UTC).strftime("%Y%m%d_%H%M%S").to_string()
    }
}

impl fmt::Display for Slot {
    /// The slot as run records are named: `20261120T020000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string())
    }
}

impl FromStr for Slot {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text)
            .and_then(|civil| civil.to_zoned(TimeZone::UTC))
            .map(|zoned| Self(zoned.timestamp()))
            .map_err(|_| invalid(format!("{:?} is not a slot", crate::redact::clip(text, 40))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_every_time_and_sorts_by_its_slot() {
        let asset: AssetName = "orders-db".parse().unwrap();
        let first = Slot("2026-11-20T02:00:00Z".parse().unwrap());
        let later = Slot("2026-11-20T02:00:01Z".parse().unwrap());
        assert_eq!(BackupId::derive("export-to-bucket", &asset, &first), BackupId::derive("export-to-bucket", &asset, &first));
        assert!(BackupId::derive("export-to-bucket", &asset, &first) < BackupId::derive("export-to-bucket", &asset, &later));
        assert_eq!(BackupId::derive("x", &asset, &first).time(), first.0);
    }

    #[test]
    fn a_slot_reads_back_what_it_writes() {
        let slot = Slot("2026-11-20T02:00:00Z".parse().unwrap());
        assert_eq!(slot.to_string().parse::<Slot>().unwrap(), slot);
        assert_eq!(slot.stamp(), "20261120_020000");
    }

    #[test]
    fn path_like_names_are_refused() {
        for name in ["", "-x", "../etc", "a/b", "A", "a b", "é", ".", "a.b", &"x".repeat(64)] {
            assert!(name.parse::<AssetName>().is_err(), "{name:?}");
        }
    }
}
