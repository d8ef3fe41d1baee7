//! Between a feed and an upload: a thread that works on the bytes, and several parts on their way at once.

use super::{
    cut::{Cutter, Empty},
    pipe::{Item, Outlet, pipe},
};
use crate::{
    error::{Error, Result, failed},
    ports::Upload,
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;

/// The bytes of parts that all streams together have in memory at once, unless two parts of each are more.
const IN_FLIGHT: usize = 40 << 20;
/// The parts that are sent at once.
const PARTS: usize = 4;

/// Runs `work` on a thread of its own, from what `feed` puts into its pipe into the parts of an upload. The upload is
/// neither completed nor aborted. `at_once` such works share the memory. Whichever side fails first is the reason.
pub(super) async fn through<T: Send + 'static>(
    upload: &dyn Upload,
    blocks: usize,
    at_once: usize,
    feed: impl AsyncFnOnce(mpsc::Sender<Item>) -> Result<()>,
    work: impl FnOnce(Outlet, Cutter) -> Result<T> + Send + 'static,
) -> Result<T> {
    let at_once = at_once.max(1);
    let (inlet, items) = pipe((blocks / at_once).max(2));
    let (lend, empty) = mpsc::channel(PARTS + 1);
    let (full, parts) = mpsc::channel(PARTS + 1);
    let worker = tokio::task::spawn_blocking(move || work(Outlet::new(items), Cutter::new(empty, full)));
    // When one side fails the others only notice that their end of a pipe is gone.
    tokio::try_join!(feed(inlet), put(upload, IN_FLIGHT / at_once, lend, parts))?;
    worker.await.map_err(|error| failed("the thread between source and upload stopped").because(error))?
}

/// Lends empty parts and sends the full ones, several at once.
async fn put(upload: &dyn Upload, in_flight: usize, lend: mpsc::Sender<Empty>, mut full: mpsc::Receiver<Bytes>) -> Result<()> {
    let mut number = 0;
    let mut next = async |buffer: Option<BytesMut>| {
        let size = upload.part_size(number);
        number += 1;
        let mut buffer = buffer.unwrap_or_default();
        buffer.clear();
        buffer.reserve(size);
        // The worker being gone is told by the end of the full parts.
        let _ = lend.send(Empty { size, buffer }).await;
        size
    };
    let first = next(None).await.max(1);
    for _ in 1..(in_flight / first).clamp(2, PARTS + 1) {
        next(None).await;
    }
    let mut sending = FuturesUnordered::new();
    let (mut number, mut offset, mut open) = (0, 0, true);
    while open || !sending.is_empty() {
        tokio::select! {
            part = full.recv(), if open => match part {
                Some(bytes) => {
                    let (this, at, length) = (number, offset, bytes.len() as u64);
                    number += 1;
                    offset += length;
                    sending.push(async move {
                        upload.put_part(this, at, bytes.clone()).await?;
                        Ok::<_, Error>(bytes)
                    });
                }
                None => open = false,
            },
            Some(done) = sending.next(), if !sending.is_empty() => {
                next(done?.try_into_mut().ok()).await;
            }
        }
    }
    Ok(())
}
