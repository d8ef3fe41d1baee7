//! How volumes are drilled: where, how much of them is read, and what must be found on them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where throwaway volumes are made, and how much of the drilled snapshot is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EbsDrill {
    /// The availability zone.
    pub zone: String,
    /// The zones of other regions, for drills of copies there.
    #[serde(default)]
    pub zones: BTreeMap<String, String>,
    /// How many blocks of 512 KiB are read of each volume, spread over all of it; every one with `all`. 256 when not given.
    #[serde(default)]
    pub blocks: Blocks,
}

/// How many blocks of a snapshot a drill reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "RawBlocks", into = "RawBlocks")]
#[schemars(with = "RawBlocks")]
pub enum Blocks {
    /// This many, spread over all of it.
    Some(u32),
    /// Every one.
    All,
}

impl Default for Blocks {
    fn default() -> Self {
        Self::Some(256)
    }
}

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
enum RawBlocks {
    Number(u32),
    Word(String),
}

impl TryFrom<RawBlocks> for Blocks {
    type Error = &'static str;

    fn try_from(raw: RawBlocks) -> Result<Self, Self::Error> {
        match raw {
            RawBlocks::Number(number) if number > 0 => Ok(Self::Some(number)),
            RawBlocks::Word(word) if word == "all" => Ok(Self::All),
            RawBlocks::Number(_) | RawBlocks::Word(_) => Err("not a number of blocks; write a number from 1, or `all`"),
        }
    }
}

impl From<Blocks> for RawBlocks {
    fn from(blocks: Blocks) -> Self {
        match blocks {
            Blocks::Some(number) => Self::Number(number),
            Blocks::All => Self::Word("all".to_owned()),
        }
    }
}

/// A file system that a drill recognises on a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Filesystem {
    /// Linux's fourth extended one.
    Ext4,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
}

impl Filesystem {
    /// As the config writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }
}

/// One thing, or several of which any will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum AnyOf<T> {
    /// One.
    One(T),
    /// Several.
    Several(Vec<T>),
}

impl<T: PartialEq> AnyOf<T> {
    /// All that will do.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}
