//! Classes of storage: what a provider keeps for less, for how long it charges at least, and how long it takes to bring an
//! archived object back. The numbers are the providers' own, with the page that says them.

use super::place::Scheme;
use crate::error::{Error, invalid, unsupported};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// A class of storage that a provider offers.
#[derive(Debug)]
struct Class {
    scheme: Scheme,
    name: &'static str,
    /// The days that an object is charged for at least.
    least_days: u32,
    /// How long a recall usually takes, expedited, as standard and in bulk; none where it is read at once.
    recall: Option<[Option<&'static str>; 3]>,
}

const fn at_once(scheme: Scheme, name: &'static str, least_days: u32) -> Class {
    Class { scheme, name, least_days, recall: None }
}

/// S3: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html> and
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html>; Cloud Storage:
/// <https://docs.cloud.google.com/storage/docs/storage-classes>; Azure:
/// <https://learn.microsoft.com/azure/storage/blobs/access-tiers-overview> and
/// <https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview>. Looked up in November 2026.
static CLASSES: [Class; 15] = [
    at_once(Scheme::S3, "STANDARD", 0),
    at_once(Scheme::S3, "STANDARD_IA", 30),
    at_once(Scheme::S3, "ONEZONE_IA", 30),
    at_once(Scheme::S3, "GLACIER_IR", 90),
    Class { scheme: Scheme::S3, name: "GLACIER", least_days: 90, recall: Some([Some("1–5 min"), Some("3–5 h"), Some("5–12 h")]) },
    Class { scheme: Scheme::S3, name: "DEEP_ARCHIVE", least_days: 180, recall: Some([None, Some("up to 12 h"), Some("up to 48 h")]) },
    at_once(Scheme::S3, "INTELLIGENT_TIERING", 0),
    at_once(Scheme::Gs, "STANDARD", 0),
    at_once(Scheme::Gs, "NEARLINE", 30),
    at_once(Scheme::Gs, "COLDLINE", 90),
    at_once(Scheme::Gs, "ARCHIVE", 365),
    at_once(Scheme::Az, "Hot", 0),
    at_once(Scheme::Az, "Cool", 30),
    at_once(Scheme::Az, "Cold", 90),
    Class {
        scheme: Scheme::Az,
        name: "Archive",
        least_days: 180,
        recall: Some([Some("under 1 h below 10 GB"), Some("up to 15 h"), Some("up to 15 h")]),
    },
];

/// A class of storage of one provider.
#[derive(Clone, Copy)]
pub struct StorageClass(&'static Class);

impl StorageClass {
    /// Returns the class of this name at places of this kind. The refusal says which there are.
    pub fn of(scheme: Scheme, name: &str) -> Result<Self, Error> {
        let mut here = CLASSES.iter().filter(|class| class.scheme == scheme).peekable();
        if here.peek().is_none() {
            return Err(invalid(format!("a {}:// place has no classes of storage", scheme.as_str())).hint("leave `storage_class` out"));
        }
        let names: Vec<_> = here.clone().map(|class| class.name).collect();
        here.find(|class| class.name == name).map(Self).ok_or_else(|| {
            invalid(format!("{:?} is no class of storage of {}://", crate::redact::clip(name, 40), scheme.as_str()))
                .hint(format!("write one of: {}", names.join(", ")))
        })
    }

    /// As the provider writes it.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The days that an object in it is charged for at least.
    pub const fn least_days(self) -> u32 {
        self.0.least_days
    }

    /// Whether an object in it can be read only after a recall.
    pub const fn is_archive(self) -> bool {
        self.0.recall.is_some()
    }

    /// How long a recall usually takes; refuses a haste that the class does not know.
    pub fn usually(self, haste: Haste) -> Result<&'static str, Error> {
        let Some(times) = self.0.recall else { return Ok("no time") };
        times[haste as usize].ok_or_else(|| {
            unsupported(format!("{} knows no {haste} recall", self.name())).hint("ask for `--recall standard` or `--recall bulk`")
        })
    }
}

impl PartialEq for StorageClass {
    fn eq(&self, other: &Self) -> bool {
        (self.0.scheme, self.0.name) == (other.0.scheme, other.0.name)
    }
}

impl Eq for StorageClass {}

impl fmt::Debug for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name)
    }
}

impl Serialize for StorageClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

/// How fast an archived object is to come back: the faster, the dearer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Haste {
    /// Within minutes, where the class knows it and the provider has room.
    Expedited,
    /// Within hours.
    #[default]
    Standard,
    /// Whenever it costs least.
    Bulk,
}

impl fmt::Display for Haste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Expedited => "expedited",
            Self::Standard => "standard",
            Self::Bulk => "bulk",
        })
    }
}

/// How an object can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// At once.
    Now,
    /// Only after a recall, which nobody has begun.
    Archived(StorageClass),
    /// A recall is under way.
    Coming(StorageClass),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_one_of_its_own_provider() {
        for (scheme, name, days, archive) in [
            (Scheme::S3, "STANDARD_IA", 30, false),
            (Scheme::S3, "GLACIER_IR", 90, false),
            (Scheme::S3, "GLACIER", 90, true),
            (Scheme::S3, "DEEP_ARCHIVE", 180, true),
            (Scheme::Gs, "ARCHIVE", 365, false),
            (Scheme::Az, "Archive", 180, true),
        ] {
            let class = StorageClass::of(scheme, name).unwrap();
            assert_eq!((class.name(), class.least_days(), class.is_archive()), (name, days, archive));
        }
        for (scheme, name) in [(Scheme::Gs, "GLACIER"), (Scheme::S3, "glacier"), (Scheme::Az, "ARCHIVE"), (Scheme::S3, "")] {
            let error = StorageClass::of(scheme, name).unwrap_err();
            assert!(error.advice().unwrap().starts_with("write one of: "), "{error:?}");
        }
        assert!(StorageClass::of(Scheme::File, "STANDARD").is_err());
    }

    #[test]
    fn a_haste_that_a_class_does_not_know_is_refused() {
        let deep = StorageClass::of(Scheme::S3, "DEEP_ARCHIVE").unwrap();
        assert!(deep.usually(Haste::Expedited).unwrap_err().advice().unwrap().contains("--recall standard"));
        assert_eq!(deep.usually(Haste::Bulk).unwrap(), "up to 48 h");
        assert_eq!(StorageClass::of(Scheme::S3, "GLACIER").unwrap().usually(Haste::default()).unwrap(), "3–5 h");
    }
}
