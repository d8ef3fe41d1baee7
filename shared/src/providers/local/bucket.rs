//! A folder as a bucket: `file:///var/backups/lastgood`, on a file system that honours `fsync`, `rename` and `flock`.
//!
//! An object appears by one rename, after its bytes and before its folder were synced: it is whole or it is not there,
//! also after a power cut. Listings walk the folder in the order of keys and never show what is being written. Links
//! are not followed; names that are no keys are a stranger's and are left alone.

use super::{
    layout::{Layout, explain, is_absence, modified, version_of},
    upload::FolderUpload,
};
use crate::{
    clock::{Timestamp, since},
    domain::{
        place::{Place, Scheme},
        posture::Space,
    },
    error::{During, Result, conflict, corrupt, failed, invalid, not_found},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, RESERVED, Upload, Version, check_key, check_prefix},
    providers::whole::Whole,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    ops::{ControlFlow, Range},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

const PAGE: usize = 1_000;

/// Bytes that a reader reads ahead at once; it keeps two such chunks in hand.
const CHUNK: u64 = 1 << 20;

/// A folder of objects.
#[derive(Debug)]
pub struct Folder {
    place: Place,
    layout: Arc<Layout>,
}

impl Folder {
    /// Keeps objects in the folder that a `file://` place names. It is created by the first write.
    pub fn new(place: Place) -> Result<Self> {
        if place.scheme() != Scheme::File {
            return Err(invalid(format!("{place} is no folder")));
        }
        let root = std::path::PathBuf::from(place.bucket());
        if root.exists() && !root.is_dir() {
            return Err(invalid(format!("{place} is a file")).hint("name a folder, or one that does not exist yet"));
        }
        Ok(Self { place, layout: Arc::new(Layout::new(root)) })
    }

    /// Runs blocking work where it blocks nobody, and says in errors where and on what it was done.
    async fn at<T: Send + 'static>(
        &self,
        doing: &str,
        key: &str,
        work: impl FnOnce(&Arc<Layout>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let layout = self.layout.clone();
        blocking(move || work(&layout).map_err(|error| explain(error, layout.root())))
            .await
            .during(format_args!("{doing} {}/{key}", self.place))
    }
}

pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| failed("work on the disk was broken off").because(error))?
}

#[async_trait]
impl Bucket for Folder {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let name = key.to_owned();
        self.at("looking at", key, move |layout| layout.meta(&name)).await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        let name = key.to_owned();
        self.at("reading", key, move |layout| {
            let Some((file, metadata)) = layout.open(&name)? else { return Ok(None) };
            let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(most)).unwrap_or_default());
            file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > most {
                return Err(invalid(format!("it has more than {most} bytes")));
            }
            let version = version_of(&bytes, &metadata);
            Ok(Some((Bytes::from(bytes), version)))
        })
        .await
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        let name = key.to_owned();
        let (mut file, length) = self
            .at("reading", key, move |layout| {
                let Some((mut file, metadata)) = layout.open(&name)? else { return Err(not_found("there is no such object")) };
                let size = metadata.len();
                let range = range.unwrap_or(0..size);
                if range.start > range.end || range.end > size {
                    return Err(corrupt(format!("it has {size} bytes, and bytes {} to {} were asked for", range.start, range.end)));
                }
                file.seek(SeekFrom::Start(range.start))?;
                Ok((file, range.end - range.start))
            })
            .await?;
        let (send, receive) = mpsc::channel::<io::Result<Bytes>>(1);
        let what = format!("{}/{key}", self.place);
        tokio::task::spawn_blocking(move || {
            let mut left = length;
            while left > 0 {
                let want = left.min(CHUNK);
                let mut chunk = Vec::with_capacity(usize::try_from(want).unwrap_or_default());
                let read = Read::by_ref(&mut file).take(want).read_to_end(&mut chunk);
                left = left.saturating_sub(chunk.len() as u64);
                let ended = !matches!(read, Ok(1..));
                // A file that ends early ends the channel early, which `Whole` tells; a reader that is gone ends the work.
                if send.blocking_send(read.map(|_| chunk.into())).is_err() || ended {
                    return;
                }
            }
        });
        let chunks = futures::stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|chunk| (chunk, receive)) });
        Ok(Box::pin(Whole { what, left: length, inner: StreamReader::new(Box::pin(chunks)) }))
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        let name = key.to_owned();
        self.at("writing", key, move |layout| {
            check_key(&name)?;
            let mut upload = layout.upload()?;
            upload.write_all(&bytes)?;
            upload.as_file().sync_all()?;
            let version = version_of(&bytes, &upload.as_file().metadata()?);
            match condition {
                If::Absent => layout.publish_new(upload.into_temp_path(), &name)?,
                If::Is(expected) => layout.publish_over(upload.into_temp_path(), &name, &expected)?,
            }
            Ok(version)
        })
        .await
    }

    async fn begin_upload(&self, key: &str, _expected: Option<u64>) -> Result<Box<dyn Upload>> {
        let name = key.to_owned();
        self.at("beginning to write", key, move |layout| {
            layout.object(&name)?;
            if layout.open(&name)?.is_some() {
                return Err(conflict("it is already there"));
            }
            Ok(Box::new(FolderUpload::begin(layout.clone(), name)?) as Box<dyn Upload>)
        })
        .await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        check_prefix(prefix)?;
        let (wanted, after) = (prefix.to_owned(), start_after.unwrap_or_default().to_owned());
        self.at("listing", prefix, move |layout| {
            let folder = wanted.rsplit_once('/').map_or("", |(folder, _)| folder);
            let at = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let mut walk = Walk { prefix: &wanted, after: &after, listed: Listed::default() };
            let _ = walk.descend(&layout.root().join(folder), &at)?;
            Ok(walk.listed)
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let name = key.to_owned();
        self.at("deleting", key, move |layout| layout.delete(&name)).await
    }

    /// Always none: a file system's own copy may share the blocks, and then one bad sector takes both.
    async fn copy_from(&self, _from: &dyn Bucket, _source_key: &str, _key: &str) -> Result<Option<ObjectMeta>> {
        Ok(None)
    }

    /// What the file system has left for whoever is not root.
    async fn space(&self) -> Result<Option<Space>> {
        self.at("looking at the room of", "", |layout| match rustix::fs::statvfs(layout.root()) {
            Ok(of) => Ok(Some(Space { size: of.f_blocks.saturating_mul(of.f_frsize), free: of.f_bavail.saturating_mul(of.f_frsize) })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(io::Error::from(error).into()),
        })
        .await
    }

    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        self.at("sweeping", "", move |layout| {
            let entries = match std::fs::read_dir(layout.uploads()) {
                Ok(entries) => entries,
                Err(error) if is_absence(&error) => return Ok(0),
                Err(error) => return Err(error.into()),
            };
            let mut removed = 0;
            for entry in entries {
                let entry = entry?;
                let touched = match entry.metadata() {
                    Ok(metadata) => modified(&metadata)?,
                    Err(error) if is_absence(&error) => continue,
                    Err(error) => return Err(error.into()),
                };
                if since(now, touched) < older_than {
                    continue;
                }
                match std::fs::remove_file(entry.path()) {
                    Ok(()) => removed += 1,
                    Err(error) if is_absence(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(removed)
        })
        .await
    }
}

/// A listing under way: the folder's entries in the order of their keys, from `after` on, until a page is full.
struct Walk<'a> {
    prefix: &'a str,
    after: &'a str,
    listed: Listed,
}

impl Walk<'_> {
    /// Lists below one folder, whose keys all begin with `at`. Breaks when the page is full.
    fn descend(&mut self, folder: &Path, at: &str) -> Result<ControlFlow<()>> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if is_absence(&error) => return Ok(ControlFlow::Continue(())),
            Err(error) => return Err(error.into()),
        };
        let mut wanted = Vec::new();
        for entry in entries {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            let Some(name) = name.to_str().filter(|name| !at.is_empty() || *name != RESERVED) else { continue };
            // A folder sorts as its objects do: with the slash.
            let key = format!("{at}{name}{}", if kind.is_dir() { "/" } else { "" });
            let here = if kind.is_dir() {
                (key.starts_with(self.prefix) || self.prefix.starts_with(&key)) && (*key > *self.after || self.after.starts_with(&key))
            } else {
                kind.is_file() && key.starts_with(self.prefix) && *key > *self.after && check_key(&key).is_ok()
            };
            if here {
                wanted.push((key, entry));
            }
        }
        wanted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (key, entry) in wanted {
            if key.ends_with('/') {
                if self.descend(&entry.path(), &key)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                continue;
            }
            if self.listed.objects.len() == PAGE {
                self.listed.next = self.listed.objects.last().map(|meta| meta.key.clone());
                return Ok(ControlFlow::Break(()));
            }
            match entry.metadata() {
                // Versions are left empty: most would cost the reading of the object.
                Ok(metadata) => self.listed.objects.push(ObjectMeta {
                    key,
                    size: metadata.len(),
                    version: Version(String::new()),
                    modified: modified(&metadata)?,
                }),
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
