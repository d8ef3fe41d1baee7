//! From a source into a bucket, and back again to see that it is there.

use super::{
    Encoding,
    cut::{Cutter, Empty},
    digest::Digests,
    encode::encode,
    inspect::inspect,
    pipe::{BLOCK, Item, Outlet, pipe},
};
use crate::{
    domain::backup::{Artifact, Role},
    env::Gauge,
    error::{During, Error, Result, failed},
    ports::{Bucket, ByteStream, Upload},
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{io::AsyncReadExt, sync::mpsc};

/// The bytes of parts that are in memory at once, unless a single part is larger.
const IN_FLIGHT: usize = 64 << 20;
/// The parts that are sent at once.
const PARTS: usize = 4;
/// Blocks between the source and the encoder: 8 MiB, so that neither waits for the other's hiccups.
const AHEAD: usize = 32;

/// Stores a stream under a free key and reads it back: returns only what was seen to be there, byte for byte. Whatever
/// fails, nothing is visible under the key afterwards. The gauge counts bytes of the source.
pub async fn store(
    bucket: &dyn Bucket,
    key: &str,
    role: Role,
    source: ByteStream,
    encoding: &Encoding,
    expected: Option<u64>,
    gauge: &dyn Gauge,
) -> Result<Artifact> {
    encoding.check()?;
    let upload = bucket.begin_upload(key, expected).await.during(format_args!("storing {key}"))?;
    let stored = match send(upload.as_ref(), source, encoding, gauge).await {
        Ok(stored) => stored,
        Err(error) => {
            // The first failure is the one to tell; what an abort leaves, the sweep removes.
            let _ = upload.abort().await;
            return Err(error.during(format_args!("storing {key}")));
        }
    };
    upload.complete(stored.digests.size).await.during(format_args!("storing {key}"))?;
    let artifact = Artifact {
        key: key.to_owned(),
        role,
        size: stored.digests.size,
        sha256: stored.digests.sha256,
        chunks: Some(stored.digests.chunks),
        plain_size: stored.plain_size,
        compression: encoding.compression,
        recipients: encoding.recipients.key_ids(),
    };
    if let Err(error) = read_back(bucket, &artifact).await {
        let _ = bucket.delete(key).await;
        return Err(error.during("reading back what was stored"));
    }
    Ok(artifact)
}

async fn read_back(bucket: &dyn Bucket, artifact: &Artifact) -> Result<()> {
    inspect(bucket, artifact, &crate::env::Quiet).await?.map_or(Ok(()), |damage| Err(damage.into()))
}

struct Sent {
    digests: Digests,
    plain_size: u64,
}

async fn send(upload: &dyn Upload, source: ByteStream, encoding: &Encoding, gauge: &dyn Gauge) -> Result<Sent> {
    let (inlet, items) = pipe(AHEAD);
    let (lend, empty) = mpsc::channel(PARTS + 1);
    let (full, parts) = mpsc::channel(PARTS + 1);
    let encoder = tokio::task::spawn_blocking({
        let encoding = encoding.clone();
        move || -> Result<Sent> {
            let (mut outlet, mut cutter) = (Outlet::new(items), Cutter::new(empty, full));
            encode(&mut outlet, &encoding, &mut cutter)?;
            Ok(Sent { digests: cutter.finish()?, plain_size: outlet.position() })
        }
    });
    // Whichever side fails first is the reason; the other one then only notices that its end of a pipe is gone.
    tokio::try_join!(feed(source, inlet, gauge), put(upload, lend, parts))?;
    encoder.await.map_err(|error| failed("the encoder stopped").because(error))?
}

/// Moves the source into the pipe. The end is said only once the source has said it.
async fn feed(mut source: ByteStream, inlet: mpsc::Sender<Item>, gauge: &dyn Gauge) -> Result<()> {
    loop {
        let mut block = BytesMut::with_capacity(BLOCK);
        let mut ended = false;
        while block.len() < BLOCK / 2 && !ended {
            ended = source.read_buf(&mut block).await? == 0;
        }
        gauge.add(block.len() as u64);
        // A pipe that nobody reads any more means that the encoder failed: its own error is the one to tell.
        if !block.is_empty() && inlet.send(Ok(Some(block.freeze()))).await.is_err() {
            return Ok(());
        }
        if ended {
            let _ = inlet.send(Ok(None)).await;
            return Ok(());
        }
    }
}

/// Lends empty parts and sends the full ones, several at once.
async fn put(upload: &dyn Upload, lend: mpsc::Sender<Empty>, mut full: mpsc::Receiver<Bytes>) -> Result<()> {
    let mut number = 0;
    let mut next = async |buffer: Option<BytesMut>| {
        let size = upload.part_size(number);
        number += 1;
        let mut buffer = buffer.unwrap_or_default();
        buffer.clear();
        buffer.reserve(size);
        // The encoder being gone is told by the end of the full parts.
        let _ = lend.send(Empty { size, buffer }).await;
        size
    };
    let first = next(None).await.max(1);
    for _ in 1..(IN_FLIGHT / first).clamp(2, PARTS + 1) {
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
