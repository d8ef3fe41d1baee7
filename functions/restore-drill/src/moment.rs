//! Which moment a drill restores, where its policy asks for one: so long before the drill, and never later than the
//! provider's own continuous backups reach.

use lastgood_core::{
    clock::{Timestamp, before},
    config::Asset,
    domain::{backup::Manifest, span::Span},
    env::Env,
    error::{During, Result, invalid, unsupported},
};

/// What was chosen.
#[derive(Debug)]
pub struct Moment {
    /// The moment, as a restore is handed it.
    pub backup: Manifest,
    /// The latest that could have been.
    pub reaches_to: Timestamp,
}

/// Looks how far the continuous backups of an asset reach, and chooses the moment. What cannot be restored proves nothing
/// and condemns nothing.
pub async fn moment(env: &Env, asset: &Asset, ago: Span) -> Result<Moment> {
    let home = asset.source.home().ok_or_else(|| {
        unsupported(format!("{} is of kind {}, whose moments nobody can bring back", asset.name, asset.source.kind()))
            .hint("leave `drill.point_in_time` out")
    })?;
    let look = async { env.providers.snapshots(asset, home).await?.continuous().await };
    let continuous = look.await.during(format!("looking how far the continuous backups of {} reach", asset.name))?;
    let continuous = continuous.ok_or_else(|| {
        invalid(format!("{home} keeps no continuous backups of {}, or has none to offer yet", asset.name)).hint(
            "switch on what keeps them (RDS: a backup retention of a day at least; Cloud SQL: point-in-time recovery), or leave \
                 `drill.point_in_time` out to drill snapshots",
        )
    })?;
    let wanted = before(env.clock.now(), ago.duration());
    let at = continuous.window.clip(wanted).ok_or_else(|| {
        invalid(format!("the continuous backups of {} reach {}, and {wanted} lies before that", asset.name, continuous.window))
            .hint("give `drill.point_in_time` less than the backup retention; a new database needs some hours")
    })?;
    Ok(Moment { backup: continuous.at(&asset.name, at), reaches_to: continuous.window.to })
}
