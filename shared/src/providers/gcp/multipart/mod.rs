//! Uploads to Cloud Storage with many parts at once: a multipart upload of the XML interface under a name in the store's own
//! folder, and one atomic move to the key, which must be free. Why it is done so, and where not: [`super::way`].
//!
//! Every part goes with its CRC32C, which the store compares. The CRC32C of the whole is put together from theirs and compared
//! with what the store says of the object, before it is moved and after. Until then it is under no key that anybody lists, and
//! what a killed run leaves, [`sweep`] removes.

mod sweep;
mod xml;

pub(super) use sweep::sweep;

use super::{
    bucket::Gcs,
    call::{Ask, Reply, escaped},
    object::{FIELDS, MARK_HEADER, Object, crc_of, in_header, joined, written},
    write,
};
use crate::{
    error::{Error, Kind, Result, conflict, corrupt, failed, invalid},
    ports::{If, ObjectMeta, RESERVED, Upload},
    providers::{
        again::mark,
        parts::{IN_FLIGHT, MOST_PARTS, Parts, part_size},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use tokio::sync::{Mutex, OnceCell, Semaphore};

const PERMISSION: &str = "storage.multipartUploads.create";

/// The folder of objects that are on their way, below a place's root.
fn folder(bucket: &Gcs) -> String {
    format!("{}{RESERVED}/uploads/", bucket.root())
}

/// The address of an object by the XML interface.
fn address(bucket: &Gcs, name: &str) -> String {
    format!("/{}/{}", escaped(bucket.name()), escaped(name))
}

/// What the end must hear of a part again.
#[derive(Debug, Clone)]
struct Receipt {
    number: u32,
    etag: String,
    crc: u64,
    length: u64,
}

/// One object on its way. Nothing is asked of Google before there is a whole part.
pub(super) struct AtOnce {
    bucket: Gcs,
    key: String,
    full: String,
    /// Where it appears first.
    early: String,
    expected: Option<u64>,
    mark: String,
    id: OnceCell<String>,
    /// A first part that is smaller than parts are: it is the whole object.
    only: Mutex<Option<Bytes>>,
    parts: Parts<Receipt>,
    room: Semaphore,
}

impl AtOnce {
    pub(super) fn new(bucket: Gcs, key: String, full: String, expected: Option<u64>) -> Self {
        let mark = mark();
        let early = format!("{}{mark}", folder(&bucket));
        let (id, only, parts) = (OnceCell::new(), Mutex::default(), Parts::default());
        Self { bucket, key, full, early, expected, mark, id, only, parts, room: Semaphore::new(IN_FLIGHT as usize) }
    }

    async fn ask(&self, ask: &Ask, permission: &str) -> Result<Reply> {
        self.bucket.call().ask(ask).await.map_err(|refused| refused.told(permission, &self.full))
    }

    /// Returns the id of the upload, which the first that asks begins.
    async fn id(&self) -> Result<&str> {
        let begin = async || {
            let ask = Ask::new(Method::POST, address(&self.bucket, &self.early)).query("uploads", "");
            let ask = ask.header("content-type", "application/octet-stream").header(MARK_HEADER, self.mark.clone());
            let begun = self.ask(&ask, PERMISSION).await?;
            xml::upload_id(&begun.body).ok_or_else(|| failed(format!("the store gave the upload of {} no id", self.full)))
        };
        Ok(self.id.get_or_try_init(begin).await?)
    }

    async fn send(&self, number: u32, bytes: Bytes) -> Result<Receipt> {
        let (crc, length) = (crc_of(&bytes), bytes.len() as u64);
        let ask = Ask::new(Method::PUT, address(&self.bucket, &self.early))
            .query("partNumber", (number + 1).to_string())
            .query("uploadId", self.id().await?)
            .header("x-goog-hash", format!("crc32c={}", written(crc)))
            .body(bytes);
        let sent = self.ask(&ask, PERMISSION).await?;
        let header = |name: &str| sent.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        if let Some(stored) = header("x-goog-hash").find_map(in_header)
            && stored != written(crc)
        {
            return Err(corrupt(format!("the store holds part {number} of {} with CRC32C {stored}", self.full)));
        }
        let etag = header("etag").next().map(str::to_owned);
        let etag = etag.ok_or_else(|| failed(format!("the store gave part {number} of {} no receipt", self.full)))?;
        Ok(Receipt { number: number + 1, etag, crc, length })
    }

    /// Puts the parts together under the early name. Whatever the reply was, what stands there decides.
    async fn join(&self, parts: &[Receipt], size: u64, sum: &str) -> Result<Object> {
        let ask = Ask::new(Method::POST, address(&self.bucket, &self.early)).query("uploadId", self.id().await?);
        let list = xml::list(parts.iter().map(|part| (part.number, part.etag.as_str())));
        let joined = self.ask(&ask.header("content-type", "application/xml").body(list.into()), PERMISSION).await;
        match (joined, self.bucket.find(&self.early).await?) {
            (_, Some(found)) if found.mark() == Some(&self.mark) => found.is(size, sum).map(|()| found),
            (Err(error), _) => Err(error),
            (Ok(_), _) => Err(corrupt(format!("{} was put together and is not there", self.full))),
        }
    }

    /// Moves it to its key, which must be free.
    async fn appear(&self, early: &Object, size: u64, sum: &str) -> Result<Object> {
        let path = format!("{}/moveTo/o/{}", self.bucket.path_of(&self.early), escaped(&self.full));
        let ask = Ask::new(Method::POST, path)
            .query("ifGenerationMatch", "0")
            .query("ifSourceGenerationMatch", early.generation.clone())
            .query("fields", FIELDS);
        let moved = self.ask(&ask, "storage.objects.move").await;
        let error = match moved {
            Ok(reply) => match reply.json::<Object>() {
                Ok(object) => return object.is(size, sum).map(|()| object),
                Err(refused) => refused.told("storage.objects.move", &self.full),
            },
            Err(error) => error,
        };
        // The reply may have been lost: then the next one heard that the source is gone, or that the key is taken.
        match self.bucket.find(&self.full).await? {
            Some(found) if found.mark() == Some(&self.mark) => found.is(size, sum).map(|()| found),
            Some(_) => Err(conflict(format!("{} is already there", self.full)).because(error)),
            None => Err(error),
        }
    }

    async fn finish(&self, parts: &[Receipt], size: u64) -> Result<Object> {
        let sum = written(parts.iter().fold(0, |sum, part| joined(sum, part.crc, part.length)));
        let early = self.join(parts, size, &sum).await?;
        self.appear(&early, size, &sum).await
    }

    /// Removes what the store holds of it. What this leaves, the sweep removes.
    async fn give_up(&self) -> Result<()> {
        let Some(id) = self.id.get() else { return Ok(()) };
        sweep::abort(&self.bucket, &self.early, id).await?;
        match self.bucket.find(&self.early).await? {
            Some(found) => sweep::remove(&self.bucket, &found).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Upload for AtOnce {
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
            return self.parts.add(0, offset, length, Receipt { number: 1, etag: String::new(), crc: 0, length: length as u64 });
        }
        let mib = u32::try_from(length.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, IN_FLIGHT);
        let _room = self.room.acquire_many(mib).await.map_err(|error| failed("the upload was closed").because(error))?;
        let receipt = self.send(number, bytes).await.map_err(|error| error.during(format_args!("part {number}")))?;
        self.parts.add(number, offset, length, receipt)
    }

    async fn complete(self: Box<Self>, size: u64) -> Result<ObjectMeta> {
        let parts = self.parts.tiling(size).map_err(|error| error.during(format_args!("completing {}", self.full)));
        let only = self.only.lock().await.take();
        let done = match (parts, only) {
            (Err(error), _) => Err(error),
            (Ok(parts), Some(bytes)) if parts.len() == 1 => {
                write::whole(&self.bucket, &self.full, &bytes, &If::Absent, self.bucket.class()).await
            }
            (Ok(_), Some(_)) => Err(failed(format!("part 0 of {} was too small not to be the last", self.full))),
            (Ok(parts), None) if parts.is_empty() => {
                write::whole(&self.bucket, &self.full, &Bytes::new(), &If::Absent, self.bucket.class()).await
            }
            (Ok(parts), None) => self.finish(&parts, size).await,
        };
        match done {
            Ok(object) => object.meta(&self.key),
            Err(error) => {
                // What came of it at the key is no good, or somebody else's; a move that is still under way finds no source.
                let _ = self.give_up().await;
                if error.kind() == Kind::Corrupt
                    && let Ok(Some(found)) = self.bucket.find(&self.full).await
                    && found.mark() == Some(&self.mark)
                {
                    self.bucket.take_back(&self.full, &found.generation).await;
                }
                Err::<_, Error>(error)
            }
        }
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.give_up().await
    }
}
