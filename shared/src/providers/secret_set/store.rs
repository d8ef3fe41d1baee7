//! What a store of secrets is asked for: a listing, what counts of each now, and, in a restore, to take one back beside what it has.

use super::{Line, Payload, Settings, Without};
use crate::{clock::Timestamp, error::Result, id::BackupId};
use async_trait::async_trait;
use std::collections::BTreeMap;

/// A secret as its store lists it, without its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its labels or tags.
    pub labels: BTreeMap<String, String>,
    /// What else its store must be told to make it anew.
    pub settings: Settings,
    /// Why it has no value that counts, where the listing says so already.
    pub without: Option<Without>,
    /// The version that counts, where the listing says so.
    pub version: Option<String>,
}

/// One whole version of a secret: the id and the value that belong together.
#[derive(Debug)]
pub struct Version {
    /// The id that the store gave to it.
    pub id: String,
    /// When it was made, where the store says so with the value.
    pub made: Option<Timestamp>,
    /// Its value.
    pub payload: Payload,
}

/// What counts of a secret now.
#[derive(Debug)]
pub enum Current {
    /// This version.
    Version(Version),
    /// Nothing.
    Without(Without),
}

/// A store of secrets, as far as an export needs it. None of these changes anything there.
#[async_trait]
pub trait Store: Send + Sync {
    /// What it is called: `Google Secret Manager`.
    fn service(&self) -> &'static str;

    /// Where it is: `projects/acme-prod`, `eu-west-1`.
    fn place(&self) -> String;

    /// Lists every secret, whole or not at all.
    async fn list(&self) -> Result<Vec<Listed>>;

    /// Reads what counts of a secret now: the value and its id in one answer, so that a rotation cannot come between them.
    async fn current(&self, name: &str) -> Result<Current>;
}

/// How a secret is brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// As it was called: nothing of that name is there, but what an earlier try of the same restore made.
    Anew,
    /// As a new version of what is there, under a label of its own; the label that is in use stays where it is.
    Version,
    /// As a new secret of this name, beside what is there.
    Beside(String),
}

/// A secret that was brought back and read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// Its name in the backup.
    pub name: String,
    /// How.
    pub way: Way,
    /// The id of the version that holds its value now.
    pub version: String,
    /// The version that counted before, where there was one.
    pub former: Option<String>,
}

/// A store that secrets are brought back to.
#[async_trait]
pub trait Keeper: Store {
    /// Decides how a secret is brought back, from what is there of its name.
    fn way(&self, name: &str, there: Option<&Listed>, backup: BackupId) -> Way;

    /// Brings one back and reads it again, byte by byte. Twice is harmless: what an earlier try made is adopted where it bears our
    /// mark and holds this very value. A stranger's is `Kind::Conflict`.
    async fn bring_back(&self, line: &Line, way: &Way, backup: BackupId) -> Result<String>;

    /// What an operator types to let applications use it. Without any value.
    fn cut_over(&self, brought: &Brought) -> String;
}

/// The name of a secret beside another: its own, and the end of the backup's id.
#[cfg(any(feature = "aws", feature = "gcp", test))]
pub(crate) fn beside(name: &str, backup: BackupId, longest: usize) -> String {
    use sha2::{Digest, Sha256};
    let id = backup.to_string().to_ascii_lowercase();
    let ending = format!("--restored-{}", &id[id.len().saturating_sub(8)..]);
    if name.len() + ending.len() <= longest {
        return format!("{name}{ending}");
    }
    let digest = hex::encode(&Sha256::digest(name)[..4]);
    let head: String = name.chars().take(longest - ending.len() - digest.len() - 1).collect();
    format!("{head}-{digest}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_beside_another_is_always_the_same_and_never_too_long() {
        let backup: BackupId = "01KAFH5B00A1B2C3D4E5F6G7H8".parse().unwrap();
        assert_eq!(beside("db-password", backup, 255), "db-password--restored-e5f6g7h8");
        let (a, b) = ("x".repeat(255), format!("{}y", "x".repeat(254)));
        let (a, b) = (beside(&a, backup, 255), beside(&b, backup, 255));
        assert!(a.len() == 255 && b.len() == 255 && a != b, "{a} {b}");
    }
}
