//! When a schedule last woke each function.

use lastgood_core::{
    catalog::{Heartbeat, Key},
    domain::freshness::Beat,
    env::Env,
    error::{Kind, Result},
};

const FUNCTIONS: [&str; 5] = ["cross-region-copy", "export-to-bucket", "freshness-checker", "restore-drill", "snapshot-trigger"];

/// Returns every function's sign of life. One that cannot be read is as good as none: the next one replaces it.
pub async fn read(env: &Env) -> Result<Vec<Beat>> {
    let mut beats = Vec::new();
    for function in FUNCTIONS {
        match env.vault.load::<Heartbeat>(&Key::Heartbeat(function.to_owned())).await {
            Ok(Some(stored)) => beats.push(Beat { function: function.to_owned(), scheduled_at: stored.record.scheduled_at }),
            Ok(None) => {}
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(beats)
}
