//! Reading a file while it is being written, and giving its room back on the way.

use super::directory::{Progress, TICK, look};
use crate::{error::Error, ports::ByteStream};
use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate};
use std::{
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

const CHUNK: usize = 256 << 10;
const AHEAD: usize = 8;
/// How much is read before it is given back: a hole is worth a system call, a chunk is not.
const GIVE_BACK: u64 = 4 << 20;

/// Reads a file to the end that its writer gives it, then deletes it. A failed dump is a read error.
pub(super) fn follow(path: PathBuf, name: String, progress: Progress) -> ByteStream {
    let (send, receive) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        if let Err(error) = pump(path, &name, &progress, &send).await {
            // A reader that went away needs no error.
            let _ = send.send(Err(error)).await;
        }
    });
    let chunks = futures::stream::unfold(receive, |mut receive| async move { Some((receive.recv().await?, receive)) });
    Box::pin(StreamReader::new(Box::pin(chunks)))
}

type Chunks = mpsc::Sender<io::Result<Bytes>>;

async fn pump(path: PathBuf, name: &str, progress: &Progress, chunks: &Chunks) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&path)?;
    let (mut read, mut given) = (0_u64, 0_u64);
    loop {
        // Whether it is closed is asked before it is read: what is read after that is all there is.
        let closed = {
            let state = look(progress);
            if let Some(error) = state.failure() {
                return Err(Error::into(error));
            }
            state.over.is_some() || state.files.get(name).is_none_or(|file| file.closed)
        };
        let (back, result) = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK];
            let result = file.read(&mut chunk).map(|count| {
                chunk.truncate(count);
                chunk
            });
            (file, result)
        })
        .await
        .map_err(io::Error::other)?;
        file = back;
        let chunk = result?;
        if chunk.is_empty() {
            if closed {
                break;
            }
            tokio::time::sleep(TICK).await;
            continue;
        }
        read += chunk.len() as u64;
        if chunks.send(Ok(chunk.into())).await.is_err() {
            return Ok(());
        }
        if read - given >= GIVE_BACK {
            give_back(&file, given, read)?;
            given = read;
        }
        if let Some(known) = look(progress).files.get_mut(name) {
            known.read = read;
            known.written = known.written.max(read);
        }
    }
    finish(&path, &file, read)?;
    look(progress).files.remove(name);
    Ok(())
}

/// Frees what lies between two offsets. A file system that cannot keeps it until the file is deleted.
fn give_back(file: &std::fs::File, from: u64, to: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, from, to - from) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn finish(path: &Path, file: &std::fs::File, read: u64) -> io::Result<()> {
    let size = file.metadata()?.size();
    if size != read {
        return Err(io::Error::other(format!("a spooled file has {size} bytes, {read} were read")));
    }
    std::fs::remove_file(path)
}
