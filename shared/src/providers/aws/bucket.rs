//! A bucket and a prefix of S3.
//!
//! Every write is conditional and carries a mark of its own in the object's metadata (`x-amz-meta-lastgood-write`). When
//! a reply is lost and the repeated request is refused because the object is there, the mark tells whether it was us.
//!
//! A store of its own address (not Amazon's) is asked once, before the first write, whether it honours conditions: a
//! probe object `<prefix>/.lastgood/conditional-writes` is created twice and then replaced from a state that it never
//! had; both must be refused. A store that does not refuse would lose updates in silence and is refused itself.

use super::{
    class,
    client::{Connection, Settings, connect},
    copy::copy,
    error::{Asked, passing},
    kept, pause, read,
    sweep::sweep,
    upload::S3Upload,
};
use crate::{
    clock::Timestamp,
    domain::{
        archive::{Haste, Readiness, StorageClass},
        place::{Place, Scheme},
        posture::BucketPosture,
    },
    error::{Error, Kind, Result, corrupt, failed, invalid, not_found, unsupported},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, RESERVED, Upload, Version, check_key, check_prefix},
};
use async_trait::async_trait;
use aws_sdk_s3::{
    operation::head_object::HeadObjectOutput,
    primitives::{ByteStream as Body, DateTime},
};
use bytes::Bytes;
use std::{ops::Range, sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// The name of the mark that each of our writes carries in the object's metadata.
pub(super) const MARK: &str = "lastgood-write";

/// Conflicts of a write with a request at the same moment are tried again this often.
const TRIES: u32 = 5;

/// A bucket and a prefix, at Amazon or at a store that speaks its protocol. Clones share one client.
#[derive(Debug, Clone)]
pub struct S3(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    settings: Settings,
    connection: OnceCell<Connection>,
    honest: OnceCell<()>,
}

/// An object as S3 has it.
pub(super) struct Found {
    pub(super) meta: ObjectMeta,
    pub(super) mark: Option<String>,
}

impl S3 {
    /// Will keep objects at an `s3://` place.
    pub fn new(place: Place, settings: Settings) -> Result<Self> {
        if place.scheme() != Scheme::S3 {
            return Err(invalid(format!("{place} is not in S3")));
        }
        check_prefix(place.prefix())?;
        Ok(Self(Arc::new(Inner { place, settings, connection: OnceCell::new(), honest: OnceCell::new() })))
    }

    pub(super) async fn connection(&self) -> Result<&Connection> {
        self.0.connection.get_or_try_init(|| connect(&self.0.settings, self.name())).await
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn owner(&self) -> Option<String> {
        self.0.settings.owner.clone()
    }

    /// The bucket's name.
    pub(super) fn name(&self) -> &str {
        self.0.place.bucket()
    }

    /// The key in the bucket of a key below the place. The one way from one to the other.
    pub(super) fn full_key(&self, key: &str) -> Result<String> {
        check_key(key)?;
        self.below(key)
    }

    /// What the keys of all objects below the place begin with in the bucket.
    pub(super) fn root(&self) -> String {
        match self.0.place.prefix() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        }
    }

    fn below(&self, key: &str) -> Result<String> {
        let full = format!("{}{key}", self.root());
        if full.len() > 1024 {
            return Err(invalid(format!("{:?} has more than the 1,024 bytes of a key of S3", crate::redact::clip(&full, 80))));
        }
        Ok(full)
    }

    /// Looks at an object.
    pub(super) async fn find(&self, key: &str) -> Result<Option<Found>> {
        self.look(key).await?.map(|head| found(key, &head)).transpose()
    }

    /// Looks at all that S3 says of an object.
    pub(super) async fn look(&self, key: &str) -> Result<Option<HeadObjectOutput>> {
        let full = self.full_key(key)?;
        let request = self.connection().await?.client.head_object().bucket(self.name()).key(&full);
        match request.set_expected_bucket_owner(self.owner()).send().await {
            Ok(head) => Ok(Some(head)),
            Err(error) => match (Asked { action: "s3:GetObject", of: &full }).refused_with(&error) {
                error if error.kind() == Kind::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Writes in one request, if `condition` holds.
    pub(super) async fn write(&self, full: &str, bytes: &Bytes, condition: &If, mark: &str) -> Result<Version> {
        let connection = self.connection().await?;
        let mut tries = 1;
        loop {
            let mut request = connection.client.put_object().bucket(self.name()).key(full).body(Body::from(bytes.clone()));
            request = request.set_content_type(content_type(full).map(str::to_owned));
            request = match condition {
                If::Absent => request.if_none_match("*"),
                If::Is(version) => request.if_match(&version.0),
            };
            let sent = request.metadata(MARK, mark).set_expected_bucket_owner(self.owner()).send().await;
            let error = match sent {
                Ok(written) => return written.e_tag.map(Version).ok_or_else(|| failed(format!("{full} was written without a state"))),
                Err(error) => error,
            };
            if !passing(&error) || tries == TRIES {
                let error = Asked { action: "s3:PutObject", of: full }.refused_with(&error);
                // To replace what is gone is a lost race, not a missing object.
                let gone = error.kind() == Kind::NotFound && matches!(condition, If::Is(_));
                return Err(if gone { Error::new(Kind::Conflict, format!("{full} is gone")).because(error) } else { error });
            }
            pause(tries).await;
            tries += 1;
        }
    }

    /// Asks a store that is not Amazon's once whether it honours conditions.
    pub(super) async fn check_honest(&self) -> Result<()> {
        if !self.connection().await?.foreign {
            return Ok(());
        }
        self.0.honest.get_or_try_init(|| self.probe()).await.copied()
    }

    async fn probe(&self) -> Result<()> {
        let key = self.below(&format!("{RESERVED}/conditional-writes"))?;
        let text = Bytes::from_static(b"Lastgood asks here whether this store honours conditional writes.\n");
        let never = If::Is(Version("\"00000000000000000000000000000000\"".to_owned()));
        let refuses = async |condition: &If| match self.write(&key, &text, condition, "probe").await {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == Kind::Conflict => Ok(true),
            Err(error) => Err(error),
        };
        let honest = (refuses(&If::Absent).await? || refuses(&If::Absent).await?) && refuses(&never).await?;
        if honest { Ok(()) } else { Err(dishonest(&self.0.place)) }
    }
}

fn dishonest(place: &Place) -> Error {
    unsupported(format!("the store of {place} ignores conditional writes (If-None-Match, If-Match)"))
        .hint("use a store that honours them: without, two runs at once could overwrite each other's records")
}

pub(super) fn time(at: Option<&DateTime>) -> Result<Timestamp> {
    let at = at.ok_or_else(|| failed("the store did not say when an object was written"))?;
    Timestamp::new(at.secs(), 0).map_err(|error| failed("the store gave an impossible time").because(error))
}

fn found(key: &str, head: &HeadObjectOutput) -> Result<Found> {
    let size = head.content_length().and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| failed(format!("the store did not say the size of {key}")))?;
    let version = Version(head.e_tag().unwrap_or_default().to_owned());
    let meta = ObjectMeta { key: key.to_owned(), size, version, modified: time(head.last_modified())? };
    Ok(Found { meta, mark: head.metadata().and_then(|metadata| metadata.get(MARK)).cloned() })
}

/// What a browser needs to be told to show what people open, instead of offering to keep it.
fn content_type(key: &str) -> Option<&'static str> {
    match key.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "json" => Some("application/json"),
        _ => None,
    }
}

#[async_trait]
impl Bucket for S3 {
    fn place(&self) -> &Place {
        &self.0.place
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        Ok(self.find(key).await?.map(|found| found.meta))
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        read::get(self, &self.full_key(key)?, most).await
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        let full = self.full_key(key)?;
        match range {
            Some(range) if range.start > range.end => Err(invalid(format!("bytes {} to {} are no range", range.start, range.end))),
            // S3 has no word for an empty range.
            Some(range) if range.is_empty() => match self.find(key).await? {
                Some(found) if found.meta.size >= range.end => Ok(Box::pin(tokio::io::empty())),
                Some(found) => Err(corrupt(format!("{full} has {} bytes, and byte {} was asked for", found.meta.size, range.end))),
                None => Err(not_found(format!("{full} is not there"))),
            },
            range => read::read(self, full, range).await,
        }
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        let full = self.full_key(key)?;
        self.check_honest().await?;
        let mark = format!("{:016x}{:016x}", super::chance(), super::chance());
        match self.write(&full, &bytes, &condition, &mark).await {
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Retry) => match self.find(key).await {
                Ok(Some(found)) if found.mark.as_deref() == Some(&mark) => Ok(found.meta.version),
                _ => Err(error),
            },
            done => done,
        }
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        let full = self.full_key(key)?;
        if self.find(key).await?.is_some() {
            return Err(Error::new(Kind::Conflict, format!("{full} is already there")));
        }
        self.check_honest().await?;
        Ok(Box::new(S3Upload::new(self.clone(), key.to_owned(), full, expected)))
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        check_prefix(prefix)?;
        let root = self.root();
        let listing = format!("{root}{prefix}");
        let client = &self.connection().await?.client;
        let request = client
            .list_objects_v2()
            .bucket(self.name())
            .prefix(&listing)
            .set_start_after(start_after.map(|after| format!("{root}{after}")))
            .set_expected_bucket_owner(self.owner());
        let page = request.send().await.map_err(|error| Asked { action: "s3:ListBucket", of: &listing }.refused_with(&error))?;
        let mut listed = Listed::default();
        for object in page.contents() {
            // A name that is no key of ours is a stranger's: folder markers of the console, for one.
            let Some(key) = object.key().and_then(|key| key.strip_prefix(&root)).filter(|key| check_key(key).is_ok()) else { continue };
            listed.objects.push(ObjectMeta {
                key: key.to_owned(),
                size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                version: Version(object.e_tag().unwrap_or_default().to_owned()),
                modified: time(object.last_modified())?,
            });
        }
        if page.is_truncated() == Some(true) {
            let last = page.contents().last().and_then(|object| object.key()?.strip_prefix(&root));
            listed.next = Some(last.ok_or_else(|| failed("the store says that there is more but not from where"))?.to_owned());
        }
        Ok(listed)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let full = self.full_key(key)?;
        let request = self.connection().await?.client.delete_object().bucket(self.name()).key(&full);
        match request.set_expected_bucket_owner(self.owner()).send().await {
            Ok(_) => Ok(()),
            Err(error) => match (Asked { action: "s3:DeleteObject", of: &full }).refused_with(&error) {
                error if error.kind() == Kind::NotFound => Ok(()),
                error => Err(error),
            },
        }
    }

    async fn copy_from(&self, from: &dyn Bucket, source_key: &str, key: &str) -> Result<Option<ObjectMeta>> {
        copy(self, from, source_key, key).await
    }

    async fn readiness(&self, key: &str) -> Result<Option<Readiness>> {
        class::readiness(self, key).await
    }

    async fn recall(&self, key: &str, haste: Haste) -> Result<()> {
        class::recall(self, key, haste).await
    }

    async fn reclass(&self, key: &str, class: StorageClass) -> Result<()> {
        Box::pin(class::reclass(self, key, class)).await
    }

    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        sweep(self, now, older_than).await
    }

    async fn posture(&self) -> Result<Option<BucketPosture>> {
        Box::pin(kept::posture(self)).await.map(Some)
    }
}
