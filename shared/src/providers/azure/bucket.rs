//! A container and a prefix of Blob Storage.
//!
//! Every write is conditional on the `ETag` that stands under its name (`*`: none may) and carries a mark of its own in the
//! blob's metadata. When a reply is lost and the repeated request is refused because the blob is there, the mark tells
//! whether it was us. Bytes go with their MD5, which the service compares before it stores.

use super::{
    access::Azure,
    call::{Ask, Call, header},
    class,
    listing::{self, page},
    read,
    refused::Refused,
    upload::{BlobUpload, as_block},
};
use crate::{
    clock::Timestamp,
    domain::{
        archive::{Haste, Readiness, StorageClass},
        place::{Place, Scheme},
        posture::{BucketPosture, Encryption, Exposure, Lock},
    },
    error::{Error, Kind, Result, corrupt, failed, invalid, not_found, retry},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version, check_key, check_prefix},
    providers::again::mark,
};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{Method, header::HeaderMap};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The header of the mark that each of our writes carries. Azure wants names that could be variables.
pub(super) const MARK: &str = "x-ms-meta-lastgood_write";
/// Pages of a listing that are looked through for where it goes on.
const MOST_PAGES: usize = 100_000;
/// Listings whose way on is remembered.
const REMEMBERED: usize = 64;

/// A container and a prefix. Clones share one client.
#[derive(Debug, Clone)]
pub struct Blobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    container: String,
    root: String,
    call: Call,
    /// What was listed, up to which key, and the service's own word for going on there: it knows no other.
    ways: Mutex<VecDeque<(String, String, String)>>,
}

/// A blob as Azure has it.
pub(super) struct Found {
    pub(super) meta: ObjectMeta,
    pub(super) mark: Option<String>,
}

impl Blobs {
    /// Will keep objects at an `az://account/container/prefix` place.
    pub fn new(place: Place, azure: Arc<Azure>) -> Result<Self> {
        if place.scheme() != Scheme::Az {
            return Err(invalid(format!("{place} is not in Blob Storage")));
        }
        let (container, prefix) = place.prefix().split_once('/').unwrap_or((place.prefix(), ""));
        if container.is_empty() {
            return Err(invalid(format!("{place} names no container")).hint("write az://account/container/prefix"));
        }
        check_prefix(prefix)?;
        let root = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let (container, call) = (container.to_owned(), Call::new(azure, place.bucket().to_owned()));
        Ok(Self(Arc::new(Inner { place, container, root, call, ways: Mutex::default() })))
    }

    pub(super) fn call(&self) -> &Call {
        &self.0.call
    }

    /// The container and the name in it of a key below the place. The one way from one to the other.
    pub(super) fn path(&self, key: &str) -> Result<String> {
        check_key(key)?;
        let name = format!("{}{key}", self.0.root);
        if name.len() > 1024 || name.split('/').count() > 254 {
            return Err(invalid(format!(
                "{:?} has more than the 1,024 bytes or 254 folders of a blob's name",
                crate::redact::clip(&name, 80)
            )));
        }
        Ok(format!("{}/{name}", self.0.container))
    }

    /// Looks at a blob.
    pub(super) async fn find(&self, key: &str) -> Result<Option<Found>> {
        let path = self.path(key)?;
        match self.call().ask(&Ask::new(Method::HEAD, &path)).await {
            Ok(reply) => found(key, &reply.headers).map(Some),
            Err(refused) => match refused.told("blobs/read", &path) {
                error if error.kind() == Kind::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Writes in one request, if `condition` holds.
    pub(super) async fn write(&self, key: &str, bytes: &Bytes, condition: &If, mark: &str) -> Result<Version> {
        let path = self.path(key)?;
        let ask = Ask::new(Method::PUT, &path).header("x-ms-blob-type", "BlockBlob").header("content-type", "application/octet-stream");
        let ask = match condition {
            If::Absent => ask.header("if-none-match", "*"),
            If::Is(version) if is_state(version) => ask.header("if-match", version.0.clone()),
            If::Is(_) => return Err(Error::new(Kind::Conflict, format!("{path} was never in this state"))),
        };
        let ask = ask.header(MARK, mark).body(bytes.clone());
        let sent = self.call().ask(&ask).await.map_err(|refused| refused.told("blobs/write", &path));
        match sent {
            Ok(reply) => version(&reply.headers, &path),
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::Retry) => match self.find(key).await {
                Ok(Some(found)) if found.mark.as_deref() == Some(mark) => Ok(found.meta.version),
                // Refused because something is there, and nothing is: blocks that nobody committed.
                Ok(None) if error.kind() == Kind::Conflict && *condition == If::Absent => {
                    let joined = as_block(self, key, &path, bytes, mark).await;
                    match self.find(key).await? {
                        Some(found) if found.mark.as_deref() == Some(mark) => Ok(found.meta.version),
                        _ => Err(joined.err().unwrap_or(error)),
                    }
                }
                _ => Err(error),
            },
            // To replace what is gone is a lost race, not a missing object.
            Err(error) if error.kind() == Kind::NotFound && matches!(condition, If::Is(_)) => {
                Err(Error::new(Kind::Conflict, format!("{path} is gone")).because(error))
            }
            Err(error) => Err(error),
        }
    }

    fn way(&self, listing: &str, after: &str) -> Option<String> {
        let ways = self.0.ways.lock().ok()?;
        ways.iter().find(|(prefix, key, _)| prefix == listing && key == after).map(|(_, _, marker)| marker.clone())
    }

    fn remember(&self, listing: &str, after: &str, marker: &str) {
        if let Ok(mut ways) = self.0.ways.lock() {
            ways.retain(|(prefix, key, _)| prefix != listing || key != after);
            ways.push_back((listing.to_owned(), after.to_owned(), marker.to_owned()));
            if ways.len() > REMEMBERED {
                ways.pop_front();
            }
        }
    }
}

/// An `ETag` names one state; `*` would name any.
fn is_state(version: &Version) -> bool {
    version.0.len() > 2 && version.0.starts_with('"') && version.0.ends_with('"') && !version.0.contains(['*', ',', '\r', '\n'])
}

fn version(headers: &HeaderMap, path: &str) -> Result<Version> {
    let etag = header(headers, "etag").map(|etag| Version(etag.to_owned()));
    etag.ok_or_else(|| failed(format!("the store did not say the state of {path}")))
}

fn found(key: &str, headers: &HeaderMap) -> Result<Found> {
    let size = header(headers, "content-length").and_then(|size| size.parse().ok());
    let size = size.ok_or_else(|| failed(format!("the store did not say the size of {key}")))?;
    let modified = listing::time(header(headers, "last-modified").unwrap_or_default())?;
    let meta = ObjectMeta { key: key.to_owned(), size, version: version(headers, key)?, modified };
    Ok(Found { meta, mark: header(headers, MARK).map(str::to_owned) })
}

#[async_trait]
impl Bucket for Blobs {
    fn place(&self) -> &Place {
        &self.0.place
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        Ok(self.find(key).await?.map(|found| found.meta))
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        read::get(self, &self.path(key)?, most).await
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        let path = self.path(key)?;
        match range {
            Some(range) if range.start > range.end => Err(invalid(format!("bytes {} to {} are no range", range.start, range.end))),
            // HTTP has no word for an empty range.
            Some(range) if range.is_empty() => match self.find(key).await? {
                Some(found) if found.meta.size >= range.end => Ok(Box::pin(tokio::io::empty())),
                Some(found) => Err(corrupt(format!("{path} has {} bytes, and byte {} was asked for", found.meta.size, range.end))),
                None => Err(not_found(format!("{path} is not there"))),
            },
            range => read::read(self, path, range).await,
        }
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        self.write(key, &bytes, &condition, &mark()).await
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        let path = self.path(key)?;
        if self.find(key).await?.is_some() {
            return Err(Error::new(Kind::Conflict, format!("{path} is already there")));
        }
        Ok(Box::new(BlobUpload::new(self.clone(), key.to_owned(), path, expected)))
    }

    /// Azure goes on only where it stopped itself, by a word of its own, which is remembered. A listing that begins elsewhere
    /// is read from its beginning.
    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        check_prefix(prefix)?;
        let listing = format!("{}{prefix}", self.0.root);
        let mut marker = start_after.and_then(|after| self.way(&listing, after));
        for _ in 0..MOST_PAGES {
            let mut ask = Ask::new(Method::GET, &self.0.container).query("restype", "container").query("comp", "list");
            ask = ask.query("prefix", listing.clone()).query("maxresults", "1000");
            if let Some(marker) = &marker {
                ask = ask.query("marker", marker.clone());
            }
            let reply = self.call().ask(&ask).await.map_err(|refused| refused.told("containers/list", &listing))?;
            let (entries, next) = page(&reply.body)?;
            let mut listed = Listed::default();
            let mut last = None;
            for entry in entries {
                let Some(key) = entry.name.strip_prefix(&self.0.root) else { continue };
                last = Some(key.to_owned());
                // A name that is no key of ours is a stranger's.
                if check_key(key).is_ok() && start_after.is_none_or(|after| key > after) {
                    let version = Version(entry.etag);
                    listed.objects.push(ObjectMeta { key: key.to_owned(), size: entry.size, version, modified: entry.modified });
                }
            }
            match (next, last) {
                (None, _) => return Ok(listed),
                (Some(next), Some(last)) if start_after.is_none_or(|after| *last > *after) => {
                    self.remember(&listing, &last, &next);
                    listed.next = Some(last);
                    return Ok(listed);
                }
                (next, _) if next == marker => return Err(retry(format!("listing {listing}: the same page came twice"))),
                (next, _) => marker = next,
            }
        }
        Err(failed(format!("listing {listing}: it does not end after {MOST_PAGES} pages")))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        match self.call().ask(&Ask::new(Method::DELETE, &path)).await.map_err(|refused| refused.told("blobs/delete", &path)) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A copy inside Azure would show a blob under its name before its bytes are there: they pass through us.
    async fn copy_from(&self, _: &dyn Bucket, _: &str, _: &str) -> Result<Option<ObjectMeta>> {
        Ok(None)
    }

    async fn readiness(&self, key: &str) -> Result<Option<Readiness>> {
        class::readiness(self, key).await
    }

    async fn recall(&self, key: &str, haste: Haste) -> Result<()> {
        class::recall(self, key, haste).await
    }

    async fn reclass(&self, key: &str, class: StorageClass) -> Result<()> {
        class::reclass(self, key, class).await
    }

    /// There is nothing to be removed: blocks that nobody commits show no blob, have no name to delete them by and are
    /// forgotten by Azure after a week.
    async fn sweep_uploads(&self, _now: Timestamp, _older_than: Duration) -> Result<usize> {
        Ok(0)
    }

    /// What the container itself says. Versions, soft delete and lifecycle are settings of the account that only Azure's
    /// management interface shows.
    async fn posture(&self) -> Result<Option<BucketPosture>> {
        let ask = Ask::new(Method::HEAD, &self.0.container).query("restype", "container");
        let reply = self.call().ask(&ask).await.map_err(|refused: Refused| refused.told("containers/read", &self.0.container))?;
        let said = |name: &str| header(&reply.headers, name).map(str::to_owned);
        let kept = ["x-ms-has-immutability-policy", "x-ms-has-legal-hold"].iter().any(|name| said(name).as_deref() == Some("true"));
        Ok(Some(BucketPosture {
            encryption: Some(Encryption::OfTheStore),
            lock: said("x-ms-has-immutability-policy").map(|_| if kept { Lock::On { days: None } } else { Lock::Off }),
            exposure: Some(match said("x-ms-blob-public-access") {
                Some(level) => Exposure::Public(format!("its access level is {level}")),
                None => Exposure::Closed,
            }),
            ..BucketPosture::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_needs_a_container_and_a_state_names_one_state() {
        let open = |place: &str| Blobs::new(place.parse().unwrap(), Arc::default());
        assert_eq!(open("az://account").unwrap_err().kind(), Kind::Invalid);
        assert_eq!(open("az://account/box/a/b").unwrap().path("k").unwrap(), "box/a/b/k");
        assert_eq!(open("az://account/box").unwrap().path("k").unwrap(), "box/k");
        for never in ["*", "\"*\"", "", "\"\"", "0x1", "\"a\", \"b\""] {
            assert!(!is_state(&Version(never.into())), "{never}");
        }
        assert!(is_state(&Version("\"0x8DC\"".into())));
    }
}
