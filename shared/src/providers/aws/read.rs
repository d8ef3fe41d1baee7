//! Reading from S3: an interrupted transfer goes on at its offset, and only from the very same object.

use super::{bucket::S3, error::Asked, pause};
use crate::{
    error::{Error, Kind, Result, corrupt, failed, invalid},
    ports::{ByteStream, Version},
    providers::transfer::{self, Broken, TRIES, stream},
};
use async_trait::async_trait;
use aws_sdk_s3::{operation::get_object::GetObjectOutput, primitives::ByteStream as Body};
use bytes::Bytes;
use std::ops::Range;

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
    let source = Source { bucket: bucket.clone(), full, version };
    Ok(stream(source, opened.body, start..start + wanted))
}

/// An object in one state.
struct Source {
    bucket: S3,
    full: String,
    version: String,
}

#[async_trait]
impl transfer::Source for Source {
    type Body = Body;

    fn what(&self) -> &str {
        &self.full
    }

    async fn open(&self, rest: Range<u64>) -> Result<transfer::Opened<Body>> {
        let opened = open(&self.bucket, &self.full, Some(rest), Some(&self.version)).await?;
        // Not every store heeds If-Match, nor Range.
        let same = opened.e_tag() == Some(&self.version);
        // Of another object, nobody needs the length.
        let length = if same { length(&self.full, &opened)? } else { 0 };
        Ok(transfer::Opened { length, same, body: opened.body })
    }

    async fn next(body: &mut Body) -> Result<Option<Bytes>, Broken> {
        Ok(body.next().await.transpose()?)
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
