//! Proves backups by restoring them: sweeps leftovers, advances open drills, opens the due one.
//!
//! The promises: a replica is always torn down, by this invocation or the next; a verdict is never rounded; a drill is
//! finished only once its replica was seen to be gone, and then its evidence exists; nothing that is not ours is touched.

mod adopt;
mod advance;
mod attest;
mod checks;
mod choose;
mod moment;
mod report;

pub use report::{DrillReport, Drilled};

use advance::{Advanced, advance};
use choose::{Choice, choose};
use futures::{StreamExt, stream};
use lastgood_core::{
    catalog::{
        Key,
        evidence::Evidence,
        lease::{self, Claimed, Lease},
    },
    clock::{Timestamp, after, before, since},
    config::{Asset, DrillPolicy},
    domain::{
        archive::Haste,
        backup::{Manifest, Method},
        drill::{Drill, OpenDrill, ReplicaName},
        place::Place,
        run::{Run, RunState},
    },
    env::Env,
    error::{During, Error, Kind, Result, invalid, not_found},
    fleet,
    function::{Entry, Function, Outcome, Report},
    id::{AssetName, BackupId, Slot},
    observe::backups_at,
    ports::Replicas,
    recall,
};
use moment::{Moment, moment};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// How many assets are looked at at once.
const AT_ONCE: usize = 16;
/// How far back an open drill is looked for: longer than any may take.
const FORGOTTEN: Duration = Duration::from_hours(60 * 24);

/// Drills what is due, or what is named.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct RestoreDrill {
    /// The asset; every asset with a drill policy when not given.
    pub asset: Option<AssetName>,
    /// A certain backup instead of the newest; drilled now.
    #[arg(long, value_name = "ID", requires = "asset")]
    pub backup: Option<BackupId>,
    /// The place whose copy is restored, instead of the policy's; drilled now.
    #[arg(long, value_name = "VAULT", requires = "asset")]
    pub from: Option<Place>,
    /// Drills now, whether or not one is due.
    #[arg(long)]
    pub now: bool,
}

impl Function for RestoreDrill {
    const NAME: &'static str = "restore-drill";
    type Report = DrillReport;

    async fn run(self, env: &Env) -> Result<DrillReport> {
        let started_at = env.clock.now();
        if let Some(place) = &self.from {
            known(env, place)?;
        }
        let open = open_drills(env).await;
        // Whose drills are open is known only where every asset's runs could be read: else nothing is swept this time.
        let busy = open.values().try_fold(BTreeSet::new(), |mut busy, runs| {
            busy.extend(runs.as_ref().ok()?.iter().filter_map(|run| run.drill.as_ref()?.drill.replica().cloned()));
            Some(busy)
        });
        let mut entries = Vec::new();
        for asset in env.config.selected(self.asset.as_ref())? {
            let mut tested = Vec::new();
            let outcome = match &asset.policy.drill {
                Some(policy) => match open.get(&asset.name) {
                    Some(Err(unread)) => Outcome::from_error(unread),
                    runs => {
                        let open = runs.and_then(|runs| runs.as_ref().ok()).map_or(&[][..], Vec::as_slice);
                        let room = Room { env, asset, policy, request: &self, open };
                        // These wait for nobody: AWS Backup removes what it restored after some hours.
                        tested = room.restore_tests().await;
                        room.work(busy.as_ref()).await.unwrap_or_else(|error| Outcome::from_error(&error))
                    }
                },
                None if self.asset.as_ref() == Some(&asset.name) => Outcome::from_error(&nothing_asked(&asset.name)),
                None => continue,
            };
            let outcomes = std::iter::once(outcome).chain(tested);
            entries.extend(outcomes.map(|outcome| Entry { asset: asset.name.clone(), outcome }));
        }
        entries.extend(fleet::troubles(env, self.asset.as_ref(), |policy| policy.drill.is_some()));
        Ok(DrillReport::new(Report::of(Self::NAME, started_at, env.clock.now(), entries), &env.config.runbook))
    }
}

fn nothing_asked(asset: &AssetName) -> Error {
    invalid(format!("{asset} has no `drill` in the config")).hint("add `drill: { schedule: \"0 6 * * 0\" }` to it")
}

/// A request may narrow what is done, never lead elsewhere: a place must be one that the config names.
fn known(env: &Env, place: &Place) -> Result<()> {
    use lastgood_core::config::Copies;
    let named = env.config.policies().flat_map(|policy| &policy.copies).map(Copies::place);
    let drilled = env.config.policies().filter_map(|policy| policy.drill.as_ref()?.from.as_ref());
    if named.chain(drilled).chain([&env.config.vault]).any(|named| named == place) {
        return Ok(());
    }
    Err(invalid(format!("{place} is no place that the config names")).hint("name it under `copies` first"))
}

/// The open drills of every asset that is drilled, or why they cannot be read. Their replicas are left to whoever holds their run.
async fn open_drills(env: &Env) -> BTreeMap<AssetName, Result<Vec<Run>>> {
    let drilled = env.config.assets.values().filter(|asset| asset.policy.drill.is_some());
    let look = |name: AssetName| async move {
        let runs = open_runs(env, &name).await;
        (name, runs)
    };
    stream::iter(drilled.map(|asset| look(asset.name.clone())).collect::<Vec<_>>()).buffered(AT_ONCE).collect().await
}

/// Returns the drills of an asset that were begun and not finished, oldest first. One that nobody has gone on with for so long
/// has no replica any more: that expired.
async fn open_runs(env: &Env, asset: &AssetName) -> Result<Vec<Run>> {
    let from = Key::Run(asset.clone(), RestoreDrill::NAME.to_owned(), Slot::at(before(env.clock.now(), FORGOTTEN)));
    let mut runs = env.vault.since::<Run>(&Key::runs(asset, RestoreDrill::NAME), &from.to_string()).await?.good;
    runs.retain(|run| run.drill.is_some() && !matches!(run.state, RunState::Done { .. }));
    runs.reverse();
    Ok(runs)
}

/// One asset and all that its drills need.
struct Room<'a> {
    env: &'a Env,
    asset: &'a Asset,
    policy: &'a DrillPolicy,
    request: &'a RestoreDrill,
    /// Its drills that were begun and not finished, oldest first.
    open: &'a [Run],
}

impl Room<'_> {
    async fn work(&self, busy: Option<&BTreeSet<ReplicaName>>) -> Result<Outcome<Drilled>> {
        let replicas = self.env.providers.replicas(self.asset, &self.policy.into).await.during("reaching the place for drills")?;
        let swept = match busy {
            Some(busy) => self.sweep(&*replicas, busy).await?,
            None => 0,
        };
        let mut last = None;
        for run in self.open {
            match self.claim(run.slot).await? {
                Claimed::Lease(lease) => match self.go_on(&lease, &replicas).await {
                    Ok(Advanced::Finished(evidence)) => last = Some(self.finish(lease, *evidence, swept).await?),
                    Ok(Advanced::Waiting(reason)) => return self.put_down(lease, reason).await,
                    Err(error) => return self.keep_open(lease, error).await,
                },
                Claimed::Held { until } => return Ok(Outcome::AlreadyRunning { until }),
                Claimed::Done(_) => {}
            }
        }
        let Some(slot) = self.due().await? else {
            return Ok(last.map_or(Outcome::NotDue { next: self.policy.schedule.next(self.env.clock.now()) }, Outcome::Done));
        };
        match self.claim(slot).await? {
            Claimed::Held { until } => Ok(Outcome::AlreadyRunning { until }),
            Claimed::Done(run) => self.told(&run, swept).await,
            Claimed::Lease(lease) => {
                if let Err(error) = self.open(&lease).await {
                    // What it waits for goes on without us.
                    if error.kind() == Kind::OutOfTime {
                        return self.put_down(lease, error.full()).await;
                    }
                    lease.fail(&error).await?;
                    return Err(error);
                }
                match self.go_on(&lease, &replicas).await {
                    Ok(Advanced::Finished(evidence)) => Ok(Outcome::Done(self.finish(lease, *evidence, swept).await?)),
                    Ok(Advanced::Waiting(reason)) => self.put_down(lease, reason).await,
                    Err(error) => self.keep_open(lease, error).await,
                }
            }
        }
    }

    async fn claim(&self, slot: Slot) -> Result<Claimed> {
        lease::claim(self.env, RestoreDrill::NAME, &self.asset.name, slot, Some(Key::Drill)).await
    }

    /// Removes replicas that are ours, have expired and belong to no open drill. Returns how many.
    async fn sweep(&self, replicas: &dyn Replicas, busy: &BTreeSet<ReplicaName>) -> Result<usize> {
        let mut swept = 0;
        for replica in replicas.replicas().await.during("looking for leftovers of drills")? {
            if replica.expires <= self.env.clock.now() && !busy.contains(&replica.name) {
                tracing::info!(asset = %self.asset.name, replica = %replica.name, "removing a replica that a lost drill left behind");
                replicas.begin_teardown(&replica.name).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    async fn due(&self) -> Result<Option<Slot>> {
        let RestoreDrill { backup, from, now, .. } = self.request;
        if *now || backup.is_some() || from.is_some() {
            return Ok(Some(Slot::at(self.env.clock.now())));
        }
        lease::open_slot(self.env, RestoreDrill::NAME, &self.asset.name, &self.policy.schedule).await
    }

    /// Chooses the backup and notes the whole intent before anything that costs. An attempt that noted it already goes on.
    async fn open(&self, lease: &Lease) -> Result<()> {
        let run = lease.run().await;
        if run.drill.is_some() {
            return Ok(());
        }
        let now = self.env.clock.now();
        if let Some(ago) = self.policy.point_in_time.filter(|_| self.request.backup.is_none() && self.request.from.is_none()) {
            let Moment { backup, reaches_to } = moment(self.env, self.asset, ago).await?;
            tracing::info!(asset = %self.asset.name, moment = %backup.data_time, "opening a drill of a moment");
            let age = since(now, reaches_to);
            return lease.change(|run| run.drill = Some(self.opened(run, &backup, Some(age), now))).await;
        }
        let from = self.request.from.as_ref().or(self.policy.from.as_ref()).unwrap_or(&self.env.config.vault).clone();
        let found = backups_at(self.env, self.asset, &from).await.during(format!("listing the backups at {from}"))?;
        let drills = self.env.vault.all::<Evidence>(&Key::drills(&self.asset.name)).await?.good;
        // A recall that was begun is what is waited for, whatever came after it.
        let wanted = match self.request.backup {
            None => recall::under_way(self.env, &self.asset.name, &from).await?,
            asked => asked,
        };
        let wanted = wanted.filter(|id| self.request.backup.is_some() || found.good.iter().any(|backup| backup.id == *id));
        let Choice { backup, newest } = choose(&found.good, &drills, self.policy, wanted).ok_or_else(|| {
            let broken: Vec<_> = found.unreadable.iter().map(|(key, error)| format!("{key}: {}", error.full())).collect();
            let broken = if broken.is_empty() { String::new() } else { format!("; records that cannot be read: {}", broken.join("; ")) };
            let which = self.request.backup.map(|id| format!(" {id}")).unwrap_or_default();
            not_found(format!("there is no backup{which} of {} at {from} to drill{broken}", self.asset.name))
                .hint(format!("`lastgood list {}` shows what there is", self.asset.name))
        })?;
        if !backup.artifacts.is_empty() {
            // Before the drill's own time begins: a recall may take longer than a drill.
            recall::ready(self.env, &self.env.vault_at(&from).await?, backup, Haste::default()).await?;
        }
        let now = self.env.clock.now();
        let age = newest.then(|| since(now, backup.data_time));
        let open = OpenDrill { from, ..self.opened(&run, backup, age, now) };
        tracing::info!(asset = %self.asset.name, backup = %backup.id, from = %open.from, "opening a drill");
        lease.change(|run| run.drill = Some(open)).await?;
        if let Err(error) = self.env.vault.confirm_kept(&self.asset.name, backup.id).await {
            lease.change(|run| run.drill = None).await?;
            return Err(error);
        }
        Ok(())
    }

    /// A drill as it begins: of a backup, with the age of the newest data that could be restored if it is of those.
    fn opened(&self, run: &Run, backup: &Manifest, age: Option<Duration>, now: Timestamp) -> OpenDrill {
        let moment = backup.held.as_ref().filter(|_| backup.method == Method::PointInTime);
        OpenDrill {
            drill: Drill::Restoring { replica: ReplicaName::derive(&self.asset.name, &run.slot) },
            backup: backup.id,
            from: moment.map_or_else(|| self.env.config.vault.clone(), |held| held.place.clone()),
            point_in_time: moment.map(|_| Box::new(backup.clone())),
            restore_test: None,
            age_seconds: age.map(|age| age.as_secs()),
            opened_at: now,
            deadline: after(now, self.policy.timeout.duration()),
            restoring_since: None,
            validated_at: None,
            checks: Vec::new(),
            reason: None,
            tools: std::collections::BTreeMap::new(),
        }
    }

    async fn go_on(&self, lease: &Lease, replicas: &Arc<dyn Replicas>) -> Result<Advanced> {
        advance(self.env, self.asset, self.policy, lease, &**replicas).await
    }

    /// Links, then keeps: what exists is either signed or says why it is not.
    async fn finish(&self, lease: Lease, evidence: Evidence, swept: usize) -> Result<Drilled> {
        lease.confirm().await?;
        let (evidence, link) = attest::attest(self.env, self.asset, evidence).await;
        evidence.keep(&self.env.vault, link.as_ref()).await?;
        lease.done().await?;
        if let Some(link) = &link {
            let number = link.statement.predicate.chain.number;
            tracing::info!(asset = %self.asset.name, drill = %evidence.drill, number, head = %link.sha256, "its evidence is signed and linked");
        }
        tracing::info!(asset = %self.asset.name, drill = %evidence.drill, verdict = %evidence.verdict, "a drill is finished");
        Ok(Drilled { head: link.map(|link| link.sha256), ..Drilled::of(&evidence, swept) })
    }

    async fn put_down(&self, lease: Lease, reason: String) -> Result<Outcome<Drilled>> {
        lease.put_down(&reason).await?;
        Ok(Outcome::Waiting { reason })
    }

    /// A drill that cannot go on now stays open, with its replica named, until an invocation sees the replica gone.
    async fn keep_open(&self, lease: Lease, error: Error) -> Result<Outcome<Drilled>> {
        let replica = lease.run().await.drill.and_then(|open| open.drill.replica().cloned());
        let error = match replica {
            Some(replica) => error.during(format!("replica {replica}")),
            None => error,
        };
        match lease.put_down(&error.full()).await {
            // Whoever took it over carries on.
            Err(lost) if lost.kind() == lastgood_core::error::Kind::Busy => Err(lost),
            Err(_) | Ok(()) => Err(error),
        }
    }

    async fn told(&self, run: &Run, swept: usize) -> Result<Outcome<Drilled>> {
        let kept = self.env.vault.load::<Evidence>(&Key::Drill(self.asset.name.clone(), run.id)).await?;
        let evidence = kept.ok_or_else(|| not_found(format!("the evidence of drill {} is gone", run.id)))?;
        Ok(Outcome::Done(Drilled::of(&evidence.record, swept)))
    }
}
