//! Whether the keys that snapshots are encrypted with can still be used: by what their keeper says, and by using them.
//!
//! What a key closed while it was good is kept, and once a day it must open that again. To close something new would only
//! show that the key can close today: material that expired, a key that was put in another's place, or a right that was
//! taken away shows at what is old, as it would show at a restore.

use crate::{
    catalog::{Copy, Key, Opened},
    clock::since,
    domain::{freshness::Candidate, place::Place, posture::KeySeen},
    env::Env,
    error::{Kind, Result, unsupported},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Mutex, OnceCell};

/// How long a proof holds: a daily check may come a little early.
const HOLDS: Duration = Duration::from_hours(20);

type Standing = Arc<OnceCell<Result<KeySeen, String>>>;

/// The keys that one check has looked at: each once, however many backups it encrypts.
#[derive(Debug)]
pub struct KeyRing {
    known: Mutex<HashMap<(Place, String), Standing>>,
    look: Look,
}

/// How keys are looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// What their keeper says.
    Ask,
    /// And whether they open what they closed, which is kept.
    Use,
}

impl KeyRing {
    /// Asks for keys, and changes nothing.
    pub fn looking() -> Self {
        Self { known: Mutex::default(), look: Look::Ask }
    }

    /// Uses keys.
    pub fn using() -> Self {
        Self { known: Mutex::default(), look: Look::Use }
    }

    /// Looks at keys. What could not be looked at is told in `blind`.
    pub async fn keys(&self, env: &Env, keys: &BTreeSet<(Place, String)>, blind: &mut Vec<(String, String)>) -> Vec<KeySeen> {
        let mut seen = Vec::new();
        for (place, key) in keys {
            let standing = self.known.lock().await.entry((place.clone(), key.clone())).or_default().clone();
            let standing = standing.get_or_init(|| async { look(env, place, key, self.look).await.map_err(|error| error.full()) }).await;
            match standing {
                Ok(key) => seen.push(key.clone()),
                Err(why) => blind.push((format!("key {key} at {place}"), why.clone())),
            }
        }
        seen
    }
}

/// Every key that these backups and their copies are encrypted with.
pub fn keys_of(backups: &[Candidate], copies: &[Copy]) -> BTreeSet<(Place, String)> {
    let theirs = |copy: &&Copy| backups.iter().any(|backup| copy.backup == backup.manifest.id && copy.proves(&backup.manifest));
    let held = backups.iter().filter_map(|backup| backup.manifest.held.as_ref());
    let held = held.chain(copies.iter().filter(theirs).filter_map(|copy| copy.held.as_ref()));
    held.filter_map(|held| Some((held.place.clone(), held.key.clone()?))).collect()
}

async fn look(env: &Env, place: &Place, name: &str, look: Look) -> Result<KeySeen> {
    let keys = match env.providers.keys(place).await {
        Ok(Some(keys)) => keys,
        // Where nobody can be asked, what the provider says of the snapshot is all that there is.
        Ok(None) => return Ok(KeySeen { name: name.to_owned(), unusable: None }),
        Err(error) => return Err(error),
    };
    let said = keys.key(name).await?;
    if said.unusable.is_some() || matches!(look, Look::Ask) {
        return Ok(said);
    }
    let (record, now) = (Key::Opened(place.clone(), name.to_owned()), env.clock.now());
    let kept = match env.vault.load::<Opened>(&record).await {
        Ok(kept) => kept.map(|stored| stored.record).filter(|kept| kept.key == name && kept.place == *place),
        // Better made anew than never looked at again.
        Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::Invalid) => None,
        Err(error) => return Err(error),
    };
    let kept = match kept {
        Some(kept) if since(now, kept.opened_at) < HOLDS => return Ok(said),
        Some(kept) => kept,
        None => match keys.close(name).await? {
            None => return Ok(said),
            Some(closed) => {
                let closed = BASE64_STANDARD.encode(closed);
                Opened { place: place.clone(), key: name.to_owned(), closed, closed_at: now, opened_at: now }
            }
        },
    };
    let bytes =
        BASE64_STANDARD.decode(&kept.closed).map_err(|error| unsupported("what a key closed was not kept as bytes").because(error))?;
    let since_when = kept.closed_at;
    let opened = match keys.open(name, &bytes).await {
        Ok(opened) => opened,
        // It could be used before: whoever took that away took the restores along.
        Err(error) if error.kind() == Kind::Denied && since_when < now => {
            return Ok(KeySeen {
                name: name.to_owned(),
                unusable: Some(format!("may not be used any more, as it could on {}: {}", kept.opened_at, error.full())),
            });
        }
        Err(error) => return Err(error),
    };
    if opened.unusable.is_none() {
        env.vault.save(&record, &Opened { opened_at: now, ..kept }).await?;
    }
    Ok(opened)
}
