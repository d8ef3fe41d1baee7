//! What each kind of asset must and may say, and what a check may ask.

use super::{
    Asset, Check, Expect, Fleet, Login, SecretRef, SecretsProvider, SnapshotFrom, Source, Volumes,
    fleet::LONGEST,
    raw::{RawAsset, RawCheck, RawDefaults, RawKind},
    read::Reader,
};
use crate::{
    domain::{fleet::Roll, place::Place},
    error::{Error, Result},
    id::AssetName,
};
use serde_saphyr::Spanned;

impl Reader<'_> {
    pub(super) fn asset(&self, name: &AssetName, mut at: Spanned<RawAsset>, defaults: &RawDefaults, vault: &Place) -> Result<Asset> {
        let path = format!("assets.{name}");
        let policy = self.policy(&path, &mut at, defaults, vault)?;
        let source = self.source(&path, &at)?;
        if matches!(source, Source::Postgres { .. }) && policy.export.is_none() && policy.snapshot.is_none() {
            return Err(self.wrong(
                &at,
                &path,
                "nothing is to be taken of it",
                "give it `export: { schedule: \"0 2 * * *\" }` or a `snapshot`",
            ));
        }
        self.suits(&path, &at, &source, &policy, vault)?;
        if !matches!(source, Source::Rds { .. })
            && policy.snapshot.as_ref().is_some_and(|snapshot| snapshot.from == SnapshotFrom::Automated)
        {
            let what = match source {
                Source::Cloudsql { .. } => "Cloud SQL lets nobody keep one of its automated backups: they go when it lets them".to_owned(),
                Source::Postgres { .. }
                | Source::Rds { .. }
                | Source::Bucket { .. }
                | Source::Redis { .. }
                | Source::Elasticache { .. }
                | Source::Memorystore { .. }
                | Source::Secrets { .. }
                | Source::Disk { .. }
                | Source::Volume { .. } => format!("nobody takes snapshots of a {} by itself", source.kind()),
            };
            return Err(self.wrong(&at, &format!("{path}.snapshot.from"), &what, "leave `from` out"));
        }
        Ok(Asset { name: name.clone(), source, policy, member: None })
    }

    /// Reads an asset that names a tag instead of an instance.
    pub(super) fn fleet(&self, name: &AssetName, mut at: Spanned<RawAsset>, defaults: &RawDefaults, vault: &Place) -> Result<Fleet> {
        let path = format!("assets.{name}");
        let policy = self.policy(&path, &mut at, defaults, vault)?;
        let asset = &at.value;
        let wrong = |key: &str, what: &str, hint: &str| Err(self.wrong(&at, &format!("{path}.{key}"), what, hint));
        if asset.kind != RawKind::Rds {
            return wrong("select", "only an rds asset has `select`", "name the one thing that it is");
        }
        let strays = [
            ("instance", asset.instance.is_some()),
            ("url", asset.url.is_some()),
            ("login", asset.login.is_some()),
            ("export", policy.export.is_some()),
            ("analytics", policy.analytics.is_some()),
            ("project", asset.project.is_some()),
            ("zone", asset.zone.is_some()),
            ("provider", asset.provider.is_some()),
            ("volume", asset.volume.is_some()),
            ("prefix", asset.prefix.is_some()),
            ("expect", asset.expect.is_some()),
        ];
        if let Some((stray, _)) = strays.iter().find(|(_, present)| *present) {
            let what = format!("a fleet, which has `select`, has no `{stray}`");
            return wrong(stray, &what, "an instance that is to be kept otherwise gets an asset of its own, and leaves the fleet by that");
        }
        if policy.snapshot.is_none() {
            return wrong("snapshot", "nothing is to be taken of the fleet", "give it `snapshot: { schedule: \"0 3 * * *\" }`");
        }
        if name.as_str().len() > LONGEST {
            let what = format!("a fleet's name has at most {LONGEST} characters, for its members' names begin with it");
            return wrong("select", &what, "give it a shorter name");
        }
        let select = self.need(&path, &at, "select", asset.select.as_ref())?;
        let region = self.need(&path, &at, "region", asset.region.as_ref())?;
        let place = Place::aws(&region, None).map_err(|error| self.retold(&path, &at, "region", &error))?;
        let member =
            Source::Rds { instance: String::new(), region: region.clone(), place: place.clone(), url: None, login: Login::default() };
        self.suits(&path, &at, &member, &policy, vault)?;
        Ok(Fleet { name: name.clone(), select, region, place, policy, roll: Roll::default() })
    }

    fn source(&self, path: &str, at: &Spanned<RawAsset>) -> Result<Source> {
        let asset = &at.value;
        let given: [(&str, bool); 11] = [
            ("url", asset.url.is_some()),
            ("login", asset.login.is_some()),
            ("instance", asset.instance.is_some()),
            ("select", asset.select.is_some()),
            ("region", asset.region.is_some()),
            ("zone", asset.zone.is_some()),
            ("project", asset.project.is_some()),
            ("provider", asset.provider.is_some()),
            ("volume", asset.volume.is_some()),
            ("prefix", asset.prefix.is_some()),
            ("expect", asset.expect.is_some()),
        ];
        let (kind, allowed): (&str, &[&str]) = match asset.kind {
            RawKind::Postgres => ("postgres", &["url"]),
            RawKind::Rds => ("rds", &["instance", "region", "url", "login"]),
            RawKind::Cloudsql => ("cloudsql", &["project", "instance", "url"]),
            RawKind::Bucket => ("bucket", &["url", "expect"]),
            RawKind::Redis if asset.provider.as_ref().is_some_and(|provider| provider.value == SecretsProvider::Gcp) => {
                ("redis of Memorystore", &["url", "provider", "project", "instance", "region"])
            }
            RawKind::Redis => ("redis", &["url", "provider", "instance", "region"]),
            RawKind::Secrets if asset.provider.as_ref().is_some_and(|provider| provider.value == SecretsProvider::Aws) => {
                ("secrets of Amazon's", &["provider", "region", "prefix"])
            }
            RawKind::Secrets => ("secrets of Google's", &["provider", "project", "prefix"]),
            RawKind::Volume if asset.provider.as_ref().is_some_and(|provider| provider.value == SecretsProvider::Gcp) => {
                ("volume of Google's", &["provider", "project", "volume", "instance", "zone", "region"])
            }
            RawKind::Volume => ("volume", &["provider", "volume", "instance", "region"]),
        };
        if let Some((stray, _)) = given.iter().find(|(key, present)| *present && !allowed.contains(key)) {
            let hint = format!("a {kind} asset has: {}", allowed.join(", "));
            return Err(self.wrong(at, &format!("{path}.{stray}"), &format!("a {kind} asset has no `{stray}`"), &hint));
        }
        Ok(match asset.kind {
            RawKind::Postgres => Source::Postgres { url: self.reference(path, at, asset.url.as_ref())? },
            RawKind::Redis if asset.url.is_some() || asset.provider.is_none() => self.redis(path, at)?,
            RawKind::Redis => self.elasticache(path, at)?,
            RawKind::Rds => {
                let region = self.need(path, at, "region", asset.region.as_ref())?;
                let url = asset.url.as_ref().map(|url| self.reference(path, at, Some(url))).transpose()?;
                let instance = self
                    .need(path, at, "instance", asset.instance.as_ref())
                    .map_err(|error| error.hint("add `instance: NAME`, or `select: { tag: backup=true }` for all that bear a tag"))?;
                let place = self.amazons(path, at, &region)?;
                let login = asset.login.as_ref().map(|login| login.value).unwrap_or_default();
                if login == Login::Iam && url.is_none() {
                    let hint = "add `url: env:NAME`: postgres://ROLE@HOST:5432/DATABASE?sslmode=verify-full&sslrootcert=/path/to/global-bundle.pem";
                    return Err(self.wrong(at, &format!("{path}.login"), "there is no `url` to log in to", hint));
                }
                Source::Rds { instance, region, place, url, login }
            }
            RawKind::Cloudsql => {
                let project = self.need(path, at, "project", asset.project.as_ref())?;
                let instance = self.need(path, at, "instance", asset.instance.as_ref())?;
                let place = Place::gcp(&project, None).map_err(|error| self.retold(path, at, "project", &error))?;
                let url = asset.url.as_ref().map(|url| self.reference(path, at, Some(url))).transpose()?;
                Source::Cloudsql { project, instance, place, url }
            }
            RawKind::Bucket => {
                let url = self.need(path, at, "url", asset.url.as_ref())?;
                let url = url.parse().map_err(|error: Error| self.retold(path, at, "url", &error))?;
                Source::Bucket { url, expect: asset.expect.as_ref().map(|expect| expect.value.clone()) }
            }
            RawKind::Secrets => self.secrets(path, at)?,
            RawKind::Volume => self.volume(path, at)?,
        })
    }

    fn redis(&self, path: &str, at: &Spanned<RawAsset>) -> Result<Source> {
        let asset = &at.value;
        if asset.url.is_some() && (asset.provider.is_some() || asset.instance.is_some() || asset.region.is_some()) {
            let hint = "write `url` for a server of your own, or `provider`, `instance` and `region` for ElastiCache or Memorystore";
            return Err(self.wrong(at, path, "it is either reached by a `url` or kept by a provider", hint));
        }
        Ok(Source::Redis { url: self.reference(path, at, asset.url.as_ref())? })
    }

    fn elasticache(&self, path: &str, at: &Spanned<RawAsset>) -> Result<Source> {
        let asset = &at.value;
        let provider = self.need(path, at, "provider", asset.provider.as_ref())?;
        if provider == SecretsProvider::Gcp {
            return self.memorystore(path, at);
        }
        let region = self.need(path, at, "region", asset.region.as_ref())?;
        let instance = self.need(path, at, "instance", asset.instance.as_ref())?;
        let place = self.amazons(path, at, &region)?;
        Ok(Source::Elasticache { provider, instance, region, place })
    }

    fn volume(&self, path: &str, at: &Spanned<RawAsset>) -> Result<Source> {
        let asset = &at.value;
        let provider = self.need(path, at, "provider", asset.provider.as_ref())?;
        if provider == SecretsProvider::Gcp {
            return self.disk(path, at);
        }
        let of = match (&asset.volume, &asset.instance) {
            (Some(volume), None) => Volumes::One { volume: volume.value.clone() },
            (None, Some(instance)) => Volumes::Attached { instance: instance.value.clone() },
            (None, None) => Volumes::One { volume: self.need(path, at, "volume", None)? },
            (Some(_), Some(_)) => {
                let hint = "keep `volume` for one of them, `instance` for all that are attached to it";
                return Err(self.wrong(at, path, "it is either one `volume` or all of an `instance`", hint));
            }
        };
        let (id, prefix) = match &of {
            Volumes::One { volume } => (volume, "vol-"),
            Volumes::Attached { instance } => (instance, "i-"),
        };
        let named = id.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !named {
            return Err(self.wrong(at, path, &format!("{id:?} is no id of Amazon's"), &format!("it begins with {prefix}")));
        }
        let region = self.need(path, at, "region", asset.region.as_ref())?;
        let place = self.amazons(path, at, &region)?;
        Ok(Source::Volume { provider, of, region, place })
    }

    fn amazons(&self, path: &str, at: &Spanned<RawAsset>, region: &str) -> Result<Place> {
        Place::aws(region, None).map_err(|error| self.retold(path, at, "region", &error))
    }

    pub(super) fn need<T: Clone>(&self, path: &str, at: &Spanned<RawAsset>, key: &str, value: Option<&Spanned<T>>) -> Result<T> {
        let missing = || self.wrong(at, path, &format!("missing key `{key}`"), &format!("add `{key}: …` to this asset"));
        value.map(|value| value.value.clone()).ok_or_else(missing)
    }

    fn reference(&self, path: &str, at: &Spanned<RawAsset>, url: Option<&Spanned<String>>) -> Result<SecretRef> {
        let text = self.need(path, at, "url", url)?;
        text.parse().map_err(|error: Error| match url {
            Some(url) => self.wrong(url, &format!("{path}.url"), &error.to_string(), error.advice().unwrap_or_default()),
            None => error,
        })
    }

    pub(super) fn retold(&self, path: &str, at: &Spanned<RawAsset>, key: &str, error: &Error) -> Error {
        self.wrong(at, &format!("{path}.{key}"), &error.to_string(), error.advice().unwrap_or_default())
    }

    pub(super) fn check(&self, path: &str, at: &Spanned<RawCheck>) -> Result<Check> {
        let wrong = |what: &str, hint: &str| self.wrong(at, path, what, hint);
        let RawCheck { sql, expect, table, rows, newest, within, migration, equals_source, http, amcheck, filesystem } = at.value.clone();
        match (sql, expect, table, rows, newest, within, migration, equals_source, http, amcheck, filesystem) {
            (Some(sql), Some(expect), None, None, None, None, None, None, None, None, None) => {
                let expect: Expect =
                    expect.parse().map_err(|error: Error| wrong(&error.to_string(), error.advice().unwrap_or_default()))?;
                Ok(Check::Sql { sql, expect })
            }
            (None, None, Some(table), Some(rows), None, None, None, None, None, None, None) => Ok(Check::Rows { table, rows }),
            (None, None, Some(table), None, Some(newest), Some(within), None, None, None, None, None) => {
                Ok(Check::Newest { table, newest, within })
            }
            (None, None, None, None, None, None, Some(migration), Some(true), None, None, None) => {
                Ok(Check::Migration { migration, equals_source: true })
            }
            (None, Some(expect), None, None, None, None, None, None, Some(http), None, None) => {
                if !(http.starts_with("https://") || http.starts_with("http://")) || http.contains('@') {
                    return Err(wrong("not an address that a check may ask", "write an http(s) URL without credentials"));
                }
                Ok(Check::Http { http, expect })
            }
            (None, None, None, None, None, None, None, None, None, Some(true), None) => Ok(Check::Amcheck { amcheck: true }),
            (None, None, None, None, None, None, None, None, None, None, Some(filesystem)) if !filesystem.as_slice().is_empty() => {
                Ok(Check::Filesystem { filesystem })
            }
            _ => Err(wrong(
                "not a check",
                "write one of: { sql, expect } { table, rows } { table, newest, within } { migration, equals_source: true } \
                 { http, expect } { amcheck: true } { filesystem: ext4 }",
            )),
        }
    }
}
