//! How the buckets are kept that backups and objects lie in, as their stores say.

use crate::{
    catalog::RECORD_LIMIT,
    config::{Asset, Copies, Source},
    domain::{
        finding::{Finding, FindingKind, Severity},
        freshness::vault,
        place::Place,
        posture::{BucketPosture, Encryption, Space},
    },
    env::Env,
    error::{Error, Kind, Result},
};
use std::collections::BTreeSet;

/// Looks at the vault and at every vault that copies go to, and returns what is wrong with how they are kept.
pub async fn vaults(env: &Env) -> Vec<Finding> {
    let copies = env.config.assets.values().flat_map(|asset| &asset.policy.copies);
    let elsewhere = copies.filter_map(|copy| match copy {
        Copies::Vault { vault, .. } => Some(vault),
        Copies::Region { .. } => None,
    });
    let places: BTreeSet<&Place> = elsewhere.chain([&env.config.vault]).collect();
    let mut findings = Vec::new();
    for place in places {
        match look(env, place).await {
            Ok(None) => {}
            Ok(Some(posture)) => {
                findings.extend(vault(&env.config, place, &posture));
                // The vault's own records are read by every check; of a copy's nothing else is.
                if *place != env.config.vault && matches!(posture.encryption, Some(Encryption::Key(_))) {
                    findings.extend(opened(env, place).await.err().map(|error| locked(env, place, &error)));
                }
            }
            Err(error) => findings.push(unseen(env, place, &error.full())),
        }
    }
    findings
}

/// Looks at how much room there is in the vault and at every place that copies go to. A place that does not answer is told by
/// whoever lists it.
pub async fn spaces(env: &Env) -> Vec<(Place, Space)> {
    let copies = env.config.assets.values().flat_map(|asset| &asset.policy.copies).map(Copies::place);
    let places: BTreeSet<&Place> = copies.chain([&env.config.vault]).filter(|place| !place.holds_snapshots()).collect();
    let mut spaces = Vec::new();
    for place in places {
        if let Ok(vault) = env.vault_at(place).await
            && let Ok(Some(space)) = vault.bucket().space().await
        {
            spaces.push((place.clone(), space));
        }
    }
    spaces
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

/// Reads one record of a vault that a key of its own encrypts, as a restore from there would: what cannot be opened now
/// cannot be opened then.
async fn opened(env: &Env, place: &Place) -> Result<()> {
    let bucket = env.vault_at(place).await?.bucket().clone();
    let page = bucket.list("catalog/", None).await?;
    if let Some(record) = page.objects.iter().find(|object| object.size <= RECORD_LIMIT) {
        bucket.get(&record.key, RECORD_LIMIT).await?;
    }
    Ok(())
}

fn locked(env: &Env, place: &Place, error: &Error) -> Finding {
    let why = error.full();
    let of_the_key = error.kind() == Kind::Denied && (why.contains("KMS") || why.contains("kms:"));
    let kind = if of_the_key { FindingKind::KeyUnusable } else { FindingKind::CouldNotObserve };
    let sentence = format!("nothing of {place} can be read back: {why}");
    Finding::new(kind, Severity::Critical, sentence, "lastgood doctor").linked(&env.config.runbook)
}

fn unseen(env: &Env, place: &Place, why: &str) -> Finding {
    let sentence = format!("{place} could not be looked at, nor how it is kept: {why}");
    Finding::new(FindingKind::CouldNotObserve, Severity::Warning, sentence, "lastgood doctor").linked(&env.config.runbook)
}
