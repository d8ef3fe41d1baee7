//! Lets backups go that retention no longer needs: the plan first, written before anything happens, then one by one.
//!
//! Promises: it deletes exactly what a manifest named, never what is in use, and a killed prune is finished by the next.
//! Of each backup the tombstone is written first, so that it stops being a backup in one step; the manifest goes next and
//! the bytes last, so that no listed backup ever lacks bytes.

mod removal;
mod report;

pub use report::{LetGo, Pruned};

use crate::{
    catalog::{Key, Leaving, PlanRecord, PlanState, Tombstone, Vault, in_use},
    clock::Timestamp,
    config::{Asset, Retention},
    domain::{
        backup::Form,
        drill::Verdict,
        fleet::Standing,
        freshness::{Candidate, Objects, failed_in_a_row},
        place::Place,
        retention::{Held, Plan, Proof, Question, Soundness, clocks_disagree, plan},
    },
    env::Env,
    error::{During, Error, Kind, Result, busy, corrupt},
    id::{BackupId, Slot},
    observe::{Observation, observe},
};
use std::collections::{BTreeMap, BTreeSet};

/// How far a prune goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It shows what it would do.
    PlanOnly,
    /// It does it.
    Apply,
}

/// Lets go what the policy of an asset no longer needs, or shows what that would be. `approved` is the hash of a plan that
/// a person read and typed: it lifts the cap for exactly that plan.
pub async fn prune(env: &Env, asset: &Asset, mode: Mode, approved: Option<&str>) -> Result<Pruned> {
    prune_seen(env, asset, &observe(env, asset).await?, mode, approved).await
}

/// The same of an asset that was looked at already.
pub async fn prune_seen(env: &Env, asset: &Asset, observed: &Observation, mode: Mode, approved: Option<&str>) -> Result<Pruned> {
    let (mut question, held) = question(env, asset, observed, approved).await?;
    let mut report = Pruned::planned(decided(asset, &question, &held), mode);
    let unfinished: Vec<Tombstone> = observed.tombstones.iter().filter(|stone| stone.leaving == Leaving::Begun).cloned().collect();
    let new_policy = question.previous != Some(question.policy) && report.plan.refused.is_none();
    if mode == Mode::Apply && (!report.plan.allowed().is_empty() || !unfinished.is_empty() || new_policy) {
        let (key, store_now) = write_plan(env, &report.plan, approved.is_some()).await?;
        question.store_now = Some(store_now);
        report.plan = decided(asset, &question, &held);
        if !clocks_disagree(question.now, store_now) {
            finish(env, &unfinished, &mut report).await;
        }
        for judged in report.plan.allowed().to_vec() {
            let Some(backup) = observed.seen.backups.iter().find(|backup| backup.manifest.id == judged.id) else { continue };
            if let Err(error) = let_go(env, observed, backup, &judged.why, &mut report).await {
                report.failed.push((judged.id, error.full()));
            }
        }
        close_plan(env, &key, &report.plan).await?;
    }
    report.conclude(&observed.seen.blind, &env.config.runbook);
    Ok(report)
}

/// Says what a prune would do with what was seen, without doing it.
pub async fn planned(env: &Env, asset: &Asset, observed: &Observation) -> Result<Plan> {
    let (question, held) = question(env, asset, observed, None).await?;
    Ok(decided(asset, &question, &held))
}

/// The plan; of what left its fleet nothing goes before the config says that its leaving is meant.
fn decided(asset: &Asset, question: &Question, held: &[Held]) -> Plan {
    let decided = plan(question, held);
    let left = asset.member.as_ref().filter(|member| matches!(member.standing, Standing::Left { retired: false, .. } | Standing::Unknown));
    match left {
        Some(member) if decided.refused.is_none() && !decided.prune.is_empty() => {
            let id = asset.source.instance().unwrap_or_default();
            let why = match &member.standing {
                Standing::Unknown => format!("who belongs to fleet {} is not known: nothing of {id} goes meanwhile", member.fleet),
                Standing::Selected | Standing::Left { .. } => {
                    format!("{id} has left fleet {}: nothing of it goes before it is named under its `select.retired`", member.fleet)
                }
            };
            Plan { refused: Some(why), ..decided }
        }
        Some(_) | None => decided,
    }
}

async fn question(env: &Env, asset: &Asset, observed: &Observation, approved: Option<&str>) -> Result<(Question, Vec<Held>)> {
    let held = held(observed).map_err(|error| {
        let blind: Vec<_> = observed.seen.blind.iter().map(|(what, why)| format!("{what}: {why}")).collect();
        if blind.is_empty() { error } else { error.because(blind.join("; ")) }
    })?;
    let ids: Vec<BackupId> = held.iter().map(|backup| backup.id).collect();
    let question = Question {
        asset: asset.name.clone(),
        policy: asset.policy.retention,
        previous: previous_policy(&observed.records.vault, asset).await?,
        now: env.clock.now(),
        store_now: None,
        failed_runs: failed_runs(asset, observed),
        in_use: in_use(&observed.records.vault, &asset.name, &ids, env.clock.now()).await?,
        approved: approved.map(str::to_owned),
    };
    Ok((question, held))
}

/// The backups as retention sees them. Where the listing could not be had, nothing can be decided.
fn held(observed: &Observation) -> Result<Vec<Held>> {
    let proven = |id: BackupId| observed.seen.drills.iter().any(|drill| drill.backup == id && drill.verdict == Verdict::Proven);
    observed
        .seen
        .backups
        .iter()
        .map(|backup| {
            let id = backup.manifest.id;
            Ok(Held {
                id,
                form: backup.manifest.form(),
                data_time: backup.manifest.data_time,
                stored_at: observed.stored_at.get(&id).copied(),
                soundness: soundness(backup)?,
                proof: if proven(id) { Proof::Proven } else { Proof::Unproven },
            })
        })
        .collect()
}

fn soundness(backup: &Candidate) -> Result<Soundness> {
    let contradicted = backup.reading.as_ref().is_some_and(|reading| reading.contradiction.is_some());
    match backup.objects {
        Objects::Unknown => Err(corrupt("the listing of the vault could not be had, so nothing can be decided")),
        Objects::Whole if !contradicted => Ok(Soundness::Sound),
        Objects::Whole | Objects::Damaged(_) => Ok(Soundness::Unsound),
    }
}

fn failed_runs(asset: &Asset, observed: &Observation) -> usize {
    let asked = [(Form::Export, asset.policy.export.is_some()), (Form::Snapshot, asset.policy.snapshot.is_some())];
    let failed = |form| failed_in_a_row(&observed.seen, form).map_or(0, |(count, _)| count);
    asked.into_iter().filter(|(_, asked)| *asked).map(|(form, _)| failed(form)).max().unwrap_or(0)
}

/// The policy that the newest plan followed which was not refused.
async fn previous_policy(vault: &Vault, asset: &Asset) -> Result<Option<Retention>> {
    let mut plans = vault.bucket().list_all(&Key::plans(&asset.name)).await?;
    plans.retain(|meta| meta.key.ends_with(".json"));
    // Newest first, and no further than to the first that was followed: there is one for every time that something went.
    for meta in plans.iter().rev() {
        match vault.load_at::<PlanRecord>(&meta.key).await {
            Ok(Some(stored)) if !matches!(stored.record.state, PlanState::Refused { .. }) => return Ok(Some(stored.record.plan.policy)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::Invalid) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Writes the plan before anything is done, and returns what the store's clock said of that.
async fn write_plan(env: &Env, plan: &Plan, approved: bool) -> Result<(Key, Timestamp)> {
    let now = env.clock.now();
    let key = Key::Plan(plan.asset.clone(), BackupId::derive("prune", &plan.asset, &Slot::at(now)));
    let record = PlanRecord { planned_at: now, holder: env.holder.clone(), approved, state: PlanState::Begun, plan: plan.clone() };
    env.vault.create(&key, &record).await.map_err(|error| match error.kind() {
        Kind::Conflict => busy(format!("another prune of {} began in this very second", plan.asset)),
        _ => error.during("writing the plan"),
    })?;
    let written = env.vault.bucket().head(&key.to_string()).await?;
    let written = written.ok_or_else(|| Error::new(Kind::Retry, "the plan that was just written is not there"))?;
    Ok((key, written.modified))
}

/// Notes how the plan ended: what is refused after it was written was not carried out.
async fn close_plan(env: &Env, key: &Key, plan: &Plan) -> Result<()> {
    let Some(mut stored) = env.vault.load::<PlanRecord>(key).await? else { return Ok(()) };
    stored.record.state = match &plan.refused {
        Some(reason) => PlanState::Refused { reason: reason.clone() },
        None => PlanState::Done { at: env.clock.now() },
    };
    env.vault.save_if(key, &stored.record, &stored.version).await.map(|_| ()).during("closing the plan")
}

/// Lets one backup go.
async fn let_go(env: &Env, observed: &Observation, backup: &Candidate, why: &str, report: &mut Pruned) -> Result<()> {
    let manifest = &backup.manifest;
    removal::only_ours(manifest, observed)?;
    let stone = Tombstone::of(manifest, places(env, observed, backup)?, why, &report.plan.hash, env.clock.now());
    let key = Key::Tombstone(manifest.asset.clone(), manifest.id);
    match env.vault.create(&key, &stone).await {
        Ok(_) => {}
        Err(error) if error.kind() == Kind::Conflict => return Ok(()),
        Err(error) => return Err(error),
    }
    // Looked at again behind the tombstone: whoever began to use it in between is seen here, or sees the tombstone.
    let used: BTreeMap<_, _> = in_use(&env.vault, &manifest.asset, &[manifest.id], env.clock.now()).await?;
    if let Some(user) = used.get(&manifest.id) {
        env.vault.bucket().delete(&key.to_string()).await?;
        report.skipped.push((manifest.id, format!("in use by {user}")));
        return Ok(());
    }
    tracing::info!(asset = %manifest.asset, backup = %manifest.id, "letting a backup go: {why}");
    removal::remove(env, &stone).await?;
    report.let_go.push(LetGo { id: manifest.id, data_time: manifest.data_time, bytes: manifest.stored_bytes(), why: why.to_owned() });
    Ok(())
}

/// Every other place where something of a backup may lie: where it is proven to be, and where the policy wants it, since a
/// copy may have come half way.
fn places(env: &Env, observed: &Observation, backup: &Candidate) -> Result<Vec<Place>> {
    let manifest = &backup.manifest;
    let proven = observed.copies.iter().filter(|copy| copy.backup == manifest.id).map(|copy| copy.place.clone());
    let wanted = env.config.asset(&manifest.asset)?.policy.copies.iter().map(|copies| copies.place().clone());
    let wanted = wanted.filter(|place| manifest.belongs_at(place));
    let places: BTreeSet<Place> = proven.chain(wanted).filter(|place| place != env.vault.place()).collect();
    Ok(places.into_iter().collect())
}

/// Finishes what killed prunes began. It was decided then; here it is only carried out, once nobody uses it.
async fn finish(env: &Env, unfinished: &[Tombstone], report: &mut Pruned) {
    for stone in unfinished {
        match finish_one(env, stone).await {
            Ok(Finished::All) => report.finished.push(stone.backup),
            // The provider is at it: the next prune looks again.
            Ok(Finished::Leaving) => {}
            Ok(Finished::InUse(user)) => report.skipped.push((stone.backup, format!("in use by {user}"))),
            Err(error) => report.failed.push((stone.backup, error.full())),
        }
    }
}

/// How far a killed prune was finished.
enum Finished {
    All,
    Leaving,
    InUse(String),
}

async fn finish_one(env: &Env, stone: &Tombstone) -> Result<Finished> {
    let mut used = in_use(&env.vault, &stone.asset, &[stone.backup], env.clock.now()).await?;
    if let Some(user) = used.remove(&stone.backup) {
        return Ok(Finished::InUse(user));
    }
    Ok(match removal::remove(env, stone).await? {
        Leaving::Gone => Finished::All,
        Leaving::Begun => Finished::Leaving,
    })
}
