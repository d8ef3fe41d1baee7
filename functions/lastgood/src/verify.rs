//! `lastgood verify`: reads back every stored byte and compares it with the manifests.

use crate::{
    by_hand,
    command::Verify,
    output::{
        Form, say, say_json,
        table::{Tone, age, bytes, table, text, toned},
    },
    status::form_word,
};
use lastgood_core::{
    catalog::{Verification, verify_backup},
    clock::since,
    config::Asset,
    domain::{backup::Manifest, drill::Verdict, span::human},
    env::Env,
    error::Result,
    function::Exit,
    id::{AssetName, BackupId},
    redact,
};
use restore_drill::Drilled;
use serde::Serialize;
use std::{collections::BTreeSet, time::Duration};

/// What reading back one asset found, as `verify --json` tells it.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// The asset.
    pub asset: AssetName,
    /// What was read, newest first.
    pub backups: Vec<Read>,
    /// Backups that could not be read, which says nothing about them: why, and what to do.
    pub not_read: Vec<(BackupId, String)>,
    /// Manifests that cannot be read: key and reason.
    pub unreadable: Vec<(String, String)>,
    /// Why the newest data is too old, where `--max-age-hours` asks.
    pub too_old: Option<String>,
    /// What `--test-restore` came to.
    pub restored: Option<Drilled>,
    /// Why the test restore came to nothing, if it did.
    pub not_restored: Option<String>,
    /// How it ends.
    pub exit: Exit,
}

/// One backup that was read.
#[derive(Debug, Serialize)]
pub struct Read {
    /// What it is, in a word.
    pub form: &'static str,
    /// How old its data is, in seconds.
    pub age_seconds: u64,
    /// Whether its provider holds it: then the provider was asked, and no byte was read.
    pub held: bool,
    /// What was found.
    #[serde(flatten)]
    pub found: Verification,
}

/// Reads back what is asked for.
pub async fn verify(env: &Env, ask: &Verify, form: Form) -> Result<Exit> {
    let mut all = Vec::new();
    for asset in env.config.selected(ask.asset.as_ref())? {
        all.push(verify_asset(env, asset, ask).await?);
    }
    match form {
        Form::Programs => say_json(&all)?,
        Form::People => say(&people(&all))?,
    }
    // Corrupt outweighs too old, and that outweighs what could not be found out.
    let order = [Exit::Failed, Exit::Stale, Exit::CouldNotVerify];
    Ok(order.into_iter().find(|exit| all.iter().any(|verified| verified.exit == *exit)).unwrap_or(Exit::Good))
}

async fn verify_asset(env: &Env, asset: &Asset, ask: &Verify) -> Result<Verified> {
    let mut found = env.vault.backups(&asset.name).await?;
    found.good.sort_by_key(|manifest| std::cmp::Reverse(manifest.data_time));
    let now = env.clock.now();
    let mut forms = BTreeSet::new();
    let chosen = |manifest: &&Manifest| ask.all || forms.insert(manifest.form());
    let chosen: Vec<_> = found.good.iter().filter(chosen).collect();
    let (mut backups, mut not_read) = (Vec::new(), Vec::new());
    for manifest in chosen {
        let found = match verify_backup(env, &env.vault, manifest).await {
            Ok(found) => found,
            Err(error) => {
                not_read.push((manifest.id, redact::text(&error.sentence())));
                continue;
            }
        };
        let (form, age_seconds) = (form_word(manifest.form()), since(now, manifest.data_time).as_secs());
        backups.push(Read { form, age_seconds, held: manifest.held.is_some(), found });
    }
    let newest = found.good.iter().map(|manifest| since(now, manifest.data_time)).min();
    let too_old = ask.max_age_hours.and_then(|hours| match newest {
        Some(age) if age <= Duration::from_secs(u64::from(hours) * 3_600) => None,
        Some(age) => Some(format!("its newest data is {} old, {hours}h is allowed", human(age))),
        None => Some("it has no backup".to_owned()),
    });
    let tried = if ask.test_restore && newest.is_some() { Some(by_hand::drill_now(env, &asset.name).await) } else { None };
    let (restored, not_restored) = match tried {
        Some(Ok(drilled)) => (Some(drilled), None),
        Some(Err(error)) => (None, Some(redact::text(&error.sentence()))),
        None => (None, None),
    };
    let restore_exit = match restored.as_ref().map(|drilled| drilled.verdict) {
        Some(Verdict::Failed) => Exit::Failed,
        Some(Verdict::CouldNotVerify) => Exit::CouldNotVerify,
        None if not_restored.is_some() => Exit::CouldNotVerify,
        Some(Verdict::Proven) | None => Exit::Good,
    };
    let damaged = backups.iter().any(|read| !read.found.is_sound()) || !found.unreadable.is_empty();
    let exit = if damaged || restore_exit == Exit::Failed {
        Exit::Failed
    } else if too_old.is_some() || found.good.is_empty() {
        Exit::Stale
    } else if !not_read.is_empty() {
        Exit::CouldNotVerify
    } else {
        restore_exit
    };
    let unreadable = found.unreadable.into_iter().map(|(key, error)| (key, error.full())).collect();
    Ok(Verified { asset: asset.name.clone(), backups, not_read, unreadable, too_old, restored, not_restored, exit })
}

fn people(all: &[Verified]) -> String {
    let mut listing = table(&["ASSET", "BACKUP", "FORM", "DATA AGE", "READ", "FOUND"]);
    let mut below = Vec::new();
    for verified in all {
        for read in &verified.backups {
            let found = match read.found.damage.as_slice() {
                [] if read.held => toned("its provider shows it as recorded; none of it can be read", Tone::Good),
                [] => toned("every byte is as recorded", Tone::Good),
                _ => toned("DAMAGED", Tone::Bad),
            };
            below.extend(read.found.damage.iter().map(|damage| format!("{}: {damage}", verified.asset)));
            listing.add_row(vec![
                verified.asset.as_str().into(),
                read.found.backup.to_string().into(),
                read.form.into(),
                age(read.age_seconds).into(),
                bytes(read.found.bytes).into(),
                found,
            ]);
        }
        for (backup, why) in &verified.not_read {
            let unknown = toned("could not be read", Tone::Warning);
            listing.add_row(vec![verified.asset.as_str().into(), backup.to_string().into(), "".into(), "".into(), "".into(), unknown]);
            below.push(format!("{}: {backup}: {why}", verified.asset));
        }
        if verified.backups.is_empty() && verified.not_read.is_empty() {
            below.push(format!("{}: there is no backup to read; `lastgood export {}` makes one", verified.asset, verified.asset));
        }
        below.extend(verified.unreadable.iter().map(|(key, reason)| format!("{}: {key}: {reason}", verified.asset)));
        below.extend(verified.too_old.iter().map(|why| format!("{}: {why}", verified.asset)));
        if verified.backups.iter().any(|read| !read.found.is_sound()) {
            below.push(format!(
                "{}: a damaged backup no longer counts as fresh; `lastgood list {}` shows which others there are, and copies of it may be whole",
                verified.asset, verified.asset
            ));
        }
        below.extend(verified.not_restored.iter().map(|why| format!("{}: test restore could not verify: {why}", verified.asset)));
        if let Some(drilled) = &verified.restored {
            let why = drilled.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            below.push(format!(
                "{}: test restore {}, {} of {} checks passed{why}",
                verified.asset, drilled.verdict, drilled.passed, drilled.checks
            ));
        }
    }
    let rows = if listing.is_empty() { None } else { Some(text(&listing)) };
    rows.into_iter().chain(below).collect::<Vec<_>>().join("\n")
}
