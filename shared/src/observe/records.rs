//! What functions noted of themselves: their newest runs, and when a schedule last woke them.

use crate::{
    catalog::{Heartbeat, Key, Vault},
    clock::Timestamp,
    domain::{backup::Form, run::Run},
    error::{Error, Kind, Result},
    id::{AssetName, Slot},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

/// How many of a function's newest runs are looked at.
const NEWEST: usize = 12;

/// The function that makes backups of a form.
pub(super) const fn maker(form: Form) -> &'static str {
    match form {
        Form::Export => "export-to-bucket",
        Form::Snapshot => "snapshot-trigger",
    }
}

const FORMS: [Form; 2] = [Form::Export, Form::Snapshot];

/// What is known of the runs of each form's function.
pub(super) struct Runs {
    /// The newest, newest first.
    pub newest: BTreeMap<Form, Vec<Run>>,
    /// When each was due that was ever begun, newest first: of these the listing tells.
    pub slots: BTreeMap<Form, Vec<Slot>>,
    /// The keys that open ones may have left behind.
    pub leftovers: BTreeSet<String>,
    /// Those that cannot be read.
    pub unreadable: Vec<(String, Error)>,
}

/// Returns the newest runs of each form's function, the keys that open runs of these functions may have left behind, and
/// the runs that cannot be read.
pub(super) async fn runs(vault: &Vault, asset: &AssetName) -> Result<Runs> {
    runs_until(vault, asset, None).await
}

/// The same, of the runs that were due until then.
pub(super) async fn runs_until(vault: &Vault, asset: &AssetName, until: Option<Timestamp>) -> Result<Runs> {
    let (mut runs, mut all, mut leftovers, mut unreadable) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new(), Vec::new());
    for form in FORMS {
        let folder = Key::runs(asset, maker(form));
        let mut slots: Vec<Slot> = vault.bucket().list_all(&folder).await?.iter().filter_map(|meta| slot(&folder, &meta.key)).collect();
        slots.retain(|slot| until.is_none_or(|until| slot.0 <= until));
        slots.sort_unstable_by(|a, b| b.cmp(a));
        let mut newest = Vec::new();
        for slot in slots.iter().copied().take(NEWEST) {
            let key = Key::Run(asset.clone(), maker(form).to_owned(), slot);
            match vault.load::<Run>(&key).await {
                Ok(Some(stored)) => {
                    leftovers.extend(stored.record.leftovers.iter().cloned());
                    newest.push(stored.record);
                }
                Ok(None) => {}
                Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::Invalid) => {
                    unreadable.push((key.to_string(), error));
                }
                Err(error) => return Err(error),
            }
        }
        runs.insert(form, newest);
        all.insert(form, slots);
    }
    Ok(Runs { newest: runs, slots: all, leftovers, unreadable })
}

fn slot(folder: &str, key: &str) -> Option<Slot> {
    Slot::from_str(key.strip_prefix(folder)?.strip_suffix(".json")?).ok()
}

/// Returns when a schedule last woke each form's function.
pub(super) async fn scheduled(vault: &Vault) -> Result<BTreeMap<Form, Timestamp>> {
    let mut scheduled = BTreeMap::new();
    for form in FORMS {
        match vault.load::<Heartbeat>(&Key::Heartbeat(maker(form).to_owned())).await {
            Ok(beat) => scheduled.extend(beat.and_then(|beat| beat.record.scheduled_at).map(|at| (form, at))),
            // A sign of life that cannot be read is as good as none: the next one replaces it.
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(scheduled)
}
