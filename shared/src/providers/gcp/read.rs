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
    providers::{
        again::pause,
        transfer::{self, Broken, TRIES, stream},
    },
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use crc_fast::Digest;
use std::ops::Range;

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
    let source = Source { bucket: bucket.clone(), full, generation: opened.generation, sum };
    Ok(stream(source, opened.body, start..start + wanted))
}

/// An object in one generation.
struct Source {
    bucket: Gcs,
    full: String,
    generation: String,
    /// The checksum that its bytes must have, where all of them are read, and that of those that came.
    sum: Option<(String, Digest)>,
}

#[async_trait]
impl transfer::Source for Source {
    type Body = reqwest::Response;

    fn what(&self) -> &str {
        &self.full
    }

    async fn open(&self, rest: Range<u64>) -> Result<transfer::Opened<Self::Body>> {
        let Opened { body, length, generation, .. } = open(&self.bucket, &self.full, Some(rest), Some(&self.generation)).await?;
        Ok(transfer::Opened { body, length, same: generation == self.generation })
    }

    async fn next(body: &mut Self::Body) -> Result<Option<Bytes>, Broken> {
        body.chunk().await.map_err(|error| error.without_url().into())
    }

    fn pass(&mut self, chunk: &Bytes, last: bool) -> Result<()> {
        let Some((recorded, seen)) = &mut self.sum else { return Ok(()) };
        seen.update(chunk);
        if last { compare(&self.full, Some(recorded), seen) } else { Ok(()) }
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
