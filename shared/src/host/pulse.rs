//! A function's sign of life, written by its host: whatever comes of a run, that it ran is known.

use crate::{
    catalog::{Heartbeat, Key, Waker},
    clock::Timestamp,
    env::Env,
    error::{Kind, Result},
    function::Exit,
};

/// Records that `function` ran and how it ended. `scheduled_at` is when a schedule woke it; a run by hand leaves that of
/// the last schedule as it was.
pub async fn beat(env: &Env, function: &str, exit: Exit, waker: Waker, scheduled_at: Option<Timestamp>) -> Result<()> {
    let key = Key::Heartbeat(function.to_owned());
    let scheduled_at = match scheduled_at {
        Some(at) => Some(at),
        None => match env.vault.load::<Heartbeat>(&key).await {
            Ok(last) => last.and_then(|stored| stored.record.scheduled_at),
            // A heartbeat that cannot be read is replaced: it is an observation, and there is a newer one.
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::Invalid) => None,
            Err(error) => return Err(error),
        },
    };
    let heartbeat = Heartbeat { function: function.to_owned(), at: env.clock.now(), exit, waker, scheduled_at };
    env.vault.save(&key, &heartbeat).await
}
