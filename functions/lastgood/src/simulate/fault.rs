//! What can go wrong, when, and for whom: `NAME[=ABOUT]@12d[..20d]`.

use lastgood_core::{
    domain::{finding::FindingKind, span::Span},
    error::{Error, invalid},
};
use serde::Serialize;
use std::{fmt, str::FromStr, time::Duration};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The key that backups are encrypted with is disabled.
    KmsRevoked,
    /// Schedules no longer wake a function.
    ScheduleSilent,
    /// Every backup breaks off.
    BackupFails,
    /// A byte of what is stored flips.
    CorruptBytes,
    /// The places of copies do not answer.
    CopyRegionDown,
    /// Most of the source's rows are gone.
    SourceShrinks,
    /// What is restored lacks rows.
    DrillFails,
    /// The place for drills is out of reach.
    DrillCannotRun,
    /// The checker is no longer woken.
    CheckerDead,
    /// The channel refuses deliveries.
    ChannelRefuses,
    /// The source refuses our credentials.
    CredentialsExpired,
    /// The functions' clock is three days ahead.
    ClockJumps,
    /// The vault can be read by anybody.
    VaultPublic,
    /// A lifecycle rule deletes what is two weeks old.
    LifecycleChange,
    /// The vault takes no more bytes.
    DiskFull,
}

/// What `=ABOUT` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// An asset.
    Asset,
    /// An asset, or a function.
    AssetOrFunction,
    /// Nothing: it concerns everything.
    Nothing,
}

/// The functions that a schedule may no longer wake.
pub const FUNCTIONS: [&str; 4] = ["snapshot-trigger", "export-to-bucket", "cross-region-copy", "restore-drill"];

/// The faults, for `--help`; a test holds this and the kinds together.
pub const HELP: &str = "Faults, NAME[=ASSET]@12d[..20d] (until the end, or until a day; times such as 36h are understood):
  kms-revoked          the key of the vault, or of the provider's snapshots, is disabled: nothing can be read or written
  schedule-silent      schedules wake nothing any more; =FUNCTION, or =ASSET for its exports, narrows it
  backup-fails         every export, base backup or snapshot breaks off
  corrupt-bytes        a byte of the newest stored backup flips, and of each one that follows
  copy-region-down     the places of copies do not answer
  source-shrinks       95 % of the source's rows are gone, and backups go on
  drill-fails          what is restored lacks rows
  drill-cannot-run     the place for drills is out of reach
  checker-dead         the freshness checker is no longer woken
  channel-refuses      the first channel under `notify` refuses deliveries
  credentials-expired  the source refuses our credentials
  clock-jumps          the functions' clock is three days ahead of the store's
  vault-public         the vault can be read by anybody
  lifecycle-change     somebody adds a rule that deletes what is 14 days old in the vault
  disk-full            the vault takes no more bytes

Exit codes: 0 every fault was noticed · 2 one was not · 64 usage";

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::KmsRevoked,
        Self::ScheduleSilent,
        Self::BackupFails,
        Self::CorruptBytes,
        Self::CopyRegionDown,
        Self::SourceShrinks,
        Self::DrillFails,
        Self::DrillCannotRun,
        Self::CheckerDead,
        Self::ChannelRefuses,
        Self::CredentialsExpired,
        Self::ClockJumps,
        Self::VaultPublic,
        Self::LifecycleChange,
        Self::DiskFull,
    ];

    /// The kind as it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KmsRevoked => "kms-revoked",
            Self::ScheduleSilent => "schedule-silent",
            Self::BackupFails => "backup-fails",
            Self::CorruptBytes => "corrupt-bytes",
            Self::CopyRegionDown => "copy-region-down",
            Self::SourceShrinks => "source-shrinks",
            Self::DrillFails => "drill-fails",
            Self::DrillCannotRun => "drill-cannot-run",
            Self::CheckerDead => "checker-dead",
            Self::ChannelRefuses => "channel-refuses",
            Self::CredentialsExpired => "credentials-expired",
            Self::ClockJumps => "clock-jumps",
            Self::VaultPublic => "vault-public",
            Self::LifecycleChange => "lifecycle-change",
            Self::DiskFull => "disk-full",
        }
    }

    /// What it may be narrowed to.
    pub const fn about(self) -> About {
        match self {
            Self::KmsRevoked
            | Self::BackupFails
            | Self::CorruptBytes
            | Self::CopyRegionDown
            | Self::SourceShrinks
            | Self::DrillFails
            | Self::DrillCannotRun
            | Self::CredentialsExpired
            | Self::DiskFull => About::Asset,
            Self::ScheduleSilent => About::AssetOrFunction,
            Self::CheckerDead | Self::ChannelRefuses | Self::ClockJumps | Self::VaultPublic | Self::LifecycleChange => About::Nothing,
        }
    }

    /// Whether a finding of this kind may be how it shows.
    pub fn shows_as(self, found: FindingKind) -> bool {
        use FindingKind as F;
        let stale = [F::BackupStale, F::NeverSucceeded, F::BackupFailed, F::ScheduleSilent];
        let drill = [F::Unproven, F::DrillFailed, F::DrillCouldNotVerify];
        let lost = [F::BackupCorrupt, F::RecordedButMissing, F::RecordUnreadable, F::CopyMissing, F::SizeAnomaly];
        match self {
            Self::KmsRevoked => {
                stale.contains(&found)
                    || drill.contains(&found)
                    || lost.contains(&found)
                    || matches!(found, F::KeyUnusable | F::CouldNotObserve)
            }
            Self::ScheduleSilent => stale.contains(&found) || matches!(found, F::HeartbeatMissing | F::CopyMissing | F::Unproven),
            Self::BackupFails | Self::CredentialsExpired | Self::DiskFull => stale.contains(&found) || drill.contains(&found),
            Self::CorruptBytes => lost.contains(&found) || drill.contains(&found),
            Self::CopyRegionDown => matches!(found, F::CopyMissing | F::CouldNotObserve | F::DrillCouldNotVerify | F::Unproven),
            Self::SourceShrinks => found == F::SizeAnomaly || drill.contains(&found) || found == F::BackupStale,
            Self::DrillFails | Self::DrillCannotRun => drill.contains(&found),
            Self::CheckerDead => matches!(found, F::HeartbeatMissing),
            Self::ChannelRefuses => matches!(found, F::NotDelivered),
            Self::ClockJumps => matches!(found, F::ClockImplausible),
            Self::VaultPublic => matches!(found, F::VaultUnsafe),
            Self::LifecycleChange => matches!(found, F::VaultUnsafe | F::PostureDrift) || lost.contains(&found) || stale.contains(&found),
        }
    }
}

/// A fault: what, about what, from when on and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// Which asset or function; everything when not given.
    pub about: Option<String>,
    /// When it begins.
    pub from: Duration,
    /// When it is mended; never when not given.
    pub until: Option<Duration>,
}

impl Fault {
    /// Whether it lasts at this time after the beginning.
    pub fn lasts_at(&self, since_start: Duration) -> bool {
        since_start >= self.from && self.until.is_none_or(|until| since_start < until)
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |what: String| invalid(what).hint("write NAME@12d, NAME@12d..20d or NAME=ASSET@12d; --help lists the names");
        let (what, when) = text.split_once('@').ok_or_else(|| wrong("a fault needs its day".to_owned()))?;
        let (name, about) = what.split_once('=').map_or((what, None), |(name, about)| (name, Some(about.to_owned())));
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
        let kind = kind.ok_or_else(|| wrong(format!("no fault is called {:?}", lastgood_core::redact::clip(name, 40))))?;
        let (from, until) = when.split_once("..").map_or((when, None), |(from, until)| (from, Some(until)));
        let span = |text: &str| match text {
            "0d" | "0h" => Ok(Duration::ZERO),
            other => other.parse::<Span>().map(Span::duration),
        };
        let (from, until) = (span(from)?, until.map(span).transpose()?);
        if until.is_some_and(|until| until <= from) {
            return Err(wrong("a fault must end after it begins".to_owned()));
        }
        if about.is_some() && kind.about() == About::Nothing {
            return Err(wrong(format!("{name} concerns everything: it takes no `=`")));
        }
        Ok(Self { kind, about, from, until })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |at: Duration| {
            let seconds = at.as_secs();
            if seconds.is_multiple_of(86_400) { format!("{}d", seconds / 86_400) } else { format!("{}h", seconds / 3_600) }
        };
        let about = self.about.as_ref().map(|about| format!("={about}")).unwrap_or_default();
        let until = self.until.map(|until| format!("..{}", span(until))).unwrap_or_default();
        write!(f, "{}{about}@{}{until}", self.kind.as_str(), span(self.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_read_and_write() {
        for text in ["kms-revoked@12d", "backup-fails=orders-db@36h..20d", "schedule-silent=restore-drill@0d", "checker-dead@3d..5d"] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "kms-revoked", "kms@1d", "kms-revoked@1", "kms-revoked@5d..5d", "checker-dead=orders@1d", "backup-fails@-1d", "@", "=@"]
        {
            assert!(text.parse::<Fault>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_help_names_each_in_one_line() {
        for kind in Kind::ALL {
            assert_eq!(HELP.lines().filter(|line| line.trim_start().starts_with(&format!("{} ", kind.as_str()))).count(), 1, "{kind:?}");
        }
    }
}
