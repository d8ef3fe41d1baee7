//! `lastgood list`: the backups of an asset, newest first, with what is known of each.

use crate::output::{
    Form, say, say_json,
    table::{Tone, age, ago, bytes, moment, table, text, toned},
};
use lastgood_core::{
    catalog::{Copy, Key, Vault, Verification, evidence::Evidence},
    clock::{Timestamp, since},
    config::{Asset, Copies},
    domain::{
        backup::{Form as BackupForm, Manifest, Tier},
        drill::Verdict,
    },
    env::Env,
    error::Result,
    function::Exit,
    id::{AssetName, BackupId},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One backup as `list --json` tells it. Fields are only ever added.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: BackupId,
    /// Export or snapshot.
    pub form: BackupForm,
    /// The tier it was taken as.
    pub tier: Tier,
    /// The moment whose data it holds.
    pub data_time: Timestamp,
    /// Its bytes in the vault.
    pub stored_bytes: u64,
    /// Its main artifact, below the vault.
    pub artifact: String,
    /// What the last reading-back found; none if it was not read since it was made.
    pub verified: Option<Seen>,
    /// Places that are proven to hold it, of those that the policy asks for.
    pub copies: Vec<String>,
    /// What the last drill of it came to.
    pub drilled: Option<Drilled>,
}

/// What a reading-back found.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Whether every byte was as recorded.
    pub ok: bool,
}

/// What a drill came to.
#[derive(Debug, Serialize)]
pub struct Drilled {
    /// When it ended.
    pub at: Timestamp,
    /// Its verdict.
    pub verdict: Verdict,
}

/// Lists the backups of an asset.
pub async fn list(env: &Env, asset: &AssetName, form: Form) -> Result<Exit> {
    let asset = env.config.asset(asset)?;
    let (backups, unreadable) = gather(&env.vault, asset).await?;
    for (key, error) in &unreadable {
        crate::output::remark(&format!("warning: {key} is not counted: {}", error.full()));
    }
    match form {
        Form::Programs => say_json(&backups)?,
        Form::People if backups.is_empty() => {
            say(&format!("{} has no backup yet: `lastgood export {}` makes one", asset.name, asset.name))?;
        }
        Form::People => say(&people(&backups, asset, env.clock.now()))?,
    }
    Ok(if !unreadable.is_empty() {
        Exit::Failed
    } else if backups.is_empty() {
        Exit::Stale
    } else {
        Exit::Good
    })
}

async fn gather(vault: &Vault, asset: &Asset) -> Result<(Vec<Listed>, Vec<(String, lastgood_core::error::Error)>)> {
    let name = &asset.name;
    let mut manifests = vault.backups(name).await?;
    manifests.good.sort_by_key(|manifest| std::cmp::Reverse(manifest.data_time));
    let verified = vault.all::<Verification>(&Key::verifications(name)).await?;
    let copied = vault.all::<Copy>(&Key::copies(name)).await?;
    let drills = vault.all::<Evidence>(&Key::drills(name)).await?;
    let verified: BTreeMap<_, _> = verified.good.into_iter().map(|seen| (seen.backup, seen)).collect();
    let mut places: BTreeMap<BackupId, BTreeSet<String>> = BTreeMap::new();
    for copy in copied.good {
        places.entry(copy.backup).or_default().insert(copy.place.to_string());
    }
    let mut drilled = BTreeMap::new();
    for drill in drills.good {
        if let Some(backup) = drill.backup {
            drilled.entry(backup.id).or_insert(Drilled { at: drill.finished_at, verdict: drill.verdict });
        }
    }
    let tell = |manifest: &Manifest| Listed {
        id: manifest.id,
        form: manifest.form(),
        tier: manifest.tier,
        data_time: manifest.data_time,
        stored_bytes: manifest.stored_bytes(),
        artifact: manifest.main().map(|artifact| artifact.key.clone()).unwrap_or_default(),
        verified: verified.get(&manifest.id).map(|seen| Seen { at: seen.verified_at, ok: seen.is_sound() }),
        copies: places.get(&manifest.id).map(|places| places.iter().cloned().collect()).unwrap_or_default(),
        drilled: drilled.remove(&manifest.id),
    };
    let backups = manifests.good.iter().map(tell).collect();
    Ok((backups, manifests.unreadable))
}

fn people(backups: &[Listed], asset: &Asset, now: Timestamp) -> String {
    let asked = asset.policy.copies.iter().filter(|copy| matches!(copy, Copies::Vault { .. })).count();
    let mut listing = table(&["ID", "FORM", "TIER", "DATA TIME", "AGE", "SIZE", "READ BACK", "COPIES", "DRILLED"]);
    for backup in backups {
        let read = match &backup.verified {
            Some(Seen { ok: true, at }) => toned(&ago(now, *at), Tone::Good),
            Some(Seen { ok: false, .. }) => toned("CORRUPT", Tone::Bad),
            None => toned("when made", Tone::Dim),
        };
        let drilled = match &backup.drilled {
            Some(Drilled { verdict: Verdict::Proven, at }) => toned(&format!("proven {}", ago(now, *at)), Tone::Good),
            Some(Drilled { verdict: Verdict::Failed, .. }) => toned("failed", Tone::Bad),
            Some(Drilled { verdict: Verdict::CouldNotVerify, .. }) => toned("could not verify", Tone::Warning),
            None => toned("–", Tone::Dim),
        };
        listing.add_row(vec![
            backup.id.to_string().into(),
            match backup.form {
                BackupForm::Export => "export".into(),
                BackupForm::Snapshot => "snapshot".into(),
            },
            backup.tier.as_str().into(),
            moment(backup.data_time).into(),
            age(since(now, backup.data_time).as_secs()).into(),
            bytes(backup.stored_bytes).into(),
            read,
            format!("{}/{asked}", backup.copies.len()).into(),
            drilled,
        ]);
    }
    text(&listing)
}
