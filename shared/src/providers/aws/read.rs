//! Reading from S3: an interrupted transfer goes on at its offset, and only from the very same object.

use super::{bucket::S3, error::Asked, pause};
use crate::{
    error::{Error, Kind, Result, corrupt, failed, invalid},
    ports::{ByteStream, Version},
    providers::whole::Whole,
};
use aws_sdk_s3::{operation::get_object::GetObjectOutput, primitives::ByteStream as Body};
use bytes::Bytes;
use std::{io, ops::Range};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

/// How often a transfer may break without a byte of progress in between.
const TRIES: u32 = 5;

/// Chunks read ahead while the reader is busy. The connection hands out up to 400 KiB at a time, so at most about 3 MiB.
const AHEAD: usize = 8;

/// Returns a small object whole.
pub(super) async fn get(bucket: &S3, full: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
    let mut tries = 1;
    loop {
        let opened = match open(bucket, full, None, None).await {
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            opened => opened?,
        };
        let size = length(full, &opened)?;
        if size > most {
            return Err(invalid(format!("{full} has {size} bytes, more than {most}")));
        }
        let version = Version(opened.e_tag.unwrap_or_default());
        match opened.body.collect().await.map(aws_sdk_s3::primitives::AggregatedBytes::into_bytes) {
            Ok(bytes) if bytes.len() as u64 == size => return Ok(Some((bytes, version))),
            Ok(_) if tries == TRIES => return Err(corrupt(format!("reading {full}: it ends early, again and again"))),
            Err(error) if tries == TRIES => return Err(Error::new(Kind::Retry, format!("reading {full}")).because(error)),
            _ => pause(tries).await,
        }
        tries += 1;
    }
}

/// Opens an object, or a range of it that is not empty.
pub(super) async fn read(bucket: &S3, full: String, range: Option<Range<u64>>) -> Result<ByteStream> {
    let opened = open(bucket, &full, range.clone(), None).await?;
    let came = length(&full, &opened)?;
    let start = range.as_ref().map_or(0, |range| range.start);
    let wanted = range.map_or(came, |range| range.end - range.start);
    if came != wanted {
        return Err(corrupt(format!("{full}: {came} bytes came where {wanted} from {start} on were asked for")));
    }
    let version = opened.e_tag.filter(|etag| !etag.is_empty()).ok_or_else(|| failed(format!("{full} has no state")))?;
    let (send, receive) = mpsc::channel(AHEAD);
    let transfer = Transfer { bucket: bucket.clone(), full: full.clone(), version, rest: start..start + wanted };
    tokio::spawn(transfer.run(opened.body, send));
    let chunks = futures::stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|chunk| (chunk, receive)) });
    Ok(Box::pin(Whole { what: full, left: wanted, inner: StreamReader::new(Box::pin(chunks)) }))
}

/// A transfer under way.
struct Transfer {
    bucket: S3,
    full: String,
    version: String,
    rest: Range<u64>,
}

impl Transfer {
    /// Hands every chunk on, opening the rest anew when the connection breaks. Ends when nobody reads any more.
    async fn run(mut self, mut body: Body, send: mpsc::Sender<io::Result<Bytes>>) {
        let mut tries = 1;
        while !self.rest.is_empty() {
            let broken = match body.next().await {
                Some(Ok(mut chunk)) => {
                    let left = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX);
                    chunk.truncate(left);
                    self.rest.start += chunk.len() as u64;
                    tries = 1;
                    if send.send(Ok(chunk)).await.is_err() {
                        return;
                    }
                    continue;
                }
                Some(Err(error)) => Error::new(Kind::Retry, format!("reading {}", self.full)).because(error),
                None => Error::new(Kind::Retry, format!("reading {}: the connection ended early", self.full)),
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
}

impl Transfer {
    /// Opens what is still to come, if it is still the same object.
    async fn reopen(&self) -> Result<Body> {
        match open(&self.bucket, &self.full, Some(self.rest.clone()), Some(&self.version)).await {
            // Not every store heeds If-Match, nor Range.
            Ok(opened) if opened.e_tag() != Some(&self.version) => Err(self.replaced()),
            Ok(opened) if length(&self.full, &opened)? == self.rest.end - self.rest.start => Ok(opened.body),
            Ok(_) => Err(failed(format!("reading {}: the store does not go on where it was asked to", self.full))),
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => Err(self.replaced()),
            Err(error) => Err(error),
        }
    }

    fn replaced(&self) -> Error {
        corrupt(format!("{} was replaced or removed while it was read", self.full))
    }
}

async fn open(bucket: &S3, full: &str, range: Option<Range<u64>>, version: Option<&str>) -> Result<GetObjectOutput> {
    let request = bucket.connection().await?.client.get_object().bucket(bucket.name()).key(full);
    let request = request
        .set_range(range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1))))
        .set_if_match(version.map(str::to_owned))
        .set_expected_bucket_owner(bucket.owner());
    request.send().await.map_err(|error| Asked { action: "s3:GetObject", of: full }.refused_with(&error))
}

fn length(full: &str, opened: &GetObjectOutput) -> Result<u64> {
    let length = opened.content_length().and_then(|length| u64::try_from(length).ok());
    length.ok_or_else(|| failed(format!("the store did not say how many bytes of {full} it sends")))
}
