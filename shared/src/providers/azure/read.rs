//! Reading from Blob Storage: an interrupted transfer goes on at its offset, and only in the very same state of the blob.

use super::{
    bucket::Blobs,
    call::{Ask, header},
};
use crate::{
    error::{Kind, Result, corrupt, failed, invalid, retry},
    ports::{ByteStream, Version},
    providers::{again::pause, whole::Whole},
};
use bytes::{Bytes, BytesMut};
use reqwest::Method;
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
    let (send, receive) = mpsc::channel(AHEAD);
    let transfer = Transfer { bucket: bucket.clone(), full: full.clone(), etag: opened.etag, rest: start..start + wanted };
    tokio::spawn(transfer.run(opened.body, send));
    let chunks = futures::stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|chunk| (chunk, receive)) });
    Ok(Box::pin(Whole { what: full, left: wanted, inner: StreamReader::new(Box::pin(chunks)) }))
}

/// A transfer under way.
struct Transfer {
    bucket: Blobs,
    full: String,
    etag: String,
    rest: Range<u64>,
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
                    if send.send(Ok(chunk)).await.is_err() {
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

    /// Opens what is still to come, if it is still the same object.
    async fn reopen(&self) -> Result<reqwest::Response> {
        let replaced = || corrupt(format!("{} was replaced or removed while it was read", self.full));
        match open(&self.bucket, &self.full, Some(self.rest.clone()), Some(&self.etag)).await {
            Ok(opened) if opened.etag != self.etag => Err(replaced()),
            Ok(opened) if opened.length == self.rest.end - self.rest.start => Ok(opened.body),
            Ok(_) => Err(failed(format!("reading {}: the store does not go on where it was asked to", self.full))),
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => Err(replaced()),
            Err(error) => Err(error),
        }
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
