//! Reading from Blob Storage: an interrupted transfer goes on at its offset, and only in the very same state of the blob.

use super::{
    bucket::Blobs,
    call::{Ask, header},
};
use crate::{
    error::{Kind, Result, corrupt, failed, invalid, retry},
    ports::{ByteStream, Version},
    providers::{
        again::pause,
        transfer::{self, Broken, TRIES, stream},
    },
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::Method;
use std::ops::Range;

/// A body under way, and what its headers say.
struct Opened {
    body: reqwest::Response,
    length: u64,
    etag: String,
}

/// Returns a small object whole.
pub(super) async fn get(bucket: &Blobs, full: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
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
                    return Ok(Some((bytes.freeze(), Version(opened.etag))));
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
pub(super) async fn read(bucket: &Blobs, full: String, range: Option<Range<u64>>) -> Result<ByteStream> {
    let opened = open(bucket, &full, range.clone(), None).await?;
    let start = range.as_ref().map_or(0, |range| range.start);
    let wanted = range.as_ref().map_or(opened.length, |range| range.end - range.start);
    if opened.length != wanted {
        return Err(corrupt(format!("{full}: {} bytes came where {wanted} from {start} on were asked for", opened.length)));
    }
    let source = Source { bucket: bucket.clone(), full, etag: opened.etag };
    Ok(stream(source, opened.body, start..start + wanted))
}

/// A blob in one state.
struct Source {
    bucket: Blobs,
    full: String,
    etag: String,
}

#[async_trait]
impl transfer::Source for Source {
    type Body = reqwest::Response;

    fn what(&self) -> &str {
        &self.full
    }

    async fn open(&self, rest: Range<u64>) -> Result<transfer::Opened<Self::Body>> {
        let Opened { body, length, etag } = open(&self.bucket, &self.full, Some(rest), Some(&self.etag)).await?;
        Ok(transfer::Opened { body, length, same: etag == self.etag })
    }

    async fn next(body: &mut Self::Body) -> Result<Option<Bytes>, Broken> {
        body.chunk().await.map_err(|error| error.without_url().into())
    }
}

async fn open(bucket: &Blobs, full: &str, range: Option<Range<u64>>, etag: Option<&str>) -> Result<Opened> {
    let mut ask = Ask::new(Method::GET, full);
    if let Some(range) = range {
        ask = ask.header("x-ms-range", format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
    }
    if let Some(etag) = etag {
        ask = ask.header("if-match", etag);
    }
    let body = bucket.call().open(&ask).await.map_err(|refused| refused.told("blobs/read", full))?;
    let length = header(body.headers(), "content-length").and_then(|length| length.parse().ok());
    let length = length.ok_or_else(|| failed(format!("the store did not say how many bytes of {full} it sends")))?;
    let etag = header(body.headers(), "etag").map(str::to_owned);
    let etag = etag.ok_or_else(|| failed(format!("the store did not say the state of {full}")))?;
    Ok(Opened { body, length, etag })
}
