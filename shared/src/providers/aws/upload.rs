//! Uploads to S3: one request for what fits in a part, a multipart upload for the rest.
//!
//! S3 wants at most 10,000 parts of 5 MiB to 5 GiB ([`part_size`]).
//! At most 64 MiB of parts (or one larger part) are on their way at a time, whatever the caller sends at once.

use super::{
    bucket::{MARK, S3},
    error::{Asked, code, passing, status},
    pause,
};
use crate::{
    error::{Error, Kind, Result, corrupt, failed, invalid},
    ports::{If, ObjectMeta, Upload},
    providers::parts::{IN_FLIGHT, MOST_PARTS, Parts, part_size},
};
use async_trait::async_trait;
use aws_sdk_s3::{
    primitives::ByteStream as Body,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;
use tokio::sync::{Mutex, OnceCell, Semaphore};

const TRIES: u32 = 5;

/// One object on its way. Nothing is asked of S3 before there is more than one part.
pub(super) struct S3Upload {
    bucket: S3,
    key: String,
    full: String,
    expected: Option<u64>,
    mark: String,
    id: OnceCell<String>,
    /// A first part that is smaller than parts are: it is the whole object.
    only: Mutex<Option<Bytes>>,
    parts: Parts<CompletedPart>,
    room: Semaphore,
}

impl S3Upload {
    pub(super) fn new(bucket: S3, key: String, full: String, expected: Option<u64>) -> Self {
        let mark = format!("{:016x}{:016x}", super::chance(), super::chance());
        let (id, only, parts) = (OnceCell::new(), Mutex::default(), Parts::default());
        Self { bucket, key, full, expected, mark, id, only, parts, room: Semaphore::new(IN_FLIGHT as usize) }
    }

    fn asked(&self, action: &'static str) -> Asked<'_> {
        Asked { action, of: &self.full }
    }

    /// Returns the id of the multipart upload, which the first that asks begins.
    pub(super) async fn id(&self) -> Result<&str> {
        let begin = async || {
            let connection = self.bucket.connection().await?;
            let request = connection.client.create_multipart_upload().bucket(self.bucket.name()).key(&self.full);
            let request = request.metadata(MARK, &self.mark).set_checksum_algorithm(connection.part_checksum.clone());
            let begun = request.set_expected_bucket_owner(self.bucket.owner()).send().await;
            let begun = begun.map_err(|error| self.asked("s3:PutObject").refused_with(&error))?;
            begun.upload_id.ok_or_else(|| failed(format!("the store gave the upload of {} no id", self.full)))
        };
        Ok(self.id.get_or_try_init(begin).await?)
    }

    /// Takes note of a part that the store made by itself.
    pub(super) fn note(&self, number: u32, offset: u64, len: u64, part: CompletedPart) -> Result<()> {
        self.parts.add(number, offset, usize::try_from(len).unwrap_or(usize::MAX), part)
    }

    async fn send(&self, number: u32, bytes: Bytes) -> Result<CompletedPart> {
        let id = self.id().await?;
        let connection = self.bucket.connection().await?;
        let name = i32::try_from(number + 1).unwrap_or(i32::MAX);
        let mut tries = 1;
        loop {
            let request = connection.client.upload_part().bucket(self.bucket.name()).key(&self.full).upload_id(id).part_number(name);
            let request = request.set_checksum_algorithm(connection.part_checksum.clone()).body(Body::from(bytes.clone()));
            match request.set_expected_bucket_owner(self.bucket.owner()).send().await {
                Ok(sent) => {
                    let part = CompletedPart::builder().part_number(name).set_e_tag(sent.e_tag).set_checksum_crc32(sent.checksum_crc32);
                    return Ok(part.build());
                }
                Err(error) if passing(&error) && tries < TRIES => pause(tries).await,
                Err(error) => return Err(self.asked("s3:PutObject").refused_with(&error).during(format_args!("part {number}"))),
            }
            tries += 1;
        }
    }

    /// Puts the object there in one request.
    async fn put_whole(&self, bytes: Bytes) -> Result<()> {
        self.bucket.write(&self.full, &bytes, &If::Absent, &self.mark).await.map(|_| ())
    }

    /// Asks the store to make the object out of its parts, until it says yes or no.
    ///
    /// An error inside a 200 is an error to the SDK, which tries again as after a 500. The reply to a request that
    /// succeeded may be lost; then the next one hears that there is no such upload, or that the object exists. Only a look
    /// at the object decides, so every answer that is not plain is an error here and [`Upload::complete`] looks.
    async fn join(&self, parts: Vec<CompletedPart>, size: u64) -> Result<()> {
        let (id, client) = (self.id().await?, &self.bucket.connection().await?.client);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let (mut tries, mut condition) = (1, Some("*".to_owned()));
        loop {
            let request = client.complete_multipart_upload().bucket(self.bucket.name()).key(&self.full).upload_id(id);
            let request = request.multipart_upload(parts.clone()).set_if_none_match(condition.clone());
            let request = request.set_mpu_object_size(i64::try_from(size).ok()).set_expected_bucket_owner(self.bucket.owner());
            let Err(error) = request.send().await else { return Ok(()) };
            // A store that does not know conditions here: the object was seen to be absent a moment ago, in `complete`.
            if condition.is_some() && (status(&error) == 501 || code(&error) == "NotImplemented") {
                condition = None;
                continue;
            }
            if !passing(&error) || tries == TRIES {
                return Err(self.asked("s3:PutObject").refused_with(&error));
            }
            pause(tries).await;
            tries += 1;
        }
    }

    /// Gives up what the store holds of it.
    async fn give_up(&self) -> Result<()> {
        match self.id.get() {
            Some(id) => self.bucket.abort(&self.full, id).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Upload for S3Upload {
    fn part_size(&self, number: u32) -> usize {
        usize::try_from(part_size(self.expected, number)).unwrap_or(usize::MAX)
    }

    async fn put_part(&self, number: u32, offset: u64, bytes: Bytes) -> Result<()> {
        if number >= MOST_PARTS {
            return Err(invalid(format!("{} has more than {MOST_PARTS} parts", self.full)));
        }
        let length = bytes.len();
        if number == 0 && length < self.part_size(0) {
            *self.only.lock().await = Some(bytes);
            return self.parts.add(0, offset, length, CompletedPart::builder().build());
        }
        let mib = u32::try_from(length.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, IN_FLIGHT);
        let _room = self.room.acquire_many(mib).await.map_err(|error| failed("the upload was closed").because(error))?;
        let part = self.send(number, bytes).await?;
        self.parts.add(number, offset, length, part)
    }

    async fn complete(self: Box<Self>, size: u64) -> Result<ObjectMeta> {
        let parts = match self.parts.tiling(size) {
            Ok(parts) => parts,
            Err(error) => {
                let _ = self.give_up().await; // what it leaves, the sweep removes
                return Err(error.during(format_args!("completing {}", self.full)));
            }
        };
        let only = self.only.lock().await.take();
        let joined = match only {
            Some(bytes) if parts.len() == 1 => self.put_whole(bytes).await,
            Some(_) => Err(failed(format!("part 0 of {} was too small not to be the last", self.full))),
            None if parts.is_empty() => self.put_whole(Bytes::new()).await,
            // Not every store knows conditions here, so look first; at Amazon the condition decides.
            None if self.bucket.connection().await?.foreign && self.bucket.find(&self.key).await?.is_some() => {
                Err(Error::new(Kind::Conflict, format!("{} is already there", self.full)))
            }
            None => self.join(parts, size).await,
        };
        // Whatever the reply was: what stands there, of which size and by whose hand, decides.
        let outcome = match (joined, self.bucket.find(&self.key).await?) {
            (_, Some(found)) if found.mark.as_deref() == Some(&self.mark) => match found.meta.size {
                stored if stored == size => return Ok(found.meta),
                stored => corrupt(format!("{} has {stored} bytes after its upload, and should have {size}", self.full)),
            },
            // Some stores drop metadata of multipart uploads: a plain yes and the right size will do.
            (Ok(()), Some(found)) if found.mark.is_none() && found.meta.size == size => return Ok(found.meta),
            (Ok(()), _) => corrupt(format!("{} was completed and is not there", self.full)),
            (Err(error), None) => error,
            (Err(error), Some(_)) => Error::new(Kind::Conflict, format!("{} is already there", self.full)).because(error),
        };
        if outcome.kind() != Kind::Retry {
            let _ = self.give_up().await; // what it leaves, the sweep removes
        }
        Err(outcome)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.give_up().await
    }
}
