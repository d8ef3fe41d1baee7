//! Classes of storage of S3: moving an object to one where it lies, and bringing it back from an archive.
//!
//! An object is moved by copying it onto itself, on the condition that it is still what was read back. In a bucket that keeps
//! versions its former self stays as one, in the class that it had, until a rule removes it.

use super::{
    bucket::{MARK, S3},
    copy::{PART, PLAIN},
    error::{Asked, code, passing},
    pause,
};
use crate::{
    domain::{
        archive::{Haste, Readiness, StorageClass},
        place::Scheme,
    },
    error::{Error, Kind, Result, failed, not_found},
};
use aws_sdk_s3::{
    operation::head_object::HeadObjectOutput,
    types::{
        CompletedMultipartUpload, CompletedPart, GlacierJobParameters, MetadataDirective, RestoreRequest, StorageClass as Named, Tier,
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use percent_encoding::utf8_percent_encode;

const TRIES: u32 = 5;
/// Parts that the store copies at the same time.
const AT_ONCE: usize = 8;
/// For how many days a recalled object can be read.
const DAYS: i32 = 7;

fn class_of(head: &HeadObjectOutput) -> Result<StorageClass> {
    // S3 leaves the header out for its standard class.
    StorageClass::of(Scheme::S3, head.storage_class().map_or("STANDARD", Named::as_str))
}

/// How an object can be read.
pub(super) async fn readiness(bucket: &S3, key: &str) -> Result<Option<Readiness>> {
    let Some(head) = bucket.look(key).await? else { return Ok(None) };
    let restore = head.restore().unwrap_or_default();
    // Classes that this build does not know are read at once, as far as it knows.
    let class = class_of(&head).ok().filter(|class| class.is_archive() || head.archive_status().is_some());
    Ok(Some(match class {
        None => Readiness::Now,
        Some(class) if restore.contains("ongoing-request=\"true\"") => Readiness::Coming(class),
        Some(_) if restore.contains("ongoing-request=\"false\"") => Readiness::Now,
        Some(class) => Readiness::Archived(class),
    }))
}

/// Asks for an archived object; one that was asked for is a success.
pub(super) async fn recall(bucket: &S3, key: &str, haste: Haste) -> Result<()> {
    let full = bucket.full_key(key)?;
    let asked = Asked { action: "s3:RestoreObject", of: &full };
    let tier = match haste {
        Haste::Expedited => Tier::Expedited,
        Haste::Standard => Tier::Standard,
        Haste::Bulk => Tier::Bulk,
    };
    let job = GlacierJobParameters::builder().tier(tier).build().map_err(|error| failed("asking for a recall").because(error))?;
    let request = RestoreRequest::builder().days(DAYS).glacier_job_parameters(job).build();
    let mut tries = 1;
    loop {
        let ask = bucket.connection().await?.client.restore_object().bucket(bucket.name()).key(&full).restore_request(request.clone());
        let Err(error) = ask.set_expected_bucket_owner(bucket.owner()).send().await else { return Ok(()) };
        if code(&error) == "RestoreAlreadyInProgress" {
            return Ok(());
        }
        if !passing(&error) || tries == TRIES {
            return Err(asked.refused_with(&error));
        }
        pause(tries).await;
        tries += 1;
    }
}

/// Moves an object to a class where it lies.
pub(super) async fn reclass(bucket: &S3, key: &str, class: StorageClass) -> Result<()> {
    let full = bucket.full_key(key)?;
    let seen = async || bucket.look(key).await?.ok_or_else(|| not_found(format!("{full} is not there")));
    let head = seen().await?;
    if class_of(&head).is_ok_and(|there| there == class) {
        return Ok(());
    }
    let etag = head.e_tag().filter(|etag| !etag.is_empty()).ok_or_else(|| failed(format!("{full} has no state")))?;
    let size = head.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    let mark = head.metadata().and_then(|metadata| metadata.get(MARK)).cloned().unwrap_or_default();
    let source = utf8_percent_encode(&format!("{}/{full}", bucket.name()), PLAIN).to_string();
    let onto = Onto { bucket, full: &full, source, etag, class: Named::from(class.name()), mark };
    let moved = if size <= bucket.settings().copy_at_once { onto.at_once().await } else { onto.in_parts(size).await };
    // Whatever the reply was: where it lies decides.
    let now = seen().await?;
    let whole = now.content_length() == head.content_length();
    match moved {
        _ if whole && class_of(&now).is_ok_and(|there| there == class) => Ok(()),
        Ok(()) => Err(failed(format!("{full} was moved to {class} and does not lie there"))),
        Err(error) => Err(error),
    }
}

/// An object on its way into another class.
struct Onto<'a> {
    bucket: &'a S3,
    full: &'a str,
    source: String,
    etag: &'a str,
    class: Named,
    mark: String,
}

impl Onto<'_> {
    fn told(&self, error: Error) -> Error {
        error.during(format_args!("moving it to {}", self.class.as_str()))
    }

    fn asked(&self) -> Asked<'_> {
        Asked { action: "s3:PutObject with s3:GetObject", of: self.full }
    }

    async fn at_once(&self) -> Result<()> {
        let mut tries = 1;
        loop {
            let ask = self.bucket.connection().await?.client.copy_object().bucket(self.bucket.name()).key(self.full);
            let ask = ask.copy_source(&self.source).copy_source_if_match(self.etag).storage_class(self.class.clone());
            let ask = ask.metadata_directive(MetadataDirective::Copy).set_expected_bucket_owner(self.bucket.owner());
            let Err(error) = ask.send().await else { return Ok(()) };
            if !passing(&error) || tries == TRIES {
                return Err(self.told(self.asked().refused_with(&error)));
            }
            pause(tries).await;
            tries += 1;
        }
    }

    /// Above 5 GiB S3 copies only in parts.
    async fn in_parts(&self, size: u64) -> Result<()> {
        let client = &self.bucket.connection().await?.client;
        let request = client.create_multipart_upload().bucket(self.bucket.name()).key(self.full).storage_class(self.class.clone());
        let answer = request.metadata(MARK, &self.mark).set_expected_bucket_owner(self.bucket.owner()).send().await;
        let answer = answer.map_err(|error| self.told(self.asked().refused_with(&error)))?;
        let id = answer.upload_id.ok_or_else(|| failed(format!("the store gave the copy of {} no id", self.full)))?;
        let joined = async {
            let part = PART.min(self.bucket.settings().copy_at_once).max(5 << 20).max(size.div_ceil(9_000));
            let parts = (0..size.div_ceil(part)).map(|number| self.part(&id, number, number * part, ((number + 1) * part).min(size)));
            let parts: Vec<_> = stream::iter(parts.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
            let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
            let join = client.complete_multipart_upload().bucket(self.bucket.name()).key(self.full).upload_id(&id);
            let join = join.multipart_upload(parts).if_match(self.etag).set_expected_bucket_owner(self.bucket.owner());
            join.send().await.map(|_| ()).map_err(|error| self.told(self.asked().refused_with(&error)))
        };
        let joined = joined.await;
        if joined.as_ref().is_err_and(|error| error.kind() != Kind::Retry) {
            let _ = self.bucket.abort(self.full, &id).await; // what it leaves, the sweep removes
        }
        joined
    }

    async fn part(&self, id: &str, number: u64, start: u64, end: u64) -> Result<CompletedPart> {
        let name = i32::try_from(number + 1).map_err(|_| failed(format!("{} has too many parts", self.full)))?;
        let mut tries = 1;
        loop {
            let ask = self.bucket.connection().await?.client.upload_part_copy().bucket(self.bucket.name()).key(self.full);
            let ask = ask.upload_id(id).part_number(name).copy_source(&self.source).copy_source_if_match(self.etag);
            let ask = ask.copy_source_range(format!("bytes={start}-{}", end - 1)).set_expected_bucket_owner(self.bucket.owner());
            match ask.send().await {
                Ok(copied) => {
                    let result = copied.copy_part_result.ok_or_else(|| failed(format!("part {number} of {} has no receipt", self.full)))?;
                    return Ok(CompletedPart::builder().part_number(name).set_e_tag(result.e_tag).build());
                }
                Err(error) if passing(&error) && tries < TRIES => pause(tries).await,
                Err(error) => return Err(self.told(self.asked().refused_with(&error))),
            }
            tries += 1;
        }
    }
}
