//! The vault of a crowd: records made up when they are asked for, and beside them what functions wrote.

use super::{Crowd, records::fleet_member};
use async_trait::async_trait;
use bytes::Bytes;
use lastgood_core::{
    catalog::Key,
    clock::{Clock, Timestamp},
    domain::place::Place,
    error::Result,
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version},
};
use std::{ops::Range, time::Duration};

impl Crowd {
    /// What a function wrote, dated by the crowd's own clock: a folder knows only the machine's.
    async fn found(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let found = self.written.head(key).await?;
        Ok(found.map(|meta| ObjectMeta { modified: self.clock.now(), ..meta }))
    }
}

#[async_trait]
impl Bucket for Crowd {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.asked(&self.calls.heads).await;
        self.found(key).await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        self.asked(&self.calls.gets).await;
        match self.record(key) {
            Some(bytes) => Ok(Some((bytes, self.meta(key).version))),
            None => self.written.get(key, most).await,
        }
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.written.read(key, range).await
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        self.asked(&self.calls.puts).await;
        self.written.put(key, bytes, condition).await
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        self.written.begin_upload(key, expected).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        const PAGE: usize = 1_000;
        self.asked(&self.calls.lists).await;
        let mut all: Vec<_> = self.keys(prefix).iter().map(|key| self.meta(key)).collect();
        if prefix == Key::touches() {
            // Nobody has changed a record since the night.
            all.extend(
                (0..self.members)
                    .map(|member| ObjectMeta { modified: self.slot(0).0, ..self.meta(&Key::Touched(fleet_member(member)).to_string()) }),
            );
        }
        for listed in self.written.list_all(prefix).await? {
            all.extend(self.found(&listed.key).await?);
        }
        all.retain(|meta| start_after.is_none_or(|after| meta.key.as_str() > after));
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let next = (all.len() > PAGE).then(|| all[PAGE - 1].key.clone());
        all.truncate(PAGE);
        Ok(Listed { objects: all, next })
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.written.delete(key).await
    }

    async fn copy_from(&self, _: &dyn Bucket, _: &str, _: &str) -> Result<Option<ObjectMeta>> {
        Ok(None)
    }

    async fn sweep_uploads(&self, _: Timestamp, _: Duration) -> Result<usize> {
        Ok(0)
    }
}
