//! From text to a [`Config`]: strict, bounded, and with every default applied.

use super::{
    AnalyticsPolicy, Config, Copies, DrillPolicy, DrillTarget, EvidencePolicy, Policy, Retention, Source, System,
    fault::{all_of, of_yaml, told},
    raw::{Key, RawAsset, RawConfig, RawCopy, RawDefaults, RawDrill, RawKind, RawSystem},
};
use crate::{
    domain::{
        archive::StorageClass,
        due::Schedule,
        place::{Place, Scheme},
        span::Span,
    },
    error::{Error, Result, invalid},
    id::AssetName,
};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, path::Path};

/// The most bytes that a config may have.
const LIMIT: usize = 4 << 20;
const RUNBOOK: &str = "https://github.com/lastgood/lastgood/blob/main/docs/runbook.md";

/// A config under conversion: knows its own name, so that every error does.
pub(super) struct Reader<'a> {
    name: &'a str,
}

impl Config {
    /// Reads a config. `name` is how errors call it; where it is a path, key files are found relative to its folder.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        if text.len() > LIMIT {
            return Err(invalid(format!("{name}: the file is larger than {} MiB, a config never is", LIMIT >> 20)));
        }
        let reader = Reader { name };
        let raw = reader.yaml(text)?;
        reader.config(raw)
    }

    /// The JSON Schema of a config, for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(RawConfig).to_value()
    }
}

impl Reader<'_> {
    fn yaml(&self, text: &str) -> Result<RawConfig> {
        let options = serde_saphyr::options! {
            strict_booleans: true,
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
            with_snippet: false,
        };
        let mut path = String::new();
        let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            let mut track = serde_path_to_error::Track::new();
            let tracked = serde_path_to_error::Deserializer::new(deserializer, &mut track);
            let read = RawConfig::deserialize(tracked);
            if read.is_err() {
                path = track.path().to_string();
            }
            read
        });
        read.map_err(|error| of_yaml(self.name, &path, &error))
    }

    pub(super) fn wrong<T>(&self, at: &Spanned<T>, path: &str, what: &str, hint: &str) -> Error {
        told(self.name, at.referenced.line(), at.referenced.column(), path, what, Some(hint))
    }

    fn config(&self, raw: RawConfig) -> Result<Config> {
        let encryption = raw.encryption;
        let folder = Path::new(self.name).parent().filter(|_| !self.name.contains("://")).map(Path::to_owned).unwrap_or_default();
        let (openpgp, decrypt_with, passphrase) = encryption.map_or((Vec::new(), None, None), |encryption| {
            (encryption.openpgp.iter().map(|key| folder.join(key)).collect(), encryption.decrypt_with, encryption.passphrase)
        });
        let evidence = self.evidence(raw.evidence, &folder)?;
        let runbook = raw.runbook.unwrap_or_else(|| RUNBOOK.to_owned());
        let (mut assets, mut fleets, mut wrong) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (name, asset) in raw.assets {
            wrong.extend(self.unsealed(&name, &asset, &openpgp));
            if asset.value.select.is_some() {
                match self.fleet(&name, asset, &raw.defaults, &raw.vault.value) {
                    Ok(fleet) => drop(fleets.insert(name, fleet)),
                    Err(error) => wrong.push(error),
                }
                continue;
            }
            match self.asset(&name, asset, &raw.defaults, &raw.vault.value) {
                Ok(asset) => drop(assets.insert(name, asset)),
                Err(error) => wrong.push(error),
            }
        }
        all_of(wrong)?;
        let (mut systems, mut wrong) = (BTreeMap::new(), Vec::new());
        for (name, system) in raw.systems {
            match self.system(&name, system, &assets) {
                Ok(system) => drop(systems.insert(name, system)),
                Err(error) => wrong.push(error),
            }
        }
        all_of(wrong)?;
        let accounts = raw.accounts.iter().enumerate().map(|(n, account)| self.account(n, account)).collect::<Result<_>>()?;
        let notify = self.channels(&raw.notify, &assets.keys().chain(fleets.keys()).collect())?;
        Ok(Config {
            vault: raw.vault.value,
            openpgp,
            decrypt_with,
            passphrase,
            evidence,
            notify,
            alerts: self.alerts(raw.alerts)?,
            heartbeat: Self::heartbeat(raw.heartbeat),
            metrics: raw.metrics,
            events: raw.events,
            accounts,
            runbook,
            quota: raw.quota,
            object_lock: raw.object_lock,
            check_every: raw.check_every,
            relist_every: raw.relist_every,
            assets,
            fleets,
            systems,
        })
    }

    /// Reads how evidence is signed, and refuses what a signature could not mean.
    fn evidence(&self, at: Key<EvidencePolicy>, folder: &Path) -> Result<EvidencePolicy> {
        let Some(at) = at else { return Ok(EvidencePolicy::default()) };
        let wrong = |key: &str, what: &str, hint: &str| Err(self.wrong(&at, &format!("evidence.{key}"), what, hint));
        for (claim, controls) in &at.value.controls {
            let named = |control: &String| !control.trim().is_empty() && control.len() <= 200 && !control.chars().any(char::is_control);
            if controls.is_empty() || controls.len() > 64 || !controls.iter().all(named) {
                return wrong(&format!("controls.{claim}"), "no list of controls", "write their names, such as [\"SOC2 A1.3\"]");
            }
        }
        if at.value.public_keys.iter().any(|key| key.from.zip(key.until).is_some_and(|(from, until)| from >= until)) {
            return wrong("public_keys", "a key that is never valid", "write a `from` before its `until`");
        }
        let mut policy = at.value;
        policy.public_keys.iter_mut().for_each(|key| key.file = folder.join(&key.file));
        Ok(policy)
    }

    fn account(&self, number: usize, at: &Spanned<String>) -> Result<String> {
        let account = &at.value;
        if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(account.clone());
        }
        let hint = "write its twelve digits in quotes, such as \"123456789012\"";
        Err(self.wrong(at, &format!("accounts[{number}]"), "not an AWS account", hint))
    }

    fn system(&self, name: &AssetName, at: Spanned<RawSystem>, assets: &BTreeMap<AssetName, super::Asset>) -> Result<System> {
        let path = format!("systems.{name}");
        let RawSystem { restore_order, set } = &at.value;
        let named = restore_order.iter().chain(set.iter().flat_map(|set| [&set.database, &set.objects]));
        for asset in named {
            if !assets.contains_key(asset) {
                return Err(self.wrong(&at, &path, &format!("no asset is named `{asset}`"), "name only assets of this config"));
            }
        }
        let RawSystem { restore_order, set } = at.value;
        Ok(System { restore_order, set })
    }

    pub(super) fn policy(&self, path: &str, asset: &mut Spanned<RawAsset>, defaults: &RawDefaults, vault: &Place) -> Result<Policy> {
        let rpo = asset.value.rpo.or(defaults.rpo).unwrap_or(Span::hours(24));
        let rto = asset.value.rto.or(defaults.rto).unwrap_or(Span::hours(4));
        let retention = self.retention(path, asset.value.retention.as_ref(), defaults)?;
        let copies = std::mem::take(&mut asset.value.copies).iter().map(|copy| self.copy(path, copy, vault)).collect::<Result<Vec<_>>>()?;
        if let Some(double) = copies
            .iter()
            .enumerate()
            .find_map(|(n, copy)| copies[..n].iter().any(|former| former.place() == copy.place()).then_some(copy.place()))
        {
            return Err(self.wrong(asset, &format!("{path}.copies"), &format!("a copy stands twice: {double}"), "name each place once"));
        }
        let drill = match asset.value.drill.take() {
            Some(drill) => Some(self.drill(path, drill, rto, vault, &copies)?),
            None => None,
        };
        if let Some(export) = &asset.value.export {
            let level = export.value.level.unwrap_or(1);
            let (least, most) = match export.value.compression {
                crate::domain::backup::Compression::Zstd => (1, 19),
                crate::domain::backup::Compression::Gzip => (1, 9),
                crate::domain::backup::Compression::None => (1, 1),
            };
            if !(least..=most).contains(&level) {
                let hint = format!("write a level from {least} to {most}, or leave it out");
                return Err(self.wrong(export, &format!("{path}.export.level"), "no such compression level", &hint));
            }
            if !(1..=64).contains(&export.value.jobs) {
                return Err(self.wrong(export, &format!("{path}.export.jobs"), "no such number of jobs", "write 1 to 64"));
            }
        }
        let export = asset.value.export.take().map(|export| export.value);
        let snapshot = asset.value.snapshot.take().map(|snapshot| snapshot.value);
        let analytics = match asset.value.analytics.take() {
            Some(analytics) => Some(self.analytics(path, &analytics, asset.value.kind, snapshot.is_some())?),
            None => None,
        };
        let wal = match asset.value.wal.take() {
            Some(wal) if asset.value.kind != RawKind::Postgres => {
                let what = "only a Postgres of your own has WAL that can be looked at";
                return Err(self.wrong(
                    &wal,
                    &format!("{path}.wal"),
                    what,
                    "leave `wal` out: of what a provider runs, its posture is told",
                ));
            }
            wal => wal.map(|wal| wal.value),
        };
        let (max_duration, quota) = (asset.value.max_duration, asset.value.quota);
        Ok(Policy { rpo, rto, retention, max_duration, quota, wal, export, snapshot, copies, drill, analytics })
    }

    fn analytics(&self, path: &str, at: &Spanned<AnalyticsPolicy>, kind: RawKind, snapshots: bool) -> Result<AnalyticsPolicy> {
        let path = format!("{path}.analytics");
        if kind != RawKind::Rds || !snapshots {
            return Err(self.wrong(at, &path, "only snapshots of RDS can be extracted", "give it to an rds asset that has a `snapshot`"));
        }
        if at.value.to.scheme() != Scheme::S3 {
            return Err(self.wrong(at, &format!("{path}.to"), "RDS writes to S3 only", "write s3://bucket/folder"));
        }
        if !(at.value.role.starts_with("arn:") && at.value.role.contains(":iam::") && at.value.role.contains(":role/")) {
            return Err(self.wrong(at, &format!("{path}.role"), "no ARN of a role", "write arn:aws:iam::ACCOUNT:role/NAME"));
        }
        Ok(at.value.clone())
    }

    fn retention(&self, path: &str, own: Option<&Spanned<Retention>>, defaults: &RawDefaults) -> Result<Retention> {
        let (at, path) = match (own, &defaults.retention) {
            (Some(own), _) => (own, format!("{path}.retention")),
            (None, Some(default)) => (default, "defaults.retention".to_owned()),
            (None, None) => return Ok(Retention { daily: 7, weekly: 4, monthly: 12 }),
        };
        let Retention { daily, weekly, monthly } = at.value;
        if daily == 0 && weekly == 0 && monthly == 0 {
            return Err(self.wrong(at, &path, "it would keep nothing", "keep at least `daily: 1`"));
        }
        if [daily, weekly, monthly].iter().any(|count| *count > 10_000) {
            return Err(self.wrong(at, &path, "it keeps more than 10000 of a tier", "write what you mean to keep"));
        }
        Ok(at.value)
    }

    fn copy(&self, path: &str, at: &Spanned<RawCopy>, vault: &Place) -> Result<Copies> {
        let path = format!("{path}.copies");
        match &at.value {
            RawCopy { vault: Some(place), region: None, kms_key: None, account: None, .. } if place == vault => {
                Err(self.wrong(at, &path, "the copy's vault is the vault itself", "name another bucket, account or machine"))
            }
            RawCopy { vault: Some(place), .. } if place.holds_snapshots() => {
                Err(self.wrong(at, &path, "a region is no vault", "write `- { region: us-east-1, kms_key: alias/dr }`"))
            }
            RawCopy { vault: Some(place), region: None, kms_key: None, account: None, storage_class } => {
                let class = storage_class.as_deref().map(|name| StorageClass::of(place.scheme(), name)).transpose();
                let storage_class = class.map_err(|error| {
                    self.wrong(at, &format!("{path}.storage_class"), &error.to_string(), error.advice().unwrap_or_default())
                })?;
                Ok(Copies::Vault { vault: place.clone(), storage_class })
            }
            RawCopy { vault: None, storage_class: Some(_), .. } => {
                Err(self.wrong(at, &format!("{path}.storage_class"), "a snapshot has no class of storage", "leave `storage_class` out"))
            }
            RawCopy { vault: None, region: Some(region), kms_key, account, storage_class: None } => {
                let place = Place::aws(region, account.as_deref())
                    .map_err(|error| self.wrong(at, &path, &error.to_string(), "write a region such as `us-east-1`"))?;
                Ok(Copies::Region { region: region.clone(), kms_key: kms_key.clone(), account: account.clone(), place })
            }
            _ => Err(self.wrong(at, &path, "a copy is either a `vault` or a `region`", "write `- { vault: s3://… }` or `- { region: … }`")),
        }
    }

    fn drill(&self, path: &str, at: Spanned<RawDrill>, rto: Span, vault: &Place, copies: &[Copies]) -> Result<DrillPolicy> {
        let path = format!("{path}.drill");
        if let Some(from) = &at.value.from {
            let known = from == vault || copies.iter().any(|copy| copy.place() == from);
            if !known {
                return Err(self.wrong(
                    &at,
                    &format!("{path}.from"),
                    "no copy of this asset is there",
                    "name the vault or one of the asset's copies",
                ));
            }
        }
        if at.value.point_in_time.is_some() {
            self.moment(&path, &at)?;
        }
        if at.value.restore_tests {
            self.restore_tests(&path, &at)?;
        }
        let checks = at
            .value
            .checks
            .iter()
            .enumerate()
            .map(|(n, check)| self.check(&format!("{path}.checks[{n}]"), check))
            .collect::<Result<_>>()?;
        let RawDrill { schedule, into, from, form, point_in_time, restore_tests, timeout, checks: _ } = at.value;
        let timeout = timeout.unwrap_or_else(|| doubled(rto));
        Ok(DrillPolicy { schedule, into, from, form, point_in_time, restore_tests, timeout, checks })
    }

    /// Refuses a drill of a moment where no provider could restore one.
    fn moment(&self, path: &str, at: &Spanned<RawDrill>) -> Result<()> {
        let wrong = |what: &str, hint: &str| Err(self.wrong(at, &format!("{path}.point_in_time"), what, hint));
        let RawDrill { into, from, form, .. } = &at.value;
        if !matches!(into, DrillTarget::Rds(_) | DrillTarget::Cloudsql(_)) {
            let hint = "write `into: { rds: … }` or `into: { cloudsql: … }`, or leave `point_in_time` out";
            return wrong("only RDS and Cloud SQL restore a moment of their own", hint);
        }
        if from.is_some() || form.is_some() {
            let what = "continuous backups are at their home only, and neither a copy nor of a form";
            return wrong(what, "leave `from` and `form` out, or `point_in_time`");
        }
        Ok(())
    }

    /// Refuses restore tests where AWS Backup restores nothing that could be asked, or where nothing would be asked of it.
    fn restore_tests(&self, path: &str, at: &Spanned<RawDrill>) -> Result<()> {
        let wrong = |what: &str, hint: &str| Err(self.wrong(at, &format!("{path}.restore_tests"), what, hint));
        let RawDrill { into, checks, .. } = &at.value;
        if !matches!(into, DrillTarget::Rds(_)) {
            return wrong(
                "only what AWS Backup restores in RDS can be asked",
                "write `into: { rds: … }` with the network that the restore testing plan restores into, or leave `restore_tests` out",
            );
        }
        let asks = |check: &Spanned<super::raw::RawCheck>| check.value.sql.is_some() || check.value.table.is_some();
        if !checks.iter().any(asks) {
            return wrong(
                "no check asks for data, and a restore that nobody asks proves nothing",
                "add one to `checks`, such as `- { table: orders, rows: \">= 1\" }`",
            );
        }
        Ok(())
    }
}

fn doubled(span: Span) -> Span {
    format!("{}s", span.duration().as_secs().saturating_mul(2)).parse().unwrap_or(span)
}

/// What a careful reader would remark on a config that is valid: `(asset, remark)`.
pub fn remarks(config: &Config, now: crate::clock::Timestamp) -> Vec<(AssetName, String)> {
    let mut remarks = Vec::new();
    let assets = config.assets.iter().map(|(name, asset)| (name, &asset.policy));
    for (name, policy) in assets.chain(config.fleets.iter().map(|(name, fleet)| (name, &fleet.policy))) {
        let schedules: Vec<&Schedule> =
            policy.export.iter().map(|export| &export.schedule).chain(policy.snapshot.iter().map(|s| &s.schedule)).collect();
        let mut remark = |text: String| remarks.push((name.clone(), text));
        if let Some(shortest) = schedules.iter().map(|schedule| schedule.interval(now)).min()
            && shortest > policy.rpo.duration()
        {
            remark(format!("backups are {} apart, but rpo is {}: it cannot be met", crate::domain::span::human(shortest), policy.rpo));
        }
        if schedules.is_empty() && policy.copies.is_empty() {
            remark("nothing protects it: no export, no snapshot, no copies".to_owned());
        }
        let disk = config.assets.get(name).is_some_and(|asset| matches!(asset.source, Source::Disk { .. }));
        if disk && policy.snapshot.as_ref().is_some_and(|snapshot| snapshot.location.is_none()) {
            remark("its snapshots are stored near the disk: name a place away from it under `snapshot.location`".to_owned());
        }
        if let Some(held) = config.assets.get(name).and_then(|asset| super::secrets::holds_its_own_key(asset, config)) {
            remark(held);
        }
        if policy.copies.is_empty() && !schedules.is_empty() && !disk {
            remark("its backups exist in one place only: name another under `copies`".to_owned());
        }
        for (copies, class) in policy.copies.iter().filter_map(|copies| Some((copies, copies.class()?))) {
            let (least, kept) = (class.least_days(), policy.retention.soonest_days());
            if kept < least {
                remark(format!(
                    "copies at {} lie in {class}, which is charged for {least} days at least, and retention lets the first go after \
                     {kept}: keep them longer or choose another class (see storage_class in docs/config.md)",
                    copies.place()
                ));
            }
            if class.is_archive() && policy.drill.as_ref().is_some_and(|drill| drill.from.as_ref() == Some(copies.place())) {
                remark(format!("every drill recalls a copy from {class} at {}: that costs, and takes hours", copies.place()));
            }
        }
        if policy.drill.is_none() && !schedules.is_empty() {
            remark("nothing proves that its backups restore: give it a `drill`".to_owned());
        }
        let fleet = config.assets.get(name).and_then(|asset| asset.member.as_ref()).map(|member| &member.fleet);
        if !config.notify.is_empty() && config.notify.iter().all(|channel| !channel.filter().concerns(Some(name), fleet)) {
            remark("no channel of `notify` hears of it: leave `assets` out of one of them".to_owned());
        }
    }
    remarks
}
