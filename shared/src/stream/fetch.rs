//! From a bucket, chunk after chunk, a few of them ahead; every chunk is compared before it is handed on.

use super::{
    digest::{Chunk, Layout},
    pipe::Item,
};
use crate::{
    domain::{backup::Artifact, damage::Damage},
    env::Gauge,
    error::{During, Result, corrupt},
    ports::Bucket,
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};
use tokio::{io::AsyncReadExt, sync::mpsc};

/// The bytes that are being read at once.
const READING: u64 = 32 << 20;

/// Hands every chunk of an artifact on, in order, until the first difference, which it returns. Says the end only when
/// there is none. Whether the digest of the whole is right is for the other end of the pipe to find out.
pub(super) async fn fetch(
    bucket: &dyn Bucket,
    artifact: &Artifact,
    inlet: &mpsc::Sender<Item>,
    gauge: &dyn Gauge,
) -> Result<Option<Damage>> {
    let key = artifact.key.as_str();
    let layout = Layout::of(artifact)?;
    let Some(meta) = bucket.head(key).await? else { return Ok(Some(Damage::Missing { object: key.to_owned() })) };
    if meta.size != artifact.size {
        return Ok(Some(Damage::Size { object: key.to_owned(), recorded: artifact.size, found: meta.size }));
    }
    let ahead = layout.within(READING);
    let room = Room::default();
    let reads = layout.chunks().map(|chunk| {
        let room = &room;
        async move { (read(bucket, key, &chunk, room).await, chunk) }
    });
    let mut reads = std::pin::pin!(stream::iter(reads).buffered(ahead));
    while let Some((bytes, chunk)) = reads.next().await {
        let bytes = bytes?;
        let length = chunk.range.end - chunk.range.start;
        if bytes.len() as u64 != length || !chunk.matches(&bytes) {
            return Ok(Some(Damage::Bytes { object: key.to_owned(), offset: Some(chunk.range.start), length }));
        }
        gauge.add(length);
        room.lend(&bytes);
        if inlet.send(Ok(Some(bytes))).await.is_err() {
            return Ok(None);
        }
    }
    let _ = inlet.send(Ok(None)).await;
    Ok(None)
}

/// Buffers of chunks that were handed on, to be filled again once nobody holds them: memory is taken once, not per chunk.
#[derive(Default)]
struct Room(Mutex<VecDeque<Bytes>>);

impl Room {
    fn lend(&self, bytes: &Bytes) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(bytes.clone());
    }

    fn take(&self, length: usize) -> BytesMut {
        let mut lent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = lent.iter().position(Bytes::is_unique).and_then(|at| lent.remove(at)).and_then(|bytes| bytes.try_into_mut().ok());
        let mut buffer = free.unwrap_or_default();
        buffer.clear();
        buffer.reserve(length);
        buffer
    }
}

/// Reads the bytes of one chunk; fewer only where the object ends early.
async fn read(bucket: &dyn Bucket, key: &str, chunk: &Chunk, room: &Room) -> Result<Bytes> {
    let length = chunk.range.end - chunk.range.start;
    let doing = || format!("reading {key} at offset {}", chunk.range.start);
    let mut stream = bucket.read(key, Some(chunk.range.clone())).await.during(doing())?.take(length);
    let mut bytes = room.take(usize::try_from(length).map_err(|_| corrupt("a chunk is too large for this machine"))?);
    // A full buffer must not be asked to take more: it would grow to twice its size.
    while (bytes.len() as u64) < length && stream.read_buf(&mut bytes).await.during(doing())? > 0 {}
    Ok(bytes.freeze())
}
