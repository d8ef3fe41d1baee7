//! A bucket and a prefix of Cloud Storage.
//!
//! Every write is conditional on the generation that stands under its key (0: none) and carries a mark of its own in the
//! object's metadata. When a reply is lost and the repeated request is refused because the object is there, the mark tells
//! whether it was us.

use super::{
    access::Google,
    call::{Ask, Call, Service, escaped},
    copy::copy,
    kept,
    multipart::{AtOnce, sweep},
    object::{FIELDS, Object},
    read,
    session::InOrder,
    way::{Way, way},
    write,
};
use crate::{
    clock::Timestamp,
    domain::{
        archive::StorageClass,
        place::{Place, Scheme},
        posture::BucketPosture,
    },
    error::{Error, Kind, Result, corrupt, failed, invalid, not_found},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version, check_key, check_prefix},
    providers::parts::part_size,
};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use std::{ops::Range, sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// Pages that a listing may be made of before the first object comes: the store may send empty ones.
const MOST_EMPTY_PAGES: usize = 1_000;

/// A bucket and a prefix. Clones share one client.
#[derive(Debug, Clone)]
pub struct Gcs(Arc<Inner>, Option<StorageClass>);

#[derive(Debug)]
struct Inner {
    place: Place,
    call: Call,
    way: OnceCell<Way>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    items: Vec<Object>,
    next_page_token: Option<String>,
}

impl Gcs {
    /// Will keep objects at a `gs://` place.
    pub fn new(place: Place, google: Arc<Google>) -> Result<Self> {
        if place.scheme() != Scheme::Gs {
            return Err(invalid(format!("{place} is not in Cloud Storage")));
        }
        check_prefix(place.prefix())?;
        if place.prefix().starts_with(".well-known/acme-challenge") {
            return Err(invalid(format!("{place} cannot be: Cloud Storage keeps .well-known/acme-challenge/ for itself")));
        }
        Ok(Self(Arc::new(Inner { place, call: Call::new(google, Service::Storage), way: OnceCell::new() }), None))
    }

    /// The class that uploads and copies shall have, if it is not the bucket's own.
    pub(super) const fn class(&self) -> Option<StorageClass> {
        self.1
    }

    pub(super) fn call(&self) -> &Call {
        &self.0.call
    }

    /// The bucket's name.
    pub(super) fn name(&self) -> &str {
        self.0.place.bucket()
    }

    /// The key in the bucket of a key below the place. The one way from one to the other.
    pub(super) fn full_key(&self, key: &str) -> Result<String> {
        check_key(key)?;
        let full = format!("{}{key}", self.root());
        if full.len() > 1024 {
            return Err(invalid(format!("{:?} has more than the 1,024 bytes of a name in Cloud Storage", crate::redact::clip(&full, 80))));
        }
        Ok(full)
    }

    /// What the names of all objects below the place begin with in the bucket.
    pub(super) fn root(&self) -> String {
        match self.0.place.prefix() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        }
    }

    /// How large objects go up here. Asked once.
    async fn way(&self) -> Way {
        *self.0.way.get_or_init(|| way(self)).await
    }

    /// The address of the bucket itself.
    pub(super) fn path(&self) -> String {
        format!("/storage/v1/b/{}", escaped(self.name()))
    }

    /// The address of an object.
    pub(super) fn path_of(&self, full: &str) -> String {
        format!("{}/o/{}", self.path(), escaped(full))
    }

    /// Looks at an object by its name in the bucket.
    pub(super) async fn find(&self, full: &str) -> Result<Option<Object>> {
        let ask = Ask::get(self.path_of(full)).query("fields", FIELDS);
        let found = self.call().ask(&ask).await.and_then(|reply| reply.json::<Object>());
        match found.map_err(|refused| refused.told("storage.objects.get", full)) {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes what is not what it should be, and nothing that came after it.
    pub(super) async fn take_back(&self, full: &str, generation: &str) {
        let ask = Ask::new(Method::DELETE, self.path_of(full)).query("ifGenerationMatch", generation);
        let _ = self.call().ask(&ask).await; // it is reported as corrupt whatever becomes of it
    }

    /// Every object whose name in the bucket begins so, the store's own among them.
    pub(super) async fn all(&self, listing: &str) -> Result<Vec<Object>> {
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let page = self.page(listing, None, token.clone()).await?;
            all.extend(page.items);
            match page.next_page_token.filter(|token| !token.is_empty()) {
                None => return Ok(all),
                same if same == token => return Err(crate::error::retry(format!("listing {listing}: the same page came twice"))),
                next => token = next,
            }
        }
    }

    async fn page(&self, listing: &str, from: Option<&str>, token: Option<String>) -> Result<Page> {
        let mut ask = Ask::get(format!("{}/o", self.path()))
            .query("prefix", listing)
            .query("maxResults", "1000")
            .query("fields", format!("items({FIELDS}),nextPageToken"));
        if let Some(from) = from {
            ask = ask.query("startOffset", from);
        }
        if let Some(token) = token {
            ask = ask.query("pageToken", token);
        }
        let page = self.call().ask(&ask).await.and_then(|reply| reply.json::<Page>());
        page.map_err(|refused| refused.told("storage.objects.list", &format!("{}/{listing}", self.name())))
    }
}

#[async_trait]
impl Bucket for Gcs {
    fn place(&self) -> &Place {
        &self.0.place
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.find(&self.full_key(key)?).await?.map(|object| object.meta(key)).transpose()
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        read::get(self, &self.full_key(key)?, most).await
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        let full = self.full_key(key)?;
        match range {
            Some(range) if range.start > range.end => Err(invalid(format!("bytes {} to {} are no range", range.start, range.end))),
            // HTTP has no word for an empty range.
            Some(range) if range.is_empty() => match self.find(&full).await? {
                Some(object) if object.size()? >= range.end => Ok(Box::pin(tokio::io::empty())),
                Some(object) => Err(corrupt(format!("{full} has {} bytes, and byte {} was asked for", object.size, range.end))),
                None => Err(not_found(format!("{full} is not there"))),
            },
            range => read::read(self, full, range).await,
        }
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        let written = write::whole(self, &self.full_key(key)?, &bytes, &condition, None).await?;
        Ok(Version(written.generation))
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        let full = self.full_key(key)?;
        if self.find(&full).await?.is_some() {
            return Err(Error::new(Kind::Conflict, format!("{full} is already there")));
        }
        // What fits into one request needs no way of its own.
        let small = expected.is_some_and(|size| size < part_size(expected, 0));
        // Parts of another class that are given up would be charged for as long as that class wants.
        Ok(match if small || self.class().is_some() { Way::InOrder } else { self.way().await } {
            Way::InOrder => Box::new(InOrder::new(self.clone(), key.to_owned(), full)),
            Way::AtOnce => Box::new(AtOnce::new(self.clone(), key.to_owned(), full, expected)),
        })
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        check_prefix(prefix)?;
        let root = self.root();
        let listing = format!("{root}{prefix}");
        let after = start_after.map(|after| format!("{root}{after}"));
        let (mut listed, mut token): (Listed, Option<String>) = (Listed::default(), None);
        for _ in 0..MOST_EMPTY_PAGES {
            let page = self.page(&listing, after.as_deref(), token.clone()).await?;
            let mut last = None;
            // A listing begins at `startOffset`, and not after it.
            for object in page.items.iter().filter(|object| after.as_ref().is_none_or(|after| object.name > *after)) {
                let Some(key) = object.name.strip_prefix(&root) else { continue };
                last = Some(key.to_owned());
                // A name that is no key of ours is a stranger's: folder markers of the console, for one.
                if check_key(key).is_ok() {
                    listed.objects.push(object.meta(key)?);
                }
            }
            match page.next_page_token.filter(|token| !token.is_empty()) {
                None => return Ok(listed),
                Some(_) if last.is_some() => {
                    listed.next = last;
                    return Ok(listed);
                }
                same if same == token => return Err(crate::error::retry(format!("listing {listing}: the same page came twice"))),
                next => token = next,
            }
        }
        Err(failed(format!("listing {listing}: {MOST_EMPTY_PAGES} pages came without an object")))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let full = self.full_key(key)?;
        let asked = self.call().ask(&Ask::new(Method::DELETE, self.path_of(&full))).await;
        match asked.map_err(|refused| refused.told("storage.objects.delete", &full)) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn copy_from(&self, from: &dyn Bucket, source_key: &str, key: &str) -> Result<Option<ObjectMeta>> {
        copy(self, from, source_key, key).await
    }

    /// Every class is read at once, so that there is nothing to wait for between writing and reading back.
    fn of_class(&self, class: StorageClass) -> Option<Arc<dyn Bucket>> {
        Some(Arc::new(Self(self.0.clone(), Some(class))))
    }

    /// A session that nobody finishes leaves no object, costs nothing, cannot be listed and is forgotten by Google after a week.
    /// Where parts go up at once, there may be some to remove.
    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        match self.way().await {
            Way::InOrder => Ok(0),
            Way::AtOnce => sweep(self, now, older_than).await,
        }
    }

    async fn posture(&self) -> Result<Option<BucketPosture>> {
        kept::posture(self).await.map(Some)
    }
}
