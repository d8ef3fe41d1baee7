//! Makes every backup exist in every place that its policy names, proven by reading it there again.
//!
//! A copy counts once its proof is written, last of all. What is proven is not copied again; what a killed or timed-out
//! run left is taken up where it stands. A backup whose own bytes are damaged is marked and reported, never copied.
//! Copying removes nothing anywhere, except an object of its own that turned out to differ.

mod plan;
mod region;
mod report;
mod work;

pub use report::{AtPlace, Copies as Copied, CopyReport, Problem};

use futures::{StreamExt, stream};
use lastgood_core::{
    catalog::{
        Copy, Key, Vault,
        lease::{self, Claimed, Lease},
    },
    clock::Timestamp,
    config::{Asset, Copies},
    domain::{archive::StorageClass, backup::Manifest},
    env::Env,
    error::{Error, Kind, Result},
    fleet,
    function::{Entry, Function, Outcome, Report},
    id::{AssetName, BackupId, Slot},
    ports::Snapshots,
};
use plan::Seen;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use work::{Refusal, Work};

/// How old an upload must be before it is taken for a killed one's.
const STALE_UPLOAD: Duration = Duration::from_hours(24);

/// Copies backups to every place that their policy names.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct CrossRegionCopy {
    /// The asset; every asset that has copies when not given.
    pub asset: Option<AssetName>,
}

impl Function for CrossRegionCopy {
    const NAME: &'static str = "cross-region-copy";
    type Report = CopyReport;

    async fn run(self, env: &Env) -> Result<CopyReport> {
        let started_at = env.clock.now();
        let mut entries = Vec::new();
        let mut held = Vec::new();
        for asset in env.config.selected(self.asset.as_ref())? {
            let outcome = if asset.policy.copies.is_empty() {
                if self.asset.as_ref() != Some(&asset.name) {
                    continue;
                }
                Outcome::NotDue { next: None }
            } else if asset.policy.copies.iter().all(|copies| copies.place().holds_snapshots()) {
                // The provider copies many at a time; what passes through us goes one after the other.
                held.push(async move { Entry { asset: asset.name.clone(), outcome: outcome(env, asset).await } });
                continue;
            } else {
                outcome(env, asset).await
            };
            entries.push(Entry { asset: asset.name.clone(), outcome });
        }
        entries.extend(stream::iter(held).buffered(AT_ONCE).collect::<Vec<_>>().await);
        entries.sort_by(|a, b| a.asset.cmp(&b.asset));
        entries.extend(fleet::troubles(env, self.asset.as_ref(), |policy| !policy.copies.is_empty()));
        Ok(CopyReport::new(Report::of(Self::NAME, started_at, env.clock.now(), entries), &env.config.runbook))
    }
}

/// A place on its way to holding every backup.
struct Target {
    to: Destination,
    seen: Seen,
    done: AtPlace,
}

/// What holds copies: a vault those of what is stored in vaults, a region of the provider those of its snapshots.
enum Destination {
    Vault(Vault, Option<StorageClass>),
    Region(Arc<dyn Snapshots>),
}

/// How many assets' snapshots are copied at once: a provider allows some twenty copies under way in a region.
const AT_ONCE: usize = 16;

/// What an asset's copying knows and has done so far.
struct Copying<'a> {
    env: &'a Env,
    backups: Vec<Manifest>,
    targets: Vec<Target>,
    report: Copied,
    held_until: Option<Timestamp>,
}

async fn outcome(env: &Env, asset: &Asset) -> Outcome<Copied> {
    copy(env, asset).await.unwrap_or_else(|error| Outcome::from_error(&error))
}

async fn copy(env: &Env, asset: &Asset) -> Result<Outcome<Copied>> {
    let records = env.vault.glance(&asset.name, Some(CrossRegionCopy::NAME), &env.clock).await?;
    lease::sweep_in(env, &records.vault, CrossRegionCopy::NAME, &asset.name, None).await?;
    let mut copying = Copying::look(env, &records.vault, asset).await?;
    let proofs = records.vault.all::<Copy>(&Key::copies(&asset.name)).await?.good;
    let let_go = ids(&records.vault, &Key::tombstones(&asset.name)).await?;
    if let Err(error) = records.remember().await {
        tracing::warn!(asset = %asset.name, "what was read is not remembered, and will be read again: {}", error.full());
    }
    let todo = copying.todo(&proofs, &let_go);
    for (slot, work) in todo.into_iter().rev() {
        if let Some(waiting) = copying.slot(&asset.name, slot, &work).await? {
            return Ok(waiting);
        }
    }
    Ok(copying.end(&proofs))
}

impl<'a> Copying<'a> {
    /// Looks at the vault and at every place. A place that cannot be seen is a problem of its own, not of the others.
    async fn look(env: &'a Env, records: &Vault, asset: &Asset) -> Result<Self> {
        let found = records.backups(&asset.name).await?;
        let mut report = Copied::default();
        for (key, error) in found.unreadable {
            report.problems.push(Problem::of(&error.during(key), env.vault.place(), None));
        }
        let mut targets = Vec::new();
        for copies in &asset.policy.copies {
            let place = copies.place();
            if place == env.vault.place() {
                let error = lastgood_core::error::invalid(format!("{place} is the vault itself, not another place"));
                report.problems.push(Problem::of(&error.hint("name another vault under copies"), place, None));
                continue;
            }
            match Target::look(env, asset, copies).await {
                Ok(target) => targets.push(target),
                Err(error) => report.problems.push(Problem::of(&error, place, None)),
            }
        }
        Ok(Self { env, backups: found.good, targets, report, held_until: None })
    }

    /// What is to be done, by the backups' slots: for each the backups and the places (by number) that lack them.
    fn todo(&mut self, proofs: &[Copy], let_go: &BTreeSet<BackupId>) -> BTreeMap<Slot, Vec<(usize, Manifest)>> {
        let mut todo: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (number, target) in self.targets.iter_mut().enumerate() {
            let proven = plan::proven(&self.backups, proofs, &target.done.place, &target.seen);
            target.done.already_proven = proven.len();
            for backup in plan::missing(&self.backups, &proven, let_go, &target.done.place) {
                todo.entry(backup.slot).or_default().push((number, backup.clone()));
            }
        }
        todo
    }

    /// Copies the backups of one slot under a lease. Returns an outcome where the asset's copying must end here.
    async fn slot(&mut self, asset: &AssetName, slot: Slot, work: &[(usize, Manifest)]) -> Result<Option<Outcome<Copied>>> {
        let Some(lease) = self.claim(asset, slot).await? else { return Ok(None) };
        let mut first: Option<Error> = None;
        for (number, backup) in work {
            // The run is noted: a prune that has not written its tombstone by now sees it.
            if self.env.vault.is_let_go(asset, backup.id).await? {
                continue;
            }
            let target = &mut self.targets[*number];
            let refused = match copy_one(self.env, &target.to, backup, &lease).await {
                Ok(bytes) => {
                    target.done.copied.push(backup.id);
                    target.done.bytes += bytes;
                    continue;
                }
                Err(refused) => refused,
            };
            let (error, source_damaged) = match refused {
                Refusal::SourceDamaged(error) => (error, true),
                Refusal::Other(error) => (error, false),
            };
            if error.kind() == Kind::OutOfTime {
                let reason = format!("backup {} waits: {} ({} copied before)", backup.id, error.full(), self.copied());
                lease.put_down(&reason).await?;
                return Ok(Some(Outcome::Waiting { reason }));
            }
            if error.kind() == Kind::Busy {
                return Err(error);
            }
            self.report.problems.push(Problem { source_damaged, ..Problem::of(&error, &target.done.place, Some(backup.id)) });
            first.get_or_insert(error);
        }
        match first {
            None => lease.done().await?,
            Some(error) => lease.fail(&error).await.map(|_| ())?,
        }
        Ok(None)
    }

    /// Takes up the run of a slot. One that is done although something is missing again (a new place, a lost copy) is
    /// followed by a run of this very moment.
    async fn claim(&mut self, asset: &AssetName, slot: Slot) -> Result<Option<Lease>> {
        for slot in [slot, Slot::at(self.env.clock.now())] {
            match lease::claim(self.env, CrossRegionCopy::NAME, asset, slot, None).await? {
                Claimed::Lease(lease) => return Ok(Some(lease)),
                Claimed::Held { until } => {
                    self.held_until = self.held_until.max(Some(until));
                    return Ok(None);
                }
                Claimed::Done(_) => {}
            }
        }
        Ok(None)
    }

    fn copied(&self) -> usize {
        self.targets.iter().map(|target| target.done.copied.len()).sum()
    }

    fn end(mut self, proofs: &[Copy]) -> Outcome<Copied> {
        if let Some(until) = self.held_until.filter(|_| self.copied() == 0 && self.report.problems.is_empty()) {
            return Outcome::AlreadyRunning { until };
        }
        for target in self.targets {
            let Target { mut done, seen, .. } = target;
            let mut there = plan::proven(&self.backups, proofs, &done.place, &seen);
            there.extend(self.backups.iter().filter(|backup| done.copied.contains(&backup.id)));
            done.lag_seconds = plan::lag(&self.backups, &there, &done.place).map(|lag| lag.as_secs());
            self.report.places.push(done);
        }
        self.report.outcome()
    }
}

async fn copy_one(env: &Env, to: &Destination, backup: &Manifest, lease: &Lease) -> Result<u64, Refusal> {
    let (bytes, place) = match to {
        Destination::Vault(vault, class) => (Work::resume(env, (vault, *class), backup, lease).await?.run().await?, vault.place()),
        Destination::Region(snapshots) => (region::copy(env, &**snapshots, backup, lease).await?, snapshots.place()),
    };
    tracing::info!(asset = %backup.asset, backup = %backup.id, %place, bytes, "copied and proven");
    Ok(bytes)
}

impl Target {
    async fn look(env: &Env, asset: &Asset, copies: &Copies) -> Result<Self> {
        let place = copies.place();
        let done = AtPlace { place: place.clone(), copied: Vec::new(), already_proven: 0, bytes: 0, lag_seconds: None };
        if place.holds_snapshots() {
            let snapshots = env.providers.snapshots(asset, place).await?;
            let seen = Seen { snapshots: snapshots.snapshots().await?, ..Seen::default() };
            return Ok(Self { to: Destination::Region(snapshots), seen, done });
        }
        let vault = env.vault_at(place).await?;
        vault.bucket().sweep_uploads(env.clock.now(), STALE_UPLOAD).await?;
        let manifests = ids(&vault, &Key::manifests(&asset.name)).await?;
        let objects = vault.bucket().list_all(&Key::exports(&asset.name)).await?;
        let objects = objects.into_iter().map(|meta| (meta.key, meta.size)).collect();
        Ok(Self { to: Destination::Vault(vault, copies.class()), seen: Seen { manifests, objects, snapshots: Vec::new() }, done })
    }
}

/// The ids of the records in a folder, by their names alone.
async fn ids(vault: &Vault, folder: &str) -> Result<BTreeSet<BackupId>> {
    let listed = vault.bucket().list_all(folder).await?;
    let id = |key: &str| key.strip_prefix(folder)?.strip_suffix(".json")?.parse().ok();
    Ok(listed.iter().filter_map(|meta| id(&meta.key)).collect())
}
