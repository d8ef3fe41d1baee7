//! Signs the evidence of a drill, where the config asks for it. What stands in the way never fails the drill: the evidence is
//! kept all the same and says that, and why, nobody signed it.

use lastgood_core::{
    catalog::evidence::{Evidence, Link},
    config::Asset,
    domain::backup::{Manifest, Method},
    env::Env,
    error::{During, Result},
};

/// Returns the evidence as it is to be kept, and the link that signs it.
pub async fn attest(env: &Env, asset: &Asset, evidence: Evidence) -> (Evidence, Option<Link>) {
    match linked(env, asset, &evidence).await {
        Ok(link) => (evidence, link),
        Err(error) => {
            let why = lastgood_core::redact::text(&error.full());
            tracing::warn!(asset = %asset.name, drill = %evidence.drill, "the evidence is kept unsigned: {why}");
            (Evidence { unsigned: Some(why), ..evidence }, None)
        }
    }
}

async fn linked(env: &Env, asset: &Asset, evidence: &Evidence) -> Result<Option<Link>> {
    let Some(key) = env.evidence_key().await? else { return Ok(None) };
    let backup = stored(env, asset, evidence).await;
    evidence.link(&env.vault, &key, &env.config.evidence, backup.as_ref()).await.during("linking the evidence").map(Some)
}

/// The manifest of what was restored, for the digests of its stored bytes: a snapshot has none, and neither has a moment. One
/// that cannot be read any more takes nothing from the signature but those.
async fn stored(env: &Env, asset: &Asset, evidence: &Evidence) -> Option<Manifest> {
    let drilled = evidence.backup.as_ref().filter(|backup| backup.method != Method::PointInTime && !backup.from.holds_snapshots())?;
    env.vault_at(&drilled.from).await.ok()?.backup(&asset.name, drilled.id).await.ok()?
}
