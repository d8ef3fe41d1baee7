//! Decrypts and decompresses, on a thread of its own; one compressed frame or several, and nothing after them.

use super::{
    Keys,
    open::Checked,
    pipe::{BLOCK, Item},
};
use crate::{
    domain::backup::{Artifact, Compression},
    error::{Error, Kind, Result, corrupt},
};
use bytes::BytesMut;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, Read};
use tokio::sync::mpsc;

/// Decodes everything that `stored` has into the pipe and returns how many bytes that were. Leaves the end unsaid.
pub(super) fn decode(stored: Checked, artifact: &Artifact, keys: &Keys, plain: &mpsc::Sender<Item>) -> Result<u64> {
    if artifact.recipients.is_empty() {
        decompress(stored, artifact, plain)
    } else {
        decompress(io::BufReader::with_capacity(BLOCK, keys.decrypt(stored, artifact)?), artifact, plain)
    }
}

fn decompress(stored: impl BufRead, artifact: &Artifact, plain: &mpsc::Sender<Item>) -> Result<u64> {
    let moved = match artifact.compression {
        Compression::Zstd => zstd::stream::read::Decoder::with_buffer(stored).and_then(|zstd| drain(zstd, plain)),
        Compression::Gzip => drain(MultiGzDecoder::new(stored), plain),
        Compression::None => drain(stored, plain),
    };
    moved.map_err(|error| {
        let error = Error::from(error);
        if error.kind() == Kind::Failed {
            return corrupt(format!("{} does not open although its bytes are as recorded", artifact.key))
                .because(error)
                .hint("it was damaged before it was stored: restore another backup");
        }
        error
    })
}

/// Moves everything from a reader into the pipe, in whole blocks.
fn drain(mut source: impl Read, plain: &mpsc::Sender<Item>) -> io::Result<u64> {
    let mut total = 0;
    let mut block = vec![0; BLOCK];
    loop {
        match source.read(&mut block) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                total += count as u64;
                let bytes = BytesMut::from(&block[..count]).freeze();
                if plain.blocking_send(Ok(Some(bytes))).is_err() {
                    return Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads any more"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
