//! From a source into a bucket, and back again to see that it is there.

use super::{
    Encoding,
    digest::Digests,
    encode::encode,
    inspect::verify,
    pipe::{BLOCK, Item},
    upload::through,
};
use crate::{
    domain::backup::{Artifact, Role},
    env::{Gauge, Quiet},
    error::{During, Result},
    ports::{Bucket, ByteStream, Upload},
};
use bytes::BytesMut;
use tokio::{io::AsyncReadExt, sync::mpsc};

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
    if let Err(error) = verify(bucket, &artifact, &Quiet).await {
        let _ = bucket.delete(key).await;
        return Err(error.during("reading back what was stored"));
    }
    Ok(artifact)
}

struct Sent {
    digests: Digests,
    plain_size: u64,
}

async fn send(upload: &dyn Upload, source: ByteStream, encoding: &Encoding, gauge: &dyn Gauge) -> Result<Sent> {
    let at_once = encoding.at_once;
    let encoding = encoding.clone();
    through(
        upload,
        AHEAD,
        at_once,
        async move |inlet| feed(source, inlet, gauge).await,
        move |mut outlet, mut cutter| {
            encode(&mut outlet, &encoding, &mut cutter)?;
            Ok(Sent { digests: cutter.finish()?, plain_size: outlet.position() })
        },
    )
    .await
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
