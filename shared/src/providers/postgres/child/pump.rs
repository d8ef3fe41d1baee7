//! The output of a child, read in large chunks.

use crate::{error::Result, ports::ByteStream};
use bytes::Bytes;
use std::{io::Read, time::Duration};
use tokio::{process::ChildStdout, sync::mpsc};
use tokio_util::io::StreamReader;

/// What is read of a child before it is handed on.
const CHUNK: usize = 256 << 10;
/// A read of less than this found the pipe all but empty.
const SMALL: usize = 64 << 10;
/// How long a pipe is left to fill: at 500 MB/s it then holds 100 KiB, a tenth of what fits.
const MOMENT: Duration = Duration::from_micros(200);
/// The size of the pipe to a child that we ask for: what Linux grants without a privilege.
const PIPE: usize = 1 << 20;

/// Reads a child's output on a thread of its own and hands it on in large chunks: `pg_dump` writes 4 KiB at a time, and to
/// wait for each of these writes as an event costs more than the reading.
pub(super) fn pumped(stdout: ChildStdout) -> Result<ByteStream> {
    let pipe = stdout.into_owned_fd()?;
    // The default of 64 KiB is filled in a few microseconds; where the machine's limit is lower, it stays as it is.
    let _ = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE);
    let mut pipe = std::fs::File::from(pipe);
    let (send, receive) = mpsc::channel::<std::io::Result<Bytes>>(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut chunk = vec![0; CHUNK];
            let (read, filled) = fill(&mut pipe, &mut chunk);
            chunk.truncate(filled);
            let over = filled < CHUNK;
            if (!chunk.is_empty() && send.blocking_send(Ok(chunk.into())).is_err()) || over {
                if let Err(error) = read {
                    // Whoever read it may have gone.
                    let _ = send.blocking_send(Err(error));
                }
                return;
            }
        }
    });
    let chunks = futures::stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|chunk| (chunk, receive)) });
    Ok(Box::pin(StreamReader::new(Box::pin(chunks))))
}

/// Fills a chunk from a pipe, and returns how much of it; less than all of it is the end, or an error. After a small read it
/// waits a moment for the pipe to fill: to be woken for each of 250,000 writes costs more than the waiting.
fn fill(pipe: &mut std::fs::File, chunk: &mut [u8]) -> (std::io::Result<()>, usize) {
    let mut filled = 0;
    while filled < chunk.len() {
        match pipe.read(&mut chunk[filled..]) {
            Ok(0) => return (Ok(()), filled),
            Ok(count) => {
                filled += count;
                if count < SMALL && filled < chunk.len() {
                    std::thread::sleep(MOMENT);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return (Err(error), filled),
        }
    }
    (Ok(()), filled)
}
