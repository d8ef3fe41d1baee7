//! Extracts for analysts: the provider writes a snapshot's tables as files. They are recorded apart from backups, and count as none.
//!
//! The provider works for hours and knows its tasks by name, and the name is derived from asset and slot: so each wake-up
//! looks, begins what is not there, and records what is complete. Nothing else has to be remembered.

use crate::ExportToBucket;
use lastgood_core::{
    backup::BackupReport,
    catalog::{Extract, Key},
    config::{AnalyticsPolicy, Asset},
    domain::held::{Held, SnapshotName},
    env::Env,
    error::{Kind, Result, failed, invalid, retry},
    function::{Entry, Function, Outcome, Report},
    id::{AssetName, BackupId, Slot},
    ports::ExtractState,
};

/// Sees to the extracts of every asset that has a policy for them, or of one.
pub async fn run(env: &Env, asset: Option<&AssetName>) -> Result<BackupReport> {
    let started_at = env.clock.now();
    let mut entries = Vec::new();
    for selected in env.config.selected(asset)? {
        let outcome = match &selected.policy.analytics {
            Some(policy) => one(env, selected, policy).await.unwrap_or_else(|error| Outcome::from_error(&error)),
            None if asset.is_some() => Outcome::from_error(
                &invalid(format!("{} has no `analytics` in the config", selected.name)).hint("docs/config.md says how it is written"),
            ),
            None => continue,
        };
        entries.push(Entry { asset: selected.name.clone(), outcome });
    }
    let report = Report::of(ExportToBucket::NAME, started_at, env.clock.now(), Vec::new());
    Ok(BackupReport::new(report, &env.config.runbook).with_analytics(entries))
}

async fn one(env: &Env, asset: &Asset, policy: &AnalyticsPolicy) -> Result<Outcome<Extract>> {
    let not_due = || Outcome::NotDue { next: policy.schedule.next(env.clock.now()) };
    let Some(slot) = policy.schedule.last(env.clock.now()).map(Slot::at) else { return Ok(not_due()) };
    let id = BackupId::derive("analytics", &asset.name, &slot);
    let key = Key::Extract(asset.name.clone(), id);
    if env.vault.load::<Extract>(&key).await?.is_some() {
        return Ok(not_due());
    }
    let extracts = env.providers.extracts(asset).await?;
    // RDS takes 60 characters for a task, which a snapshot's name may exceed.
    let name = SnapshotName(format!("lastgood-{id}").to_ascii_lowercase());
    let Some(seen) = extracts.extract(&name).await? else {
        let newest = newest(env, asset).await?;
        extracts.begin_extract(&name, &newest, policy).await?;
        tracing::info!(asset = %asset.name, extract = %name, snapshot = %newest.name, "an extract for analysts was begun");
        return Ok(Outcome::Waiting { reason: format!("extract {name} was begun") });
    };
    match seen.state {
        ExtractState::Pending { percent } => {
            let far = percent.map_or_else(String::new, |percent| format!(" ({percent} %)"));
            Ok(Outcome::Waiting { reason: format!("extract {name} is being written{far}") })
        }
        ExtractState::Failed(why) => {
            Err(failed(format!("extract {name} failed: {why}")).hint("the next one is begun when it is due; backups are not concerned"))
        }
        ExtractState::Complete { bytes } => {
            let extract = Extract::new(id, asset.name.clone(), slot, seen.of, policy.to.clone(), env.clock.now(), bytes);
            match env.vault.create(&key, &extract).await {
                // Another wake-up saw it first.
                Err(error) if error.kind() == Kind::Conflict => Ok(not_due()),
                Err(error) => Err(error),
                Ok(_) => Ok(Outcome::Done(extract)),
            }
        }
    }
}

/// The newest snapshot that the asset's own region holds.
async fn newest(env: &Env, asset: &Asset) -> Result<Held> {
    let backups = env.vault.backups(&asset.name).await?.good;
    let held = backups.into_iter().filter_map(|backup| backup.held).find(|held| Some(&held.place) == asset.source.home());
    held.ok_or_else(|| retry(format!("there is no snapshot of {} to extract from yet", asset.name)).hint("`lastgood snapshot` takes one"))
}
