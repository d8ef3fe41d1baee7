//! Where a restore for real goes to: a new database, a new folder. Beside what is there, never over it.

use crate::{
    catalog::Vault,
    config::{SecretRef, is_disk, is_of_a_secrets_name, is_secrets_place, is_zone},
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::CheckResult,
    },
    error::{Error, Result, invalid},
};
use async_trait::async_trait;
use serde::{Deserialize, Deserializer};
use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

/// Where an operator wants a restore to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A database whose URL is found there.
    Referenced(SecretRef),
    /// A database, by a URL that holds no password.
    Url(String),
    /// A data folder.
    Folder(PathBuf),
    /// An instance that RDS makes.
    Instance(NewInstance),
    /// An instance that Cloud SQL makes.
    SqlInstance(NewSqlInstance),
    /// Volumes that EBS makes.
    Volume(NewVolume),
    /// A disk that Google makes.
    Disk(NewDisk),
    /// Secrets beside those that are there.
    Secrets(NewSecrets),
}

/// Secrets that are brought back: `secrets:PROJECT` or `secrets:REGION`, or `secrets:PLACE?only=NAME,NAME` for some of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecrets {
    /// The project or the region.
    pub place: String,
    /// Which; all of them when empty.
    pub only: Vec<String>,
}

impl FromStr for NewSecrets {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || {
            invalid("the place of the secrets is not one")
                .hint("write secrets:PROJECT or secrets:REGION, and ?only=NAME,NAME behind it for some of them")
        };
        let (place, options) = text.split_once('?').map_or((text, None), |(place, options)| (place, Some(options)));
        let only = match options {
            None => "",
            Some(options) => options.strip_prefix("only=").filter(|only| !only.is_empty()).ok_or_else(refuse)?,
        };
        let only: Vec<_> = only.split(',').filter(|_| options.is_some()).map(str::to_owned).collect();
        let named = |name: &String| (1..=512).contains(&name.len()) && name.chars().all(is_of_a_secrets_name);
        if !is_secrets_place(place) || !only.iter().all(named) {
            return Err(refuse());
        }
        Ok(Self { place: place.to_owned(), only })
    }
}

/// A new disk of Google's: `disk:ZONE`, or `disk:ZONE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDisk {
    /// The zone that it is made in.
    pub zone: String,
    /// Its name; derived from the backup's id when not given.
    pub name: Option<String>,
}

impl FromStr for NewDisk {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (zone, name) = text.split_once('/').map_or((text, None), |(zone, name)| (zone, Some(name)));
        if !is_zone(zone) || !name.is_none_or(is_disk) {
            return Err(invalid("the new disk is not one").hint("write disk:ZONE, or disk:ZONE/NAME, such as disk:europe-west1-b/data-2"));
        }
        Ok(Self { zone: zone.to_owned(), name: name.map(str::to_owned) })
    }
}

/// New volumes of EBS: `ebs:ZONE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVolume {
    /// The availability zone that they are made in.
    pub zone: String,
}

impl FromStr for NewVolume {
    type Err = Error;

    fn from_str(zone: &str) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if zone.is_empty() || zone.len() > 40 || !zone.chars().all(plain) || !zone.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(invalid("the availability zone is not one").hint("write ebs:ZONE, such as ebs:eu-west-1a"));
        }
        Ok(Self { zone: zone.to_owned() })
    }
}

/// A new instance of a provider: `rds:NAME`, or `rds:NAME?subnet_group=G&security_groups=sg-1,sg-2` where it is not to be set up in
/// the network that its source was in, as in another region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInstance {
    /// Its name.
    pub name: String,
    /// The subnet group, when it is not the source's.
    pub subnet_group: Option<String>,
    /// The security groups, when they are not the source's.
    pub security_groups: Vec<String>,
}

impl FromStr for NewInstance {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            invalid(format!("the new instance is not one: {why}"))
                .hint("write rds:NAME, or rds:NAME?subnet_group=GROUP&security_groups=sg-1,sg-2 for another network")
        };
        let (name, options) = text.split_once('?').unwrap_or((text, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let fits = name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain);
        if !fits || name.ends_with('-') || name.contains("--") {
            return Err(refuse("a name has up to 63 letters, digits and single hyphens, and begins with a letter"));
        }
        let mut new = Self { name: name.to_owned(), subnet_group: None, security_groups: Vec::new() };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("subnet_group", group)) if !group.is_empty() => new.subnet_group = Some(group.to_owned()),
                Some(("security_groups", groups))
                    if groups.split(',').all(|group| group.starts_with("sg-") && group.chars().all(plain)) =>
                {
                    new.security_groups = groups.split(',').map(str::to_owned).collect();
                }
                _ => return Err(refuse("it may name a subnet_group and security_groups, and nothing else")),
            }
        }
        Ok(new)
    }
}

/// A new instance of Cloud SQL: `cloudsql:NAME`, or `cloudsql:NAME?region=R&network=projects/P/global/networks/N&kms_key=K` where it is
/// not to be where its source was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewSqlInstance {
    /// Its name.
    pub name: String,
    /// Its region, when it is not the source's.
    pub region: Option<String>,
    /// Its network, when it is not the source's.
    pub network: Option<String>,
    /// The key that it is encrypted with, when it is not the source's.
    pub kms_key: Option<String>,
}

impl FromStr for NewSqlInstance {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            invalid(format!("the new instance is not one: {why}")).hint(
                "write cloudsql:NAME, or cloudsql:NAME?region=europe-west4&network=projects/PROJECT/global/networks/NAME for another place",
            )
        };
        let (name, options) = text.split_once('?').unwrap_or((text, ""));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = name.len() <= 84 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain);
        if !fits || name.ends_with('-') {
            return Err(refuse("a name has lower-case letters, digits and hyphens, and begins with a letter"));
        }
        let mut new = Self { name: name.to_owned(), ..Self::default() };
        let is_path = |path: &str, first: &str| {
            path.starts_with(first) && path.chars().all(|c| plain(c) || "/_.ABCDEFGHIJKLMNOPQRSTUVWXYZ".contains(c))
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("region", region)) if !region.is_empty() && region.chars().all(plain) => new.region = Some(region.to_owned()),
                Some(("network", network)) if is_path(network, "projects/") && network.split('/').count() == 5 => {
                    new.network = Some(network.to_owned());
                }
                Some(("kms_key", key)) if is_path(key, "projects/") && key.contains("/cryptoKeys/") => new.kms_key = Some(key.to_owned()),
                _ => return Err(refuse("it may name a region, a network and a kms_key, and nothing else")),
            }
        }
        Ok(new)
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            invalid(format!("the target is not one: {why}"))
                .hint("write env:NAME or file:PATH of a new database's URL, postgres://user@host/new_database without a password, file:///new/folder, rds:NAME or cloudsql:NAME of a new instance, ebs:ZONE for new volumes, disk:ZONE for a new disk of Google's, or secrets:PLACE for secrets")
        };
        if let Some(instance) = text.strip_prefix("rds:") {
            return instance.parse().map(Self::Instance);
        }
        if let Some(instance) = text.strip_prefix("cloudsql:") {
            return instance.parse().map(Self::SqlInstance);
        }
        if let Some(volume) = text.strip_prefix("ebs:") {
            return volume.parse().map(Self::Volume);
        }
        if let Some(disk) = text.strip_prefix("disk:") {
            return disk.parse().map(Self::Disk);
        }
        if let Some(secrets) = text.strip_prefix("secrets:") {
            return secrets.parse().map(Self::Secrets);
        }
        if let Some(folder) = text.strip_prefix("file://").or_else(|| text.starts_with('/').then_some(text)) {
            let path = PathBuf::from(folder);
            if !path.is_absolute() || path.parent().is_none() || folder.split('/').any(|part| part == "..") || folder.contains('\0') {
                return Err(refuse("a folder must be absolute, other than /, and without .. in it"));
            }
            return Ok(Self::Folder(path));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            if !scheme.starts_with("postgres") {
                return Err(refuse("its scheme is not known"));
            }
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
            if user.contains(':') || rest.contains("password=") {
                return Err(refuse("a password on a command line can be read by everybody on the machine"));
            }
            return Ok(Self::Url(text.to_owned()));
        }
        text.parse().map(Self::Referenced).map_err(|_| refuse("it is neither a reference nor a URL nor a folder"))
    }
}

impl<'de> Deserialize<'de> for Target {
    /// An event may name what the configuration's surroundings hold, but never carry an address or a path.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SecretRef::deserialize(deserializer).map(Self::Referenced)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Referenced(reference) => write!(f, "{reference}"),
            Self::Url(url) => f.write_str(url),
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::Instance(new) => write!(f, "rds:{}", new.name),
            Self::SqlInstance(new) => write!(f, "cloudsql:{}", new.name),
            Self::Volume(new) => write!(f, "ebs:{}", new.zone),
            Self::Secrets(NewSecrets { place, only }) if only.is_empty() => write!(f, "secrets:{place}"),
            Self::Secrets(NewSecrets { place, only }) => write!(f, "secrets:{place}?only={}", only.join(",")),
            Self::Disk(NewDisk { zone, name: None }) => write!(f, "disk:{zone}"),
            Self::Disk(NewDisk { zone, name: Some(name) }) => write!(f, "disk:{zone}/{name}"),
        }
    }
}

/// What an operator typed to confirm that the target is meant although it looks like the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirmation(pub Option<String>);

impl Confirmation {
    /// Whether it is exactly this name.
    pub fn names(&self, name: &str) -> bool {
        self.0.as_deref() == Some(name)
    }
}

/// A place that a backup can be restored to for real.
#[async_trait]
pub trait RestoreTarget: Send + Sync {
    /// The form of backup that can go there.
    fn form(&self) -> Form;

    /// Where it is, without a password.
    fn address(&self) -> String;

    /// Checks every guard and says, step by step, what a restore would do. Changes nothing.
    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>>;

    /// Reads every stored byte back and decodes it, then restores. An unfinished restore of ours is started again from
    /// zero; whatever fails leaves the target as it was. Returns the tools that did it, with their versions.
    async fn restore(&self, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>>;

    /// Measures what was recorded of the source; none where nothing runs yet that could be asked.
    async fn measure(&self, backup: &Manifest) -> Result<Option<Expectations>>;

    /// Compares how the target is set up with how the source was, where that was recorded.
    async fn set_up(&self, _: &Manifest) -> Result<Vec<CheckResult>> {
        Ok(Vec::new())
    }

    /// What the operator does next.
    fn next_steps(&self, backup: &Manifest) -> Vec<String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_apart() {
        let read = |text: &str| text.parse::<Target>().unwrap();
        assert_eq!(read("env:STAGING_URL"), Target::Referenced(SecretRef::Env("STAGING_URL".into())));
        assert_eq!(read("file:/run/secrets/url"), Target::Referenced(SecretRef::File("/run/secrets/url".into())));
        assert_eq!(read("file:///srv/restored"), Target::Folder("/srv/restored".into()));
        assert_eq!(read("/srv/restored"), Target::Folder("/srv/restored".into()));
        assert_eq!(read("postgres://app@db/new"), Target::Url("postgres://app@db/new".into()));
        let Target::Instance(new) = read("rds:orders-new?subnet_group=dr&security_groups=sg-1,sg-2") else { panic!() };
        assert_eq!((new.name.as_str(), new.subnet_group.as_deref()), ("orders-new", Some("dr")));
        assert_eq!(new.security_groups, ["sg-1", "sg-2"]);
        let Target::SqlInstance(new) = read("cloudsql:pegasus-new?region=europe-west4&network=projects/acme/global/networks/dr") else {
            panic!()
        };
        assert_eq!((new.name.as_str(), new.region.as_deref(), new.kms_key), ("pegasus-new", Some("europe-west4"), None));
        assert_eq!(new.network.as_deref(), Some("projects/acme/global/networks/dr"));
        assert_eq!(read("ebs:eu-west-1a"), Target::Volume(NewVolume { zone: "eu-west-1a".into() }));
        for text in [
            "disk:europe-west1-b",
            "disk:europe-west1-b/data-2",
            "secrets:acme",
            "secrets:eu-west-1?only=ops/db,ops/key",
            "secrets:example.com:acme",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
    }

    #[test]
    fn r46_hostile_targets_are_refused_and_a_password_is_never_repeated() {
        for text in [
            "",
            "/",
            "file:///",
            "/srv/../etc",
            "mysql://db/x",
            "postgres://app:hunter2@db/new",
            "postgres://db/new?password=hunter2",
            "; rm -rf /",
            "-h evil",
            "rds:",
            "rds:-x",
            "rds:a--b",
            "rds:x?password=hunter2",
            "rds:x?security_groups=hunter2",
            "cloudsql:",
            "cloudsql:-x",
            "cloudsql:UPPER",
            "cloudsql:acme:europe-west1:x",
            "cloudsql:x?password=hunter2",
            "cloudsql:x?network=hunter2",
            "cloudsql:x?rename=prod",
            "ebs:",
            "ebs:eu-west-1a?x=hunter2",
            "disk:",
            "disk:europe-west1",
            "disk:europe-west1-b/../hunter2",
            "disk:europe-west1-b?x=hunter2",
            "secrets:",
            "secrets:ACME",
            "secrets:../acme",
            "secrets:acme?only=",
            "secrets:acme?only=a,,hunter2",
            "secrets:acme?only=a b",
            "secrets:acme?value=hunter2",
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert!(!error.full().contains("hunter2"), "{text}");
        }
        for text in ["\"postgres://app@db/new\"", "\"file:///srv/x\"", "\"/srv/x\""] {
            assert!(serde_json::from_str::<Target>(text).is_err(), "an event carries no address: {text}");
        }
        assert!(serde_json::from_str::<Target>("\"env:STAGING_URL\"").is_ok());
    }
}
