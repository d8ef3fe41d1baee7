//! Notices: what a service or an alarm of the provider says of something that it calls by its own name.
//!
//! A notice wakes a function for the asset that it concerns, and for no other. Which one that is, the config says: the
//! notice's names are compared with it and never followed, and one that the config does not know wakes nothing.

mod alarm;
mod backup;
mod google;
mod ours;
mod rds;

pub(super) use alarm::changed as alarm_changed;
pub(super) use backup::{RESTORE_JOB, restored as backup_restored};
pub(super) use google::{audited, stored};
pub(super) use ours::changed as ours_changed;
pub(crate) use ours::{SOURCE, STATE_CHANGE};
pub(super) use rds::told as rds_told;

use super::{Envelope, Event};
use crate::{
    config::{Asset, Config, Copies, Source},
    domain::{held::SnapshotName, place::Scheme},
    id::{AssetName, Slot},
    redact::clip,
};
use serde_json::{Map, Value};

/// The most characters of a name of the provider's: alarms have 255.
const NAME: usize = 255;

/// What a notice says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened, in few words: `RDS-EVENT-0031 (failure)`, `alarm orders-db-free-storage`.
    pub what: String,
    /// What it may be about, most telling first.
    pub subjects: Vec<Subject>,
    /// The accounts that it says it comes from.
    pub accounts: Vec<String>,
    /// Whether it says that something is over: then there is nothing to do.
    pub over: bool,
}

/// Something, by the name that the provider gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An asset, by the name that it has in the config.
    Asset(String),
    /// An RDS instance or Aurora cluster.
    Database(String),
    /// A snapshot of one.
    Snapshot(String),
    /// A Cloud SQL instance, behind its project: `acme-prod:orders`.
    CloudSql(String),
    /// A bucket of Cloud Storage.
    Bucket(String),
}

/// What a notice is about, once the config was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// One asset.
    Asset(AssetName),
    /// Several that share what it names: whatever is due of all.
    Several,
    /// Nothing that there is to do: why.
    Nothing(String),
}

impl Notice {
    /// Returns what the notice is about. `region` is where it comes from: what the config places elsewhere is not meant.
    pub fn concern(&self, config: &Config, region: Option<&str>) -> Concern {
        if self.over {
            return Concern::Nothing(format!("{} is over", self.what));
        }
        for subject in &self.subjects {
            let mut meant = config.assets.values().filter(|asset| subject.means(asset, region));
            match (meant.next(), meant.next()) {
                (Some(asset), None) => return Concern::Asset(asset.name.clone()),
                (Some(_), Some(_)) => return Concern::Several,
                (None, _) if subject.is_kept_in(config) => return Concern::Several,
                (None, _) => {}
            }
        }
        let named: Vec<_> = self.subjects.iter().map(|subject| shown(subject.name(), 60)).take(3).collect();
        let named = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
        Concern::Nothing(format!("{} is about {named}, which no asset of the config is", self.what))
    }

    fn new(what: impl AsRef<str>, subjects: Vec<Subject>) -> Self {
        let fits = |subject: &Subject| !subject.name().is_empty() && subject.name().len() <= NAME;
        let subjects = subjects.into_iter().filter(fits).take(32).collect();
        Self { what: shown(what.as_ref(), 120), subjects, accounts: Vec::new(), over: false }
    }

    /// Notes an account that it says it comes from, or that an ARN in it names.
    fn of_account(mut self, text: Option<&str>) -> Self {
        let account = text.map(|text| text.strip_prefix("arn:").map_or(text, |arn| arn.split(':').nth(3).unwrap_or_default()));
        self.accounts.extend(account.filter(|account| !account.is_empty()).map(|account| clip(account, 60)));
        self
    }

    /// An event that only wakes, for what this is about.
    pub(super) fn event(self) -> Event {
        Event { notice: Some(self), ..Event::wake(Envelope::Notice) }
    }
}

impl Subject {
    fn name(&self) -> &str {
        match self {
            Self::Asset(name) | Self::Database(name) | Self::Snapshot(name) | Self::CloudSql(name) | Self::Bucket(name) => name,
        }
    }

    /// Whether it is a bucket that backups of all assets are kept in.
    fn is_kept_in(&self, config: &Config) -> bool {
        let Self::Bucket(name) = self else { return false };
        let copies = config.assets.values().flat_map(|asset| &asset.policy.copies).filter_map(|copy| match copy {
            Copies::Vault { vault, .. } => Some(vault),
            Copies::Region { .. } => None,
        });
        copies.chain([&config.vault]).any(|place| place.scheme() == Scheme::Gs && place.bucket() == name)
    }

    fn means(&self, asset: &Asset, region: Option<&str>) -> bool {
        let here = |home: &str| region.is_none_or(|region| region == home);
        match (self, &asset.source) {
            (Self::Asset(name), _) => asset.name.as_str() == name,
            (Self::Database(name), Source::Rds { instance, region: home, .. }) => {
                let mut instances = asset.member.iter().flat_map(|member| &member.instances).chain([instance]);
                instances.any(|instance| instance.eq_ignore_ascii_case(name)) && here(home)
            }
            (Self::Snapshot(name), Source::Rds { instance, region: home, .. }) => {
                let elsewhere = asset.policy.copies.iter().any(|copy| matches!(copy, Copies::Region { region, .. } if here(region)));
                automated(name).is_some_and(|of| instance.eq_ignore_ascii_case(of) && here(home))
                    || (is_ours(name, &asset.name) && (here(home) || elsewhere))
            }
            (Self::CloudSql(name), Source::Cloudsql { project, instance, .. }) => {
                name.rsplit_once(':').is_some_and(|(of, named)| of == project && named == instance)
            }
            (Self::Bucket(name), Source::Bucket { url, .. }) => url.scheme() == Scheme::Gs && url.bucket() == name,
            (
                Self::Database(_) | Self::Snapshot(_) | Self::CloudSql(_) | Self::Bucket(_),
                Source::Rds { .. }
                | Source::Postgres { .. }
                | Source::Cloudsql { .. }
                | Source::Bucket { .. }
                | Source::Redis { .. }
                | Source::Elasticache { .. }
                | Source::Secrets { .. }
                | Source::Volume { .. },
            ) => false,
        }
    }
}

/// The instance of an automated snapshot's name: `rds:orders-prod-2026-11-20-02-00`.
fn automated(name: &str) -> Option<&str> {
    let name = name.strip_prefix("rds:")?;
    let (instance, moment) = name.split_at_checked(name.len().checked_sub("-2026-11-20-02-00".len())?)?;
    let shaped =
        moment.bytes().enumerate().all(|(n, byte)| if matches!(n, 0 | 5 | 8 | 11 | 14) { byte == b'-' } else { byte.is_ascii_digit() });
    shaped.then_some(instance)
}

/// Whether a snapshot bears the name that one of this asset always has, in whichever slot.
fn is_ours(name: &str, asset: &AssetName) -> bool {
    const SLOT: usize = "20261120t030000z".len();
    let any = SnapshotName::derive(asset, &Slot::at(crate::clock::Timestamp::UNIX_EPOCH)).0;
    let stem = |name: &str| name.len().checked_sub(SLOT).and_then(|at| name.get(..at)).map(str::to_ascii_lowercase);
    let slot = name.len().checked_sub(SLOT).and_then(|at| name.get(at..)).unwrap_or_default();
    let shaped = slot.bytes().enumerate().all(|(n, byte)| match n {
        8 => byte.eq_ignore_ascii_case(&b't'),
        15 => byte.eq_ignore_ascii_case(&b'z'),
        _ => byte.is_ascii_digit(),
    });
    shaped && stem(name) == stem(&any)
}

/// The keys by which a notice is known that wakes for whatever is due; all of them must be there.
const KNOWN: [&[&str]; 3] = [
    // AWS Backup
    &["BackupJobId"],
    // S3, when notifications are switched on
    &["Service", "Event", "Bucket"],
    // Alertmanager webhook
    &["alerts", "groupKey", "status"],
];

/// Returns a wake-up, if this is a notice that is known: most often the message of an SNS topic or of Pub/Sub.
pub(super) fn open(fields: &Map<String, Value>) -> Option<Event> {
    let has = |keys: &[&str]| keys.iter().all(|key| fields.contains_key(*key));
    if has(&["AlarmName", "NewStateValue"]) {
        return Some(alarm::told(fields).event());
    }
    if has(&["Event Source", "Event ID"]) {
        return Some(rds::subscribed(fields).event());
    }
    if has(&["incident", "version"]) {
        return Some(google::incident(fields).event());
    }
    if has(&["protoPayload", "logName"]) {
        return Some(audited(&Value::Object(fields.clone())).event());
    }
    if has(&["kind", "bucket", "selfLink"]) {
        let bucket = fields.get("bucket").and_then(Value::as_str).unwrap_or_default();
        return Some(stored(bucket, "an object").event());
    }
    KNOWN.iter().any(|keys| has(keys)).then(|| Event::wake(Envelope::Notice))
}

/// A name of the provider's as a log and a terminal may show it.
fn shown(text: &str, most: usize) -> String {
    let harmless: String = clip(text, 400).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    clip(&crate::redact::text(&harmless), most)
}

/// A text field of a notice, or nothing.
fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
