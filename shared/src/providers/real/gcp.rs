//! What of an invocation is Google's.

use super::{Real, holds_none};
use crate::{
    config::{Asset, Source, SqlDrill},
    domain::place::Place,
    error::Result,
    ports::{Bucket, Exporter, Keys, NewSqlInstance, Replicas, RestoreTarget, Snapshots},
    providers::gcp,
};
use std::sync::Arc;

impl Real {
    pub(super) fn snapshots_at_google(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        let (google, clock) = (self.google.clone(), self.clock.clone());
        match &asset.source {
            Source::Cloudsql { .. } => Ok(Arc::new(gcp::sql::SqlSnapshots::open(google, asset, at, clock)?)),
            Source::Postgres { .. }
            | Source::Rds { .. }
            | Source::Bucket { .. }
            | Source::Redis { .. }
            | Source::Elasticache { .. }
            | Source::Secrets { .. }
            | Source::Volume { .. } => Err(holds_none(asset, at)),
        }
    }

    pub(super) fn offloaded_by_cloudsql(&self, asset: &Asset, through: Arc<dyn Bucket>) -> Result<Arc<dyn Exporter>> {
        let database = asset.policy.export.as_ref().and_then(|export| export.database.clone());
        let (google, database) = (self.google.clone(), database.unwrap_or_else(|| "postgres".to_owned()));
        Ok(Arc::new(gcp::sql::Offload::open(google, asset, database, through, self.clock.clone())?))
    }

    pub(super) fn in_cloudsql(&self, asset: &Asset, drill: &SqlDrill) -> Result<Arc<dyn Replicas>> {
        let (google, clock, tools) = (self.google.clone(), self.clock.clone(), self.tools.clone());
        let replicas = gcp::sql::SqlReplicas::new(google, asset, drill.clone(), clock, tools, self.scratch.clone())?;
        let sources = self.config.assets.values().filter_map(|other| match &other.source {
            Source::Cloudsql { instance, place, .. } if Some(place) == asset.source.home() => Some(instance.as_str()),
            Source::Cloudsql { .. }
            | Source::Postgres { .. }
            | Source::Rds { .. }
            | Source::Bucket { .. }
            | Source::Redis { .. }
            | Source::Elasticache { .. }
            | Source::Secrets { .. }
            | Source::Volume { .. } => None,
        });
        Ok(Arc::new(replicas.sparing(sources)))
    }

    pub(super) fn beside_in_cloudsql(&self, asset: &Asset, new: &NewSqlInstance) -> Result<Arc<dyn RestoreTarget>> {
        let (google, clock, progress) = (self.google.clone(), self.clock.clone(), self.progress.clone());
        Ok(Arc::new(gcp::sql::SqlBeside::new(google, asset, new.clone(), clock, progress)?))
    }

    /// Cloud KMS lets its services use a key for us; whether they may shows in what they hold.
    #[expect(clippy::unused_self, reason = "as for the other clouds")]
    pub(super) fn keys_at_google(&self, _: &Place) -> Option<Arc<dyn Keys>> {
        None
    }
}
