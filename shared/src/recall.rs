//! Archived backups: before one is read, what a store has archived is asked for once, and waited for.
//!
//! Nothing here asks a store for anything unless a restore or a drill needs it: it costs money. The wait is shown, and survives
//! its invocation: where the time of one is limited, it ends at once as waiting, and the next finds the recall under way.

use crate::{
    catalog::{Key, Recall, Vault},
    clock::Timestamp,
    domain::{
        archive::{Haste, Readiness, StorageClass},
        backup::Manifest,
        place::Place,
    },
    env::Env,
    error::{During, Result, out_of_time},
    id::{AssetName, BackupId},
};
use futures::{StreamExt, TryStreamExt, stream};
use std::time::Duration;

/// How often a store is asked whether the bytes are back.
const BETWEEN_LOOKS: Duration = Duration::from_mins(5);
/// Objects that are looked at, or asked for, at once.
const AT_ONCE: usize = 16;

/// What keeps a backup from being read.
#[derive(Debug, Default)]
struct Lying {
    /// Artifacts that nobody has asked for, and their class.
    archived: Vec<(String, StorageClass)>,
    /// Artifacts that are on their way, and their class.
    coming: Vec<(String, StorageClass)>,
}

impl Lying {
    async fn look(vault: &Vault, backup: &Manifest) -> Result<Self> {
        let looks = backup.artifacts.iter().map(|artifact| async move {
            let seen = vault.bucket().readiness(&artifact.key).await.during(format!("looking at {}", artifact.key))?;
            // What is gone, whoever reads it says.
            Ok::<_, crate::error::Error>((artifact.key.clone(), seen.unwrap_or(Readiness::Now)))
        });
        let mut lying = Self::default();
        for (key, seen) in stream::iter(looks.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect::<Vec<_>>().await? {
            match seen {
                Readiness::Now => {}
                Readiness::Archived(class) => lying.archived.push((key, class)),
                Readiness::Coming(class) => lying.coming.push((key, class)),
            }
        }
        Ok(lying)
    }

    fn class(&self) -> Option<StorageClass> {
        self.archived.iter().chain(&self.coming).map(|(_, class)| *class).next()
    }
}

/// Says, for people, what must be waited for before a backup can be read; none where nothing must. Asks for nothing.
pub async fn needed(vault: &Vault, backup: &Manifest, haste: Haste) -> Result<Option<String>> {
    let lying = Lying::look(vault, backup).await?;
    let Some(class) = lying.class() else { return Ok(None) };
    let usually = class.usually(haste)?;
    Ok(Some(if lying.archived.is_empty() {
        format!("wait for its recall from {class}, which is under way")
    } else {
        format!("recall it from {class} ({haste}, usually {usually}; the provider charges for it)")
    }))
}

/// Makes every byte of a backup readable: asks once for what is archived and waits until it is back. Where the invocation's time
/// is limited, it is `OutOfTime` at once: the next one goes on.
pub async fn ready(env: &Env, vault: &Vault, backup: &Manifest, haste: Haste) -> Result<()> {
    let key = Key::Recall(backup.asset.clone(), backup.id, vault.place().clone());
    let mut shown = None;
    loop {
        let lying = Lying::look(vault, backup).await?;
        let Some(class) = lying.class() else {
            over(env, &key).await;
            return Ok(());
        };
        let note = noted(env, &key, backup, vault.place(), class, haste).await?;
        if !lying.archived.is_empty() {
            tracing::info!(asset = %backup.asset, backup = %backup.id, place = %vault.place(), %class, %haste, "recalling an archived backup");
            let asks = lying
                .archived
                .iter()
                .map(|(key, _)| async move { vault.bucket().recall(key, haste).await.during(format!("recalling {key}")) });
            stream::iter(asks.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
        }
        let usually = class.usually(note.haste)?;
        let left = lying.archived.len() + lying.coming.len();
        let what = format!("recalling from {class}, begun at {}, usually {usually}", whole(note.begun_at));
        if env.deadline.is_some() {
            let waiting = format!("{what}: {left} of {} objects of {} are not back yet", backup.artifacts.len(), backup.id);
            return Err(out_of_time(waiting).hint("the next invocation goes on waiting; nothing is asked for twice"));
        }
        shown.get_or_insert_with(|| env.progress.begin(&what, None));
        env.wait(BETWEEN_LOOKS).await?;
    }
}

/// Returns the newest backup of an asset whose recall at a place was begun and is not over.
pub async fn under_way(env: &Env, asset: &AssetName, place: &Place) -> Result<Option<BackupId>> {
    let mut begun = env.vault.all::<Recall>(&Key::recalls(asset)).await?.good;
    begun.retain(|recall| recall.place == *place && recall.ended_at.is_none());
    Ok(begun.into_iter().map(|recall| recall.backup).max())
}

/// Notes, before the store is asked, since when and how fast; what was noted first stands. After a disaster the vault may take no
/// more notes: that keeps nobody from recalling.
async fn noted(env: &Env, key: &Key, backup: &Manifest, place: &Place, class: StorageClass, haste: Haste) -> Result<Recall> {
    if let Ok(Some(stored)) = env.vault.load::<Recall>(key).await
        && stored.record.ended_at.is_none()
    {
        return Ok(stored.record);
    }
    class.usually(haste)?;
    let note = Recall {
        backup: backup.id,
        asset: backup.asset.clone(),
        place: place.clone(),
        class: class.name().to_owned(),
        haste,
        begun_at: env.clock.now(),
        ended_at: None,
    };
    if let Err(error) = env.vault.save(key, &note).await {
        tracing::warn!(asset = %backup.asset, error = error.full(), "recalling without a note in the vault");
    }
    Ok(note)
}

/// Notes that everything is back, where a recall was noted. Nobody who drills may delete a record.
async fn over(env: &Env, key: &Key) {
    let Ok(Some(stored)) = env.vault.load::<Recall>(key).await else { return };
    if stored.record.ended_at.is_some() {
        return;
    }
    let ended = Recall { ended_at: Some(env.clock.now()), ..stored.record };
    if let Err(error) = env.vault.save(key, &ended).await {
        tracing::warn!(asset = %ended.asset, error = error.full(), "the end of a recall is not noted: the next drill looks at the same backup");
    }
}

fn whole(at: Timestamp) -> Timestamp {
    at.round(jiff::Unit::Second).unwrap_or(at)
}
