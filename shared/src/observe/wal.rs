//! How a self-managed server's write-ahead log is archived. Only the checker looks.

use crate::{config::Asset, domain::wal::WalSeen, env::Env, error::Result};
use std::time::Duration;

/// Longer than this nobody waits for one asset's server and repository.
const PATIENCE: Duration = Duration::from_mins(2);

/// Looks at how an asset's write-ahead log is archived; none where its policy asks nothing of it. What does not answer, or may not
/// be asked, is told in `blind`.
pub async fn wal(env: &Env, asset: &Asset, blind: &mut Vec<(String, String)>) -> Option<WalSeen> {
    asset.policy.wal.as_ref()?;
    let archive = match env.providers.wal(asset).await {
        Ok(Some(archive)) => archive,
        Ok(None) => {
            blind.push(("its write-ahead log".to_owned(), "this build cannot ask for it".to_owned()));
            return None;
        }
        Err(error) => {
            blind.push(("its write-ahead log".to_owned(), error.full()));
            return None;
        }
    };
    // The server first: what it says by then is archived must be in the repository afterwards.
    let archiver = in_time(archive.archiver()).await.inspect_err(|why| blind.push(("its archiver".to_owned(), why.clone()))).ok();
    if let Some(seen) = &archiver {
        if seen.waiting.is_none() && !seen.standby {
            let why = "its role may not call pg_ls_archive_statusdir(): grant pg_monitor to it".to_owned();
            blind.push(("how much WAL waits to be archived".to_owned(), why));
        }
        if seen.standby && asset.policy.wal.as_ref().is_some_and(|policy| policy.repository.is_none()) {
            let why = "its `url` leads to a standby, which archives nothing: name the primary, or a `repository`".to_owned();
            blind.push(("its archiver".to_owned(), why));
        }
    }
    let repository = in_time(archive.repository()).await;
    let repository = repository.inspect_err(|why| blind.push(("its repository of WAL".to_owned(), why.clone()))).ok().flatten();
    Some(WalSeen { archiver, repository })
}

async fn in_time<T>(look: impl Future<Output = Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(seen) => seen.map_err(|error| match error.advice() {
            Some(hint) => format!("{}; {hint}", error.full()),
            None => error.full(),
        }),
        Err(_) => Err(format!("there was no answer within {} s", PATIENCE.as_secs())),
    }
}
