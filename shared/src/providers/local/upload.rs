//! An upload into a folder: parts are written where they belong in one private file, which is renamed at the end.

use super::{
    bucket::blocking,
    layout::{Layout, explain},
};
use crate::{
    error::{Result, corrupt, failed},
    ports::{ObjectMeta, Upload},
    providers::parts::Parts,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex},
};
use tempfile::TempPath;
use tokio::sync::Semaphore;

const PART: usize = 8 << 20;

/// Bytes of one write. Linux 6.x on ext4 takes 8 MiB in one call many times slower than in small steps (measured:
/// 272 MiB in 0.88 s against 0.07 s).
const STEP: usize = 256 << 10;

/// Parts that are written at the same time; more only fight over the disk.
const AT_ONCE: usize = 4;

/// One object being written.
pub(super) struct FolderUpload {
    layout: Arc<Layout>,
    key: String,
    file: Arc<File>,
    path: TempPath,
    parts: Parts<()>,
    syncing: Arc<Mutex<()>>,
    turns: Semaphore,
}

impl FolderUpload {
    pub(super) fn begin(layout: Arc<Layout>, key: String) -> Result<Self> {
        let (file, path) = layout.upload()?.into_parts();
        let (file, parts, syncing) = (Arc::new(file), Parts::default(), Arc::default());
        Ok(Self { layout, key, file, path, parts, syncing, turns: Semaphore::new(AT_ONCE) })
    }
}

#[async_trait]
impl Upload for FolderUpload {
    fn part_size(&self, _number: u32) -> usize {
        PART
    }

    async fn put_part(&self, number: u32, offset: u64, bytes: Bytes) -> Result<()> {
        let _turn = self.turns.acquire().await.map_err(|error| failed("the upload was closed").because(error))?;
        let (file, syncing, length) = (self.file.clone(), self.syncing.clone(), bytes.len());
        let written = blocking(move || {
            let mut at = offset;
            for step in bytes.chunks(STEP) {
                file.write_all_at(step, at)?;
                at += step.len() as u64;
            }
            // One part at a time also waits for the disk, so that the last sync finds little left to do.
            if let Ok(_one) = syncing.try_lock() {
                file.sync_data()?;
            }
            Ok(())
        });
        written.await.map_err(|error| explain(error, self.layout.root()).during(format_args!("writing part {number} of {}", self.key)))?;
        self.parts.add(number, offset, length, ())
    }

    async fn complete(self: Box<Self>, size: u64) -> Result<ObjectMeta> {
        self.parts.tiling(size).map_err(|error| error.during(format_args!("completing {}", self.key)))?;
        let doing = format!("completing {}", self.key);
        blocking(move || {
            let Self { layout, key, file, path, .. } = *self;
            let complete = || {
                file.sync_all()?;
                let length = file.metadata()?.len();
                if length != size {
                    return Err(corrupt(format!("the file has {length} bytes, and should have {size}")));
                }
                layout.publish_new(path, &key)?;
                match layout.meta(&key)? {
                    Some(meta) if meta.size == size => Ok(meta),
                    Some(meta) => Err(corrupt(format!("the file has {} bytes, and should have {size}", meta.size))),
                    None => Err(corrupt("the file is gone")),
                }
            };
            complete().map_err(|error| explain(error, layout.root()))
        })
        .await
        .map_err(|error| error.during(doing))
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        blocking(move || Ok(self.path.close()?)).await
    }
}
