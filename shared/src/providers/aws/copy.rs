//! Copies from S3 to S3: the bytes stay inside. One request up to 5 GiB, parts above.

use super::{
    bucket::{MARK, S3},
    error::{Asked, passing},
    pause,
    upload::S3Upload,
};
use crate::{
    domain::place::Scheme,
    error::{Error, Kind, Result, corrupt, failed},
    ports::{Bucket, ObjectMeta, Upload, check_key},
};
use aws_sdk_s3::types::{CompletedPart, MetadataDirective};
use futures::{TryStreamExt, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Parts that the store copies at the same time.
const AT_ONCE: usize = 8;
pub(super) const PART: u64 = 512 << 20;
const TRIES: u32 = 5;

/// What a copy source leaves as it is.
pub(super) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Copies an object inside S3; none where the source is elsewhere, or where the store cannot or may not.
pub(super) async fn copy(to: &S3, from: &dyn Bucket, source_key: &str, key: &str) -> Result<Option<ObjectMeta>> {
    if from.place().scheme() != Scheme::S3 {
        return Ok(None);
    }
    let full = to.full_key(key)?;
    check_key(source_key)?;
    if to.find(key).await?.is_some() {
        return Err(Error::new(Kind::Conflict, format!("{full} is already there")));
    }
    to.check_honest().await?;
    let Some(source) = from.head(source_key).await? else {
        return Err(Error::new(Kind::NotFound, format!("{}/{source_key} is not there", from.place())));
    };
    let root = from.place().prefix();
    let slash = if root.is_empty() { "" } else { "/" };
    let path = format!("{}/{root}{slash}{source_key}", from.place().bucket());
    let copy = Copy { to, key, full: &full, path: utf8_percent_encode(&path, PLAIN).to_string(), source };
    let copied = if copy.source.size <= to.settings().copy_at_once { copy.at_once().await } else { copy.in_parts().await };
    match copied {
        Ok(meta) => Ok(Some(meta)),
        // Another store, or no right to read from there with this role: the bytes may still pass through us.
        Err(error) if matches!(error.kind(), Kind::Unsupported | Kind::Denied | Kind::NotFound | Kind::Failed) => Ok(None),
        Err(error) => Err(error),
    }
}

struct Copy<'a> {
    to: &'a S3,
    key: &'a str,
    full: &'a str,
    path: String,
    source: ObjectMeta,
}

impl Copy<'_> {
    fn asked(&self) -> Asked<'_> {
        Asked { action: "s3:PutObject with s3:GetObject on the source", of: self.full }
    }

    async fn at_once(&self) -> Result<ObjectMeta> {
        let client = &self.to.connection().await?.client;
        let mark = format!("{:016x}{:016x}", super::chance(), super::chance());
        let mut tries = 1;
        loop {
            let request = client.copy_object().bucket(self.to.name()).key(self.full).copy_source(&self.path);
            let request = request.copy_source_if_match(&self.source.version.0).if_none_match("*");
            let request = request.metadata_directive(MetadataDirective::Replace).metadata(MARK, &mark);
            let sent = request.set_expected_bucket_owner(self.to.owner()).send().await;
            let error = match sent {
                Ok(_) => None,
                Err(error) if passing(&error) && tries < TRIES => {
                    pause(tries).await;
                    tries += 1;
                    continue;
                }
                Err(error) => Some(self.asked().refused_with(&error)),
            };
            let found = self.to.find(self.key).await?;
            return match (error, found) {
                (_, Some(found)) if found.mark.as_deref() == Some(&mark) && found.meta.size == self.source.size => Ok(found.meta),
                (None, Some(found)) if found.meta.size == self.source.size => Ok(found.meta),
                (None, _) => Err(corrupt(format!("{} was copied and is not there whole", self.full))),
                (Some(error), _) => Err(error),
            };
        }
    }

    async fn in_parts(&self) -> Result<ObjectMeta> {
        let size = self.source.size;
        let part = PART.min(self.to.settings().copy_at_once).max(5 << 20).max(size.div_ceil(9_000));
        let upload = S3Upload::new(self.to.clone(), self.key.to_owned(), self.full.to_owned(), Some(size));
        let count = u32::try_from(size.div_ceil(part)).map_err(|_| failed(format!("{} has too many parts", self.full)))?;
        let parts = stream::iter((0..count).map(Ok::<_, Error>)).try_for_each_concurrent(AT_ONCE, |number| {
            let start = u64::from(number) * part;
            self.part(&upload, number, start, (start + part).min(size))
        });
        match parts.await {
            Ok(()) => Box::new(upload).complete(size).await,
            Err(error) => {
                let _ = Box::new(upload).abort().await; // what it leaves, the sweep removes
                Err(error)
            }
        }
    }

    async fn part(&self, upload: &S3Upload, number: u32, start: u64, end: u64) -> Result<()> {
        let client = &self.to.connection().await?.client;
        let id = upload.id().await?;
        let name = i32::try_from(number + 1).unwrap_or(i32::MAX);
        let mut tries = 1;
        loop {
            let request = client.upload_part_copy().bucket(self.to.name()).key(self.full).upload_id(id).part_number(name);
            let request = request.copy_source(&self.path).copy_source_range(format!("bytes={start}-{}", end - 1));
            let request = request.copy_source_if_match(&self.source.version.0).set_expected_bucket_owner(self.to.owner());
            match request.send().await {
                Ok(copied) => {
                    let result = copied.copy_part_result.ok_or_else(|| failed(format!("part {number} of {} has no receipt", self.full)))?;
                    let part = CompletedPart::builder().part_number(name).set_e_tag(result.e_tag).set_checksum_crc32(result.checksum_crc32);
                    return upload.note(number, start, end - start, part.build());
                }
                Err(error) if passing(&error) && tries < TRIES => pause(tries).await,
                Err(error) => return Err(self.asked().refused_with(&error).during(format_args!("part {number}"))),
            }
            tries += 1;
        }
    }
}
