//! `lastgood evidence`: what auditors ask for. Lists, verifies and hands out the signed evidence of drills, and makes keys.

mod export;
mod keygen;
mod list;
mod verify;

use crate::{
    command::{EvidenceCommand, VerifyEvidence},
    output::{Form, progress},
};
use lastgood_core::{
    catalog::{Key, Vault, evidence::PublicKey},
    env::Env,
    error::{Result, invalid, not_found},
    function::Exit,
    host::{Fleets, World, holder},
    id::AssetName,
    providers::open_bucket,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Does what was asked for.
pub async fn evidence(command: EvidenceCommand, config: &str, form: Form) -> Result<Exit> {
    match command {
        EvidenceCommand::Keygen { out } => keygen::keygen(&out, form),
        // An exported folder is all that an auditor has: no config, no account.
        EvidenceCommand::Verify(ask) if ask.from.is_some() => {
            let vault = folder(ask.from.as_deref().unwrap_or(Path::new(".")))?;
            let assets = exported(&vault, ask.asset.as_ref()).await?;
            verify::verify(&vault, &assets, &keys(None, &ask.key)?, &ask, form).await
        }
        EvidenceCommand::Verify(ask) => {
            with_config(config, async |env| {
                let known = keys(Some(env), &ask.key)?;
                verify::verify(&env.vault, &assets(env, ask.asset.as_ref()), &known, &ask, form).await
            })
            .await
        }
        EvidenceCommand::List { asset } => with_config(config, async |env| list::list(env, &assets(env, asset.as_ref()), form).await).await,
        EvidenceCommand::Export(ask) => with_config(config, async |env| export::export(env, &ask, form).await).await,
    }
}

async fn with_config(config: &str, work: impl AsyncFnOnce(&Env) -> Result<Exit>) -> Result<Exit> {
    let world = World::open(config, None, holder(), None, progress::shown(), Fleets::Look).await?;
    work(world.env()).await
}

/// The named asset, whether or not the config still names it, or all of the config's.
fn assets(env: &Env, named: Option<&AssetName>) -> Vec<AssetName> {
    named.map_or_else(|| env.config.assets.keys().cloned().collect(), |name| vec![name.clone()])
}

/// The keys that are believed: those that were given, else the config's.
fn keys(env: Option<&Env>, given: &[PathBuf]) -> Result<Vec<PublicKey>> {
    let keys = match env {
        _ if !given.is_empty() => given.iter().map(|file| PublicKey::load(file)).collect::<Result<Vec<_>>>()?,
        Some(env) => PublicKey::load_all(&env.config.evidence.public_keys)?,
        None => Vec::new(),
    };
    if keys.is_empty() {
        return Err(invalid("no public key is given").hint("name the .pub files with --key, or under evidence.public_keys in the config"));
    }
    Ok(keys)
}

/// An exported folder, read as the vault that it was taken from.
fn folder(path: &Path) -> Result<Vault> {
    let path = std::path::absolute(path).map_err(lastgood_core::error::Error::from)?;
    if !path.is_dir() {
        return Err(not_found(format!("{} is no folder", path.display())).hint("name the one that `lastgood evidence export` wrote"));
    }
    Ok(Vault::new(open_bucket(&format!("file://{}", path.display()).parse()?)?))
}

async fn exported(vault: &Vault, named: Option<&AssetName>) -> Result<Vec<AssetName>> {
    if let Some(name) = named {
        return Ok(vec![name.clone()]);
    }
    let all = vault.bucket().list_all("catalog/v1/assets/").await?;
    let there: BTreeSet<AssetName> = all.iter().filter_map(|meta| meta.key.split('/').nth(3)?.parse().ok()).collect();
    Ok(there.into_iter().collect())
}

/// The first characters of a digest, for people.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// Everything that belongs to an asset's evidence.
async fn kept(vault: &Vault, asset: &AssetName) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for folder in [Key::evidence(asset), Key::drills(asset)] {
        keys.extend(vault.bucket().list_all(&folder).await?.into_iter().map(|meta| meta.key));
    }
    Ok(keys)
}

/// Reads nothing and says what a missing asset means.
fn nothing(ask: &VerifyEvidence) -> String {
    match &ask.asset {
        Some(asset) => format!("there is no evidence of {asset}"),
        None => "there is no evidence".to_owned(),
    }
}
