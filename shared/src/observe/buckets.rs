//! How the buckets are kept that backups and objects lie in, as their stores say.

use crate::{
    config::{Asset, Copies, Source},
    domain::{
        finding::{Finding, FindingKind, Severity},
        freshness::vault,
        place::Place,
        posture::BucketPosture,
    },
    env::Env,
    error::Result,
};
use std::collections::BTreeSet;

/// Looks at the vault and at every vault that copies go to, and returns what is wrong with how they are kept.
pub async fn vaults(env: &Env) -> Vec<Finding> {
    let copies = env.config.assets.values().flat_map(|asset| &asset.policy.copies);
    let elsewhere = copies.filter_map(|copy| match copy {
        Copies::Vault { vault } => Some(vault),
        Copies::Region { .. } => None,
    });
    let places: BTreeSet<&Place> = elsewhere.chain([&env.config.vault]).collect();
    let mut findings = Vec::new();
    for place in places {
        match look(env, place).await {
            Ok(None) => {}
            Ok(Some(posture)) => findings.extend(vault(&env.config, place, &posture)),
            Err(error) => findings.push(unseen(env, place, &error.full())),
        }
    }
    findings
}

/// Looks at the bucket that an asset is; none where it is none. What does not answer is told in `blind`.
pub async fn posture_of_bucket(env: &Env, asset: &Asset, blind: &mut Vec<(String, String)>) -> Option<BucketPosture> {
    let Source::Bucket { url, .. } = &asset.source else { return None };
    let posture = match env.providers.bucket(url).await {
        Ok(bucket) => bucket.posture().await,
        // What this build cannot open at all is told as unprotected already.
        Err(_) => return None,
    };
    let posture = posture.inspect_err(|error| blind.push((format!("how {url} is kept"), error.full()))).ok().flatten()?;
    blind.extend(posture.unseen.iter().map(|(what, why)| (format!("{what} of {url}"), why.clone())));
    Some(posture)
}

async fn look(env: &Env, place: &Place) -> Result<Option<BucketPosture>> {
    env.vault_at(place).await?.bucket().posture().await
}

fn unseen(env: &Env, place: &Place, why: &str) -> Finding {
    let sentence = format!("how {place} is kept could not be looked at: {why}");
    Finding::new(FindingKind::CouldNotObserve, Severity::Warning, sentence, "lastgood doctor").linked(&env.config.runbook)
}
