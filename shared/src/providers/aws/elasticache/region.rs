//! ElastiCache in one region. "Not there" is told from "could not be asked", and a listing is complete or an error.

use super::{
    error::{is_absent, told},
    wire::{Cluster, Clusters, Group, Groups, Snapshot, Snapshots, Tagged},
};
use crate::{
    domain::{held::SnapshotName, place::Place},
    error::{Error, Result, invalid, retry},
    providers::aws::{
        Aws,
        call::{Call, CallError, Service},
        marks::Tags,
        shared::every_page,
    },
};
use aws_config::SdkConfig;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// ElastiCache answers within seconds, or not at all.
const PATIENCE: Duration = Duration::from_mins(1);
/// The most that ElastiCache puts on a page of snapshots.
const PAGE: &str = "50";

/// ElastiCache in one region of our own account.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) place: Place,
    pub(super) config: SdkConfig,
    call: Call,
}

impl Region {
    /// Opens the region at `aws://region`. Asks nothing yet.
    pub(super) async fn open(aws: &Aws, place: &Place) -> Result<Self> {
        if place.scheme() != crate::domain::place::Scheme::Aws || !place.prefix().is_empty() {
            return Err(invalid(format!("{place} is no region of this account")));
        }
        let config = aws.in_region(place.bucket(), PATIENCE).await;
        Ok(Self { place: place.clone(), call: Call::new(&config, Service::ElastiCache), config })
    }

    /// Tells a refusal here as ours.
    pub(super) fn told(&self, right: &str, of: &str, error: &CallError) -> Error {
        told(right, &format!("{of} at {}", self.place), error)
    }

    /// Asks under a right such as `elasticache:CreateSnapshot`.
    pub(super) async fn ask(&self, right: &str, parameters: &[(&str, String)]) -> Result<Vec<u8>, CallError> {
        self.call.query(right.split_once(':').map_or(right, |(_, action)| action), parameters).await
    }

    /// The same, where what is not there is none.
    async fn found<T: DeserializeOwned>(&self, right: &str, of: &str, parameters: &[(&str, String)]) -> Result<Option<T>> {
        match self.ask(right, parameters).await {
            Ok(reply) => read(right, &reply).map(Some),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.told(right, of, &error)),
        }
    }

    /// Returns a replication group, or none where there is none.
    pub(super) async fn group(&self, id: &str) -> Result<Option<Group>> {
        let by = [("ReplicationGroupId", id.to_owned())];
        let found: Option<Groups> = self.found("elasticache:DescribeReplicationGroups", id, &by).await?;
        Ok(found.and_then(|found| found.result.replication_groups.replication_group.into_iter().next()))
    }

    /// Returns a cache cluster, or none where there is none.
    pub(super) async fn cluster(&self, id: &str) -> Result<Option<Cluster>> {
        let by = [("CacheClusterId", id.to_owned())];
        let found: Option<Clusters> = self.found("elasticache:DescribeCacheClusters", id, &by).await?;
        Ok(found.and_then(|found| found.result.cache_clusters.cache_cluster.into_iter().next()))
    }

    /// Returns a snapshot, or none where there is none.
    pub(super) async fn snapshot(&self, name: &SnapshotName) -> Result<Option<Snapshot>> {
        let by = [("SnapshotName", name.0.clone())];
        let found: Option<Snapshots> = self.found("elasticache:DescribeSnapshots", &name.0, &by).await?;
        Ok(found.and_then(|found| found.result.snapshots.snapshot.into_iter().next()))
    }

    /// Every snapshot that people and programs took here.
    pub(super) async fn snapshots(&self) -> Result<Vec<Snapshot>> {
        every_page("snapshots", |marker| async move {
            let mut by = vec![("SnapshotSource", "user".to_owned()), ("MaxRecords", PAGE.to_owned())];
            by.extend(marker.map(|marker| ("Marker", marker)));
            let right = "elasticache:DescribeSnapshots";
            let reply = self.ask(right, &by).await.map_err(|error| self.told(right, "the region", &error))?;
            let page: Snapshots = read(right, &reply)?;
            Ok((page.result.snapshots.snapshot, page.result.marker))
        })
        .await
    }

    /// The tags of a thing; none of what has gone meanwhile.
    pub(super) async fn tags(&self, arn: &str) -> Result<Tags> {
        let by = [("ResourceName", arn.to_owned())];
        let found: Option<Tagged> = self.found("elasticache:ListTagsForResource", arn, &by).await?;
        Ok(found.map(|found| found.result.tags()).unwrap_or_default())
    }
}

/// Reads an answer. One that cannot be read says nothing: it is asked for again another time.
fn read<T: DeserializeOwned>(right: &str, reply: &[u8]) -> Result<T> {
    let unreadable = || format!("the answer to {right} cannot be read");
    let text = std::str::from_utf8(reply).map_err(|error| retry(unreadable()).because(error))?;
    quick_xml::de::from_str(text).map_err(|error| retry(unreadable()).because(error))
}
