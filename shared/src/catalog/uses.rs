//! Which backups a copy, a drill or a restore is using, told from the runs that are open.
//!
//! An open run uses every backup whose id stands in its record; a copy also those of its own slot, which are what it copies.
//! One that names none of them uses all of them, as far as anybody can know; so does a record that cannot be read.

use super::{Key, RECORD_LIMIT, Vault};
use crate::{
    clock::{Timestamp, after},
    error::Result,
    id::{AssetName, BackupId},
    ports::ObjectMeta,
};
use futures::{StreamExt, stream};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// The functions that read backups.
const READERS: [&str; 3] = [COPIES, "restore", "restore-drill"];
const COPIES: &str = "cross-region-copy";
/// How long after its lease ran out a run still counts as open: whoever takes it up again needs its backup.
const ABANDONED: Duration = Duration::from_hours(24);
/// An open run is written anew by every wake-up that goes on with it. One that nobody has touched for so long is nobody's.
const FORGOTTEN: Duration = Duration::from_hours(60 * 24);

/// Returns the backups among `ids` that an open run uses, with the function that does.
pub async fn in_use(vault: &Vault, asset: &AssetName, ids: &[BackupId], now: Timestamp) -> Result<BTreeMap<BackupId, String>> {
    let mut used = BTreeMap::new();
    for reader in READERS {
        let mut runs = vault.bucket().list_all(&Key::runs(asset, reader)).await?;
        runs.retain(|meta| after(meta.modified, FORGOTTEN) >= now);
        let read = |meta: ObjectMeta| async move { vault.bucket().get(&meta.key, RECORD_LIMIT).await };
        let read: Vec<_> = stream::iter(runs.into_iter().map(read)).buffered(16).collect().await;
        for found in read {
            let Some((bytes, _)) = found? else { continue };
            let text = String::from_utf8_lossy(&bytes);
            if is_over(&text, now) {
                continue;
            }
            let slot = slot(&text).filter(|_| reader == COPIES);
            let named: Vec<_> = ids.iter().filter(|id| text.contains(&id.to_string()) || slot == Some(id.time())).collect();
            let all_or_named = if named.is_empty() { ids.iter().collect() } else { named };
            used.extend(all_or_named.into_iter().map(|id| (*id, reader.to_owned())));
        }
    }
    Ok(used)
}

fn slot(text: &str) -> Option<Timestamp> {
    let record = serde_json::from_str::<Value>(text).ok()?;
    find(&record, "slot")?.as_str()?.parse().ok()
}

fn is_over(text: &str, now: Timestamp) -> bool {
    let Ok(record) = serde_json::from_str::<Value>(text) else { return false };
    match find(&record, "state").and_then(Value::as_str) {
        Some("done" | "failed" | "finished") => true,
        Some("working") => {
            let lease = find(&record, "lease_until").and_then(Value::as_str).and_then(|until| until.parse::<Timestamp>().ok());
            lease.is_some_and(|until| after(until, ABANDONED) < now)
        }
        _ => false,
    }
}

/// A field of a record: of its own state, at its top, or one level down, where a function keeps its own.
fn find<'a>(record: &'a Value, field: &str) -> Option<&'a Value> {
    let direct = |value: &'a Value| value.get(field).filter(|found| !found.is_object());
    let of_state = record.get("state").and_then(direct);
    of_state.or_else(|| direct(record)).or_else(|| record.as_object()?.values().find_map(direct))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(text: &str) -> bool {
        is_over(text, "2026-11-20T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_run_is_open_until_it_says_otherwise() {
        assert!(over(r#"{"record":"run","state":{"state":"done","at":"2026-11-20T02:00:00Z"}}"#));
        assert!(over(r#"{"record":"run","state":{"state":"failed"}}"#));
        assert!(over(r#"{"record":"drill-run","drill":{"state":"finished","verdict":"proven"}}"#));
        assert!(!over(r#"{"record":"run","state":{"state":"waiting","reason":"x"}}"#));
        assert!(!over(r#"{"state":{"state":"working","lease_until":"2026-11-20T11:59:00Z"}}"#), "its lease just ran out");
        assert!(over(r#"{"state":{"state":"working","lease_until":"2026-11-18T11:59:00Z"}}"#), "abandoned");
        assert!(over(r#"{"drill":{"state":"restoring","backup":"x"},"state":{"state":"failed"}}"#), "the run decides");
        assert!(!over(r#"{"drill":{"state":"finished"},"state":{"state":"waiting"}}"#), "the run decides");
        assert!(!over("not json"));
        assert!(!over("{}"));
    }
}
