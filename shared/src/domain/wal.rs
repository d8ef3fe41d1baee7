//! What is seen of a self-managed Postgres' write-ahead log: what its archiver says, and what a repository really holds.
//!
//! What could not be learned is none, never a zero.

use crate::clock::Timestamp;
use std::time::Duration;

/// What is seen of the write-ahead log of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalSeen {
    /// What the server says; none where it could not be asked.
    pub archiver: Option<ArchiverSeen>,
    /// What the repository holds; none where the policy names none, or it could not be asked.
    pub repository: Option<RepositorySeen>,
}

/// What a server says of its archiving, all at one moment of its own clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiverSeen {
    /// The server's moment: every age is counted by its own clock.
    pub at: Timestamp,
    /// Whether it archives at all.
    pub mode: ArchiveMode,
    /// What it archives with.
    pub means: Means,
    /// Whether it follows another server.
    pub standby: bool,
    /// The last file that was archived, and when.
    pub archived: Option<(String, Timestamp)>,
    /// The last file that could not be archived, and when.
    pub failed: Option<(String, Timestamp)>,
    /// How often archiving failed since the counters began.
    pub failures: u64,
    /// Since when the counters count.
    pub since: Timestamp,
    /// What waits to be archived; none where that may not be asked.
    pub waiting: Option<Waiting>,
    /// The segment that is being written.
    pub current: Segment,
    /// How many bytes of it are written.
    pub written: u64,
    /// The bytes of a segment.
    pub segment_size: u64,
    /// After how long a segment that is not full is archived all the same; zero is: never.
    pub timeout: Duration,
}

/// Whether a server archives at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveMode {
    /// It does not.
    Off,
    /// As long as it follows no other.
    On,
    /// Even while it follows another.
    Always,
}

/// What a server archives with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Something.
    Set,
    /// Nothing: segments pile up.
    Unset,
    /// Something that says yes and keeps nothing, such as `/bin/true`.
    Discards,
    /// It may not be asked.
    Hidden,
}

/// What waits to be archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many files.
    pub count: u64,
    /// Since when the oldest of them does.
    pub oldest: Option<Timestamp>,
}

/// What a repository of WAL holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositorySeen {
    /// Which it is: `pgBackRest, stanza main`.
    pub name: String,
    /// The newest segment in it.
    pub newest: Option<String>,
    /// When its newest base backup ended.
    pub base_at: Option<Timestamp>,
    /// What it says that is wrong with it.
    pub wrong: Option<String>,
}

/// A segment of the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its timeline.
    pub timeline: u32,
    /// Its number, counted through: a new timeline goes on with the numbers of the old.
    pub number: u64,
}

impl Segment {
    /// The segment that holds a position.
    pub const fn of(timeline: u32, position: u64, segment_size: u64) -> Self {
        Self { timeline, number: position / segment_size }
    }

    /// Reads a segment's name, 24 hexadecimal digits; none for histories and backup labels, which say nothing of what is archived.
    pub fn named(name: &str, segment_size: u64) -> Option<Self> {
        if name.len() != 24 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) || segment_size == 0 {
            return None;
        }
        let part = |from: usize| u64::from_str_radix(&name[from..from + 8], 16).ok();
        let each = (1_u64 << 32) / segment_size;
        Some(Self { timeline: u32::try_from(part(0)?).ok()?, number: part(8)?.checked_mul(each)?.checked_add(part(16)?)? })
    }

    /// Its name, as Postgres writes it.
    pub fn name(self, segment_size: u64) -> String {
        let each = ((1_u64 << 32) / segment_size.max(1)).max(1);
        format!("{:08X}{:08X}{:08X}", self.timeline, self.number / each, self.number % each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 16 << 20;

    #[test]
    fn a_segment_is_named_as_postgres_names_it() {
        // pg_walfile_name('4/F0A00000') on timeline 3.
        let segment = Segment::of(3, 0x4_F0A0_0000, SIZE);
        assert_eq!(segment.name(SIZE), "0000000300000004000000F0");
        assert_eq!(Segment::named("0000000300000004000000F0", SIZE), Some(segment));
        assert_eq!(Segment::named("0000000300000004000000FF", SIZE).unwrap().number + 1, Segment::of(3, 5 << 32, SIZE).number);
        assert_eq!(Segment::of(1, 3 << 30, 1 << 30).name(1 << 30), "000000010000000000000003");
        for name in ["00000002.history", "000000010000000000000002.00000028.backup", "", "zz0000030000000400000000", "é"] {
            assert_eq!(Segment::named(name, SIZE), None, "{name}");
        }
    }
}
