//! Reading from Cloud Storage: an interrupted transfer goes on at its offset, in the very same generation, and a whole object
//! must have the CRC32C that the store says.

use super::{
    bucket::Gcs,
    call::Ask,
    object::{checksum, in_header, written},
};
use crate::{
    error::{Error, Kind, Result, corrupt, failed, invalid, retry},
    ports::{ByteStream, Version},
    providers::{again::pause, whole::Whole},
};
use bytes::{Bytes, BytesMut};
use crc_fast::Digest;
use std::{io, ops::Range};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

/// How often a transfer may break without a byte of progress in between.
const TRIES: u32 = 5;
/// Chunks read ahead while the reader is busy: at most about 3 MiB.
const AHEAD: usize = 8;

/// A body under way, and what its headers say.
struct Opened {
    body: reqwest::Response,
    length: u64,
    generation: String,
    checksum: Option<String>,
}

/// Returns a small object whole.
pub(super) async fn get(bucket: &Gcs, full: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
    let mut tries = 1;
    loop {
        let mut opened = match open(bucket, full, None, None).await {
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            opened => opened?,
        };
        if opened.length > most {
            return Err(invalid(format!("{full} has {} bytes, more than {most}", opened.length)));
        }
        let mut bytes = BytesMut::new();
        let broken = loop {
            match opened.body.chunk().await {
                Ok(Some(chunk)) if (bytes.len() + chunk.len()) as u64 <= opened.length => bytes.extend_from_slice(&chunk),
                Ok(Some(_)) => break corrupt(format!("reading {full}: it has more bytes than it should")),
                Ok(None) if bytes.len() as u64 == opened.length => {
                    let mut seen = checksum();
                    seen.update(&bytes);
                    if let Err(error) = compare(full, opened.checksum.as_deref(), &seen) {
                        break error;
                    }
                    return Ok(Some((bytes.freeze(), Version(opened.generation))));
                }
                Ok(None) => break retry(format!("reading {full}: it ends early")),
                Err(error) => break retry(format!("reading {full}")).because(error.without_url()),
            }
        };
        if tries == TRIES {
            return Err(broken);
        }
        pause(tries).await;
        tries += 1;
    }
}

/// Opens an object, or a range of it that is not empty.
pub(super) async fn read(bucket: &Gcs, full: String, range: Option<Range<u64>>) -> Result<ByteStream> {
    let opened = open(bucket, &full, range.clone(), None).await?;
    let start = range.as_ref().map_or(0, |range| range.start);
    let wanted = range.as_ref().map_or(opened.length, |range| range.end - range.start);
    if opened.length != wanted {
        return Err(corrupt(format!("{full}: {} bytes came where {wanted} from {start} on were asked for", opened.length)));
    }
    // The store's checksum is that of the whole object.
    let sum = opened.checksum.filter(|_| range.is_none()).map(|recorded| (recorded, checksum()));
    let (send, receive) = mpsc::channel(AHEAD);
    let transfer = Transfer { bucket: bucket.clone(), full: full.clone(), generation: opened.generation, rest: start..start + wanted, sum };
    tokio::spawn(transfer.run(opened.body, send));
    let chunks = futures::stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|chunk| (chunk, receive)) });
    Ok(Box::pin(Whole { what: full, left: wanted, inner: StreamReader::new(Box::pin(chunks)) }))
}

/// A transfer under way.
struct Transfer {
    bucket: Gcs,
    full: String,
    generation: String,
    rest: Range<u64>,
    sum: Option<(String, Digest)>,
}

impl Transfer {
    /// Hands every chunk on, opening the rest anew when the connection breaks. Ends when nobody reads any more.
    async fn run(mut self, mut body: reqwest::Response, send: mpsc::Sender<io::Result<Bytes>>) {
        let mut tries = 1;
        while !self.rest.is_empty() {
            let broken = match body.chunk().await {
                Ok(Some(mut chunk)) => {
                    chunk.truncate(usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX));
                    self.rest.start += chunk.len() as u64;
                    tries = 1;
                    if let Some((_, seen)) = &mut self.sum {
                        seen.update(&chunk);
                    }
                    // The last chunk is only handed on when all of them were good.
                    let checked = if self.rest.is_empty() { self.compare() } else { Ok(()) };
                    if send.send(checked.map(|()| chunk).map_err(io::Error::from)).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(None) => retry(format!("reading {}: the connection ended early", self.full)),
                Err(error) => retry(format!("reading {}", self.full)).because(error.without_url()),
            };
            if tries == TRIES {
                let _ = send.send(Err(broken.into())).await;
                return;
            }
            pause(tries).await;
            tries += 1;
            match self.reopen().await {
                Ok(again) => body = again,
                Err(error) => {
                    let _ = send.send(Err(error.into())).await;
                    return;
                }
            }
        }
    }

    fn compare(&self) -> Result<()> {
        self.sum.as_ref().map_or(Ok(()), |(recorded, seen)| compare(&self.full, Some(recorded), seen))
    }

    /// Opens what is still to come, if it is still the same object.
    async fn reopen(&self) -> Result<reqwest::Response> {
        let replaced = || corrupt(format!("{} was replaced or removed while it was read", self.full));
        match open(&self.bucket, &self.full, Some(self.rest.clone()), Some(&self.generation)).await {
            Ok(opened) if opened.generation != self.generation => Err(replaced()),
            Ok(opened) if opened.length == self.rest.end - self.rest.start => Ok(opened.body),
            Ok(_) => Err(failed(format!("reading {}: the store does not go on where it was asked to", self.full))),
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => Err(replaced()),
            Err(error) => Err(error),
        }
    }
}

fn compare(full: &str, recorded: Option<&str>, seen: &Digest) -> Result<()> {
    let seen = written(seen.finalize());
    match recorded {
        Some(recorded) if recorded != seen => {
            Err(Error::new(Kind::Corrupt, format!("reading {full}: its bytes have CRC32C {seen}, and should have {recorded}")))
        }
        _ => Ok(()),
    }
}

async fn open(bucket: &Gcs, full: &str, range: Option<Range<u64>>, generation: Option<&str>) -> Result<Opened> {
    // Without the second, what was stored with gzip would be unpacked on its way, and its size and checksum would not be its own.
    let mut ask = Ask::get(bucket.path_of(full)).query("alt", "media").header("accept-encoding", "gzip");
    if let Some(range) = range {
        ask = ask.header("range", format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
    }
    if let Some(generation) = generation {
        ask = ask.query("generation", generation);
    }
    let body = bucket.call().open(&ask).await.map_err(|refused| refused.told("storage.objects.get", full))?;
    let header = |name: &str| body.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let length = header("content-length").and_then(|length| length.parse().ok());
    let length = length.ok_or_else(|| failed(format!("the store did not say how many bytes of {full} it sends")))?;
    let generation = header("x-goog-generation").ok_or_else(|| failed(format!("the store did not say the generation of {full}")))?;
    // Checksums may come in one header or in one each.
    let mut checksums = body.headers().get_all("x-goog-hash").iter();
    let checksum = checksums.find_map(|value| in_header(value.to_str().ok()?)).map(str::to_owned);
    Ok(Opened { body, length, generation, checksum })
}
