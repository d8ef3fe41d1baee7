//! A directory dump goes to `pg_restore -j` without being laid down on disk: a large file is a named pipe that is filled
//! from the vault when a worker opens it, a small one is written out.
//!
//! A pipe that ends early would look like a short table, so any damage kills the tool, and a file that nobody read fails
//! the restore.

use super::{BUFFER, Poured, Restore, pour};
use crate::{
    domain::backup::Artifact,
    error::{During, Result, corrupt, failed, invalid},
    providers::postgres::child::Program,
};
use futures::{StreamExt, TryStreamExt, stream::FuturesUnordered};
use std::{
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Component, Path, PathBuf},
    time::Duration,
};
use tokio::{io::BufReader, net::unix::pipe, sync::watch};

/// Up to this size a file is written out.
const SMALL: u64 = 4 << 20;
const OPEN_EVERY: Duration = Duration::from_millis(4);

/// Restores these files, each under the name that `pg_restore` looks for.
pub async fn restore(work: &Restore<'_>, program: &Program, files: Vec<(String, Artifact)>) -> Result<()> {
    if !files.iter().any(|(name, _)| name == "toc.dat") {
        return Err(corrupt("the directory dump has no table of contents (toc.dat)"));
    }
    std::fs::DirBuilder::new().mode(0o700).create(&work.spool).during("making a spool")?;
    let spool = Spool(work.spool.clone());
    let result = restore_from(work, program, files, &spool.0).await;
    drop(spool);
    result
}

async fn restore_from(work: &Restore<'_>, program: &Program, files: Vec<(String, Artifact)>, spool: &Path) -> Result<()> {
    let (mut piped, mut written) = (Vec::new(), Vec::new());
    for (name, artifact) in files {
        if !matches!(Path::new(&name).components().collect::<Vec<_>>()[..], [Component::Normal(_)]) {
            return Err(invalid(format!("{:?} is not the name of a file of a directory dump", crate::redact::clip(&name, 60))));
        }
        let path = spool.join(&name);
        if artifact.plain_size > SMALL && name != "toc.dat" && path.extension().is_some_and(|ending| ending == "dat") && make_pipe(&path)? {
            piped.push((path, artifact));
        } else {
            written.push((path, artifact));
        }
    }
    futures::stream::iter(written.iter().map(Ok)).try_for_each_concurrent(8, |(path, artifact)| write_out(work, path, artifact)).await?;
    let mut running = program.clone().arg(spool).spawn()?;
    let (over, ended) = watch::channel(false);
    let mut fillers: FuturesUnordered<_> = piped.iter().map(|(path, artifact)| fill(work, path, artifact, ended.clone())).collect();
    let mut finished = None;
    loop {
        tokio::select! {
            filled = fillers.next(), if !fillers.is_empty() => match filled {
                Some(Err(Gap::Damaged(error))) => {
                    running.signal(rustix::process::Signal::KILL);
                    // Its failure is our doing; the damage is the error to tell.
                    let _ = running.finish().await;
                    return Err(error);
                }
                // The tool closed a pipe: how it ends is the reason. One that it never opened counts below.
                Some(Err(Gap::Refused)) if finished.is_none() => finished = Some(running.finish().await.and_then(|()| Err(unread()))),
                Some(Ok(()) | Err(Gap::Refused)) | None => {}
            },
            end = running.finish(), if finished.is_none() => {
                finished = Some(end);
                over.send_replace(true);
            }
        }
        match &finished {
            Some(Err(_)) => break,
            Some(Ok(())) if fillers.is_empty() => break,
            Some(Ok(())) | None => {}
        }
        if finished.is_some() {
            while let Some(filled) = fillers.next().await {
                match filled {
                    Ok(()) => {}
                    Err(Gap::Damaged(error)) => return Err(error),
                    Err(Gap::Refused) => return Err(unread()),
                }
            }
            break;
        }
    }
    finished.unwrap_or(Ok(()))
}

fn unread() -> crate::error::Error {
    failed("pg_restore ended well without reading every file of the dump")
}

enum Gap {
    Damaged(crate::error::Error),
    Refused,
}

/// Waits for a worker to open the pipe, then fills it from the vault.
async fn fill(work: &Restore<'_>, path: &Path, artifact: &Artifact, ended: watch::Receiver<bool>) -> std::result::Result<(), Gap> {
    let mut sender = loop {
        match pipe::OpenOptions::new().open_sender(path) {
            Ok(sender) => break sender,
            Err(_) if *ended.borrow() => return Err(Gap::Refused),
            // Nobody reads it yet.
            Err(_) => tokio::time::sleep(OPEN_EVERY).await,
        }
    };
    let bytes = work.open(artifact).await.map_err(Gap::Damaged)?;
    match pour(&mut BufReader::with_capacity(BUFFER, bytes), &mut sender).await {
        Poured::Whole => Ok(()),
        Poured::Refused => Err(Gap::Refused),
        Poured::Damaged(error) => Err(Gap::Damaged(error)),
    }
}

async fn write_out(work: &Restore<'_>, path: &Path, artifact: &Artifact) -> Result<()> {
    let mut bytes = work.open(artifact).await?;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut file = tokio::fs::File::from_std(file);
    tokio::io::copy(&mut bytes, &mut file).await?;
    tokio::io::AsyncWriteExt::flush(&mut file).await?;
    Ok(())
}

/// Makes a named pipe; false where the system has none of the kind.
fn make_pipe(path: &Path) -> Result<bool> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).map_err(std::io::Error::from)?;
        Ok(true)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        Ok(false)
    }
}

/// A spool folder that goes with its owner.
struct Spool(PathBuf);

impl Drop for Spool {
    fn drop(&mut self) {
        // What cannot be removed now goes with the replica.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
