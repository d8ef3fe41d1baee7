//! Restores a backup for real: into a new database or a new folder, never over what is there.
//!
//! The plan is the default; the deed needs a hand that says `--apply`, which no event has. Every stored byte is read before
//! the target is touched, a failed restore takes itself back, a killed one is started again from zero by the next.

mod point;
mod report;

pub use point::{Chosen, Reach, choose};
pub use report::{RestoreReport, Restored};

use lastgood_core::{
    catalog::{
        Vault,
        lease::{self, Claimed, Lease},
    },
    clock::since,
    config::{Asset, Copies},
    domain::{
        archive::Haste,
        backup::{Manifest, Method},
        compare::{compare, verdict},
        drill::Verdict,
        place::Place,
    },
    env::Env,
    error::{During, Kind, Result, invalid, not_found},
    function::{Entry, Function, Outcome, Report},
    id::{AssetName, BackupId, Slot},
    observe::backups_at,
    ports::{Confirmation, RestoreTarget, Target},
    recall,
};
use serde::Deserialize;

/// Restores one asset.
#[derive(Debug, Clone, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
#[command(group = clap::ArgGroup::new("point").required(true).multiple(false))]
pub struct Restore {
    /// The asset.
    pub asset: AssetName,
    /// This backup.
    #[arg(long, value_name = "ID", group = "point")]
    #[serde(default)]
    pub backup: Option<BackupId>,
    /// This very moment where the provider's own continuous backups reach it (`--into rds:NAME`), else the newest backup
    /// whose data is not newer (RFC 3339 with offset).
    #[arg(long, value_name = "TIME", group = "point")]
    #[serde(default)]
    pub at: Option<String>,
    /// The newest backup.
    #[arg(long, group = "point")]
    #[serde(default)]
    pub latest: bool,
    /// Where to: `env:NAME` or `file:PATH` with the URL of a new database, that URL without a password,
    /// `file:///new/folder`, `rds:NAME` of a new instance, `ebs:ZONE` for new volumes, or `secrets:PLACE` for secrets.
    #[arg(long, value_name = "TARGET")]
    pub into: Target,
    /// Reads the backup from this copy instead of the vault.
    #[arg(long, value_name = "VAULT")]
    #[serde(default)]
    pub from: Option<Place>,
    /// How fast a backup is brought back that lies in an archive: minutes, hours, or whenever it costs least.
    #[arg(long, value_name = "HASTE", value_enum, default_value_t)]
    #[serde(default)]
    pub recall: Haste,
    /// Does it; without this only the plan is shown. An event cannot say it.
    #[arg(long)]
    #[serde(skip)]
    pub apply: bool,
    /// Confirms a target that looks like the source: type the target database's name. An event cannot say it.
    #[arg(long, value_name = "NAME")]
    #[serde(skip)]
    pub confirm: Option<String>,
}

impl Function for Restore {
    const NAME: &'static str = "restore";
    type Report = RestoreReport;

    async fn run(self, env: &Env) -> Result<RestoreReport> {
        let started_at = env.clock.now();
        let asset = self.asset.clone();
        // What cannot even be asked for is an error of its own: there is only one asset here.
        let outcome = match self.work(env).await {
            Ok(restored) => Outcome::Done(restored),
            // What it waits for goes on without us.
            Err(error) if error.kind() == Kind::OutOfTime => Outcome::from_error(&error),
            Err(error) => return Err(error),
        };
        let entries = vec![Entry { asset, outcome }];
        Ok(RestoreReport::new(Report::of(Self::NAME, started_at, env.clock.now(), entries), &env.config.runbook))
    }
}

impl Restore {
    async fn work(self, env: &Env) -> Result<Restored> {
        let asset = env.config.asset(&self.asset)?;
        let from = self.from.clone().unwrap_or_else(|| env.config.vault.clone());
        known(env, &from)?;
        let target = env.providers.target(asset, &self.into, Confirmation(self.confirm.clone())).await?;
        // The records of what a provider holds stand in the main vault.
        let vault = if from.holds_snapshots() { env.vault.clone() } else { env.vault_at(&from).await? };
        let found = backups_at(env, asset, &from).await.during(format!("listing the backups at {from}"))?;
        let fit: Vec<Manifest> = found.good.into_iter().filter(|backup| backup.form() == target.form()).collect();
        let reach = self.reach(env, asset, &from).await?;
        let Chosen { backup, why } = choose(&fit, &reach, &self, env.clock.now())
            .map_err(|error| if found.unreadable.is_empty() { error } else { unreadable(&error, &found.unreadable) })?;
        let backup = &backup;
        let mut steps = target.plan(backup).await.during(format!("planning a restore of {}", self.asset))?;
        let lies_here = backup.held.is_none() && !is_moment(backup);
        let recall = if lies_here { recall::needed(&vault, backup, self.recall).await? } else { None };
        steps.splice(0..0, recall);
        let mut restored = Restored {
            backup: backup.id,
            method: backup.method,
            from: backup.held.as_ref().filter(|_| is_moment(backup)).map_or(from, |held| held.place.clone()),
            data_time: backup.data_time,
            why,
            target: target.address(),
            applied: self.apply,
            steps,
            verdict: None,
            checks: Vec::new(),
            seconds: None,
            next: Vec::new(),
            tools: backup.tools.clone(),
        };
        if !self.apply {
            restored.next = vec![format!("add --apply to do it; the data will be that of {}", backup.data_time)];
            return Ok(restored);
        }
        let began = env.clock.now();
        tracing::info!(asset = %self.asset, backup = %backup.id, target = restored.target, "restoring for real");
        let lease = held(env, &self.asset).await;
        let kept = if is_moment(backup) { Ok(()) } else { env.vault.confirm_kept(&self.asset, backup.id).await };
        let done = match kept {
            Ok(()) => self.apply(env, &*target, backup, &vault, &mut restored).await,
            Err(error) => Err(error),
        };
        // The deed is what counts: where nothing can be noted any more, the lease simply runs out.
        if let Some(lease) = lease {
            let _ = match &done {
                Ok(()) => lease.done().await,
                Err(error) => lease.fail(error).await.map(|_| ()),
            };
        }
        done?;
        restored.seconds = Some(since(env.clock.now(), began).as_secs_f64());
        restored.next = target.next_steps(backup);
        if restored.verdict == Some(Verdict::Failed) {
            restored.next.insert(0, "do not switch over: what was restored is not what was recorded; see the checks".to_owned());
        }
        Ok(restored)
    }

    /// What the provider's own continuous backups have to offer, where a moment is to be restored at their home.
    async fn reach(&self, env: &Env, asset: &Asset, from: &Place) -> Result<Reach> {
        let Some(home) =
            asset.source.home().filter(|_| self.at.is_some() && matches!(self.into, Target::Instance(_) | Target::SqlInstance(_)))
        else {
            return Ok(Reach::NoMatter);
        };
        if from.holds_snapshots() && from != home {
            return Ok(Reach::Nothing(format!("the provider's own continuous backups are at {home} only")));
        }
        let look = async { env.providers.snapshots(asset, home).await?.continuous().await };
        match look.await {
            Ok(Some(continuous)) => Ok(Reach::Window(Box::new(continuous))),
            Ok(None) => Ok(Reach::Nothing(format!("{home} keeps no continuous backups of it, or has none to offer yet"))),
            Err(error) if error.kind() == Kind::NotFound => {
                Ok(Reach::Nothing(format!("its continuous backups are out of reach: {}", error.full())))
            }
            Err(error) => {
                let hint = error.advice().map(|advice| format!("{advice}; ")).unwrap_or_default();
                Err(error
                    .during(format!("looking how far the continuous backups of {} reach", self.asset))
                    .hint(format!("{hint}--backup ID restores a snapshot without them, with --from where {home} is lost")))
            }
        }
    }

    async fn apply(&self, env: &Env, target: &dyn RestoreTarget, backup: &Manifest, vault: &Vault, restored: &mut Restored) -> Result<()> {
        if !backup.artifacts.is_empty() {
            recall::ready(env, vault, backup, self.recall).await?;
        }
        restored.tools = target.restore(backup, vault).await.during(format!("restoring backup {} of {}", backup.id, self.asset))?;
        if let Some(measured) = target.measure(backup).await.during("comparing the restored data with what was recorded")? {
            restored.checks = compare(&backup.expectations, &measured, backup.form());
            restored.verdict = Some(verdict(&restored.checks));
        }
        let set_up = target.set_up(backup).await.during("comparing how it is set up with how the source was")?;
        if !set_up.is_empty() {
            restored.checks.extend(set_up);
            restored.verdict = Some(verdict(&restored.checks));
        }
        Ok(())
    }
}

/// Whether it is a moment of the provider's own continuous backups, of which nothing of ours is kept.
fn is_moment(backup: &Manifest) -> bool {
    backup.method == Method::PointInTime
}

/// Notes that backups of the asset are being read, so that none is let go meanwhile. After a disaster the vault may take no
/// more notes: that does not keep anybody from restoring.
async fn held(env: &Env, asset: &AssetName) -> Option<Lease> {
    let claimed = async {
        lease::sweep(env, Restore::NAME, asset, None).await?;
        lease::claim(env, Restore::NAME, asset, Slot::at(env.clock.now()), None).await
    };
    match claimed.await {
        Ok(Claimed::Lease(lease)) => Some(lease),
        // A restore that was begun in this very second holds them for both; the targets keep the two apart.
        Ok(Claimed::Held { .. } | Claimed::Done(_)) => None,
        Err(error) => {
            tracing::warn!(%asset, error = error.full(), "restoring without a note in the vault");
            None
        }
    }
}

/// A copy is one that the config names.
fn known(env: &Env, place: &Place) -> Result<()> {
    let mut named = env.config.policies().flat_map(|policy| &policy.copies).map(Copies::place);
    if *place == env.config.vault || named.any(|named| named == place) {
        return Ok(());
    }
    Err(invalid(format!("{place} is no place that the config names")).hint("name it under `copies` first"))
}

fn unreadable(error: &lastgood_core::error::Error, broken: &[(String, lastgood_core::error::Error)]) -> lastgood_core::error::Error {
    let broken: Vec<_> = broken.iter().map(|(key, error)| format!("{key}: {}", error.full())).collect();
    let hint = error.advice().map(str::to_owned).unwrap_or_default();
    not_found(format!("{}; and some records cannot be read: {}", error.full(), broken.join("; "))).hint(hint)
}
