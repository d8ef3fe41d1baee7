//! From configuration to adapters: the one place where a name becomes something to talk to.

use crate::{
    config::{Asset, DrillTarget},
    domain::{backup::Form, fleet::Candidate, place::Place},
    error::{Result, unsupported},
    ports::{
        Announcer, Bucket, Confirmation, Exporter, Extracts, Keys, Replicas, RestoreTarget, RestoreTests, Schedules, Snapshots, Target,
        WalArchive,
    },
};
use async_trait::async_trait;
use std::{fmt::Debug, sync::Arc};

/// Opens adapters. The real one is `providers::Real`; tests put their own world behind it.
#[async_trait]
pub trait Providers: Debug + Send + Sync {
    /// Opens the bucket or folder at a place.
    async fn bucket(&self, place: &Place) -> Result<Arc<dyn Bucket>>;

    /// Opens an asset as a source of backups of the given form.
    async fn exporter(&self, asset: &Asset, form: Form) -> Result<Arc<dyn Exporter>>;

    /// Opens the snapshots of an asset that its provider holds: at its own place, or at another where copies are.
    async fn snapshots(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        let hint = "name another vault under `copies`, or protect it as an asset of kind `rds`";
        Err(unsupported(format!("no provider holds snapshots of {} at {at} here", asset.name)).hint(hint))
    }

    /// Opens the extracts for analysts that an asset's provider makes of its snapshots.
    async fn extracts(&self, asset: &Asset) -> Result<Arc<dyn Extracts>> {
        Err(unsupported(format!("no provider makes extracts of {} here", asset.name)).hint("only RDS does: leave `analytics` out"))
    }

    /// Opens the keys that snapshots at a place are encrypted with; none where nobody can be asked for them.
    async fn keys(&self, _: &Place) -> Result<Option<Arc<dyn Keys>>> {
        Ok(None)
    }

    /// Opens the way to whoever waits for changes; none where the config names nobody.
    async fn announcer(&self) -> Result<Option<Arc<dyn Announcer>>> {
        Ok(None)
    }

    /// Opens the way that an asset's write-ahead log goes; none where its policy asks nothing of it.
    async fn wal(&self, _: &Asset) -> Result<Option<Arc<dyn WalArchive>>> {
        Ok(None)
    }

    /// Opens the schedules that wake us; none where nobody can be asked for them.
    async fn schedules(&self) -> Result<Option<Arc<dyn Schedules>>> {
        Ok(None)
    }

    /// Returns everything at a place that a fleet could select, whole or not at all.
    async fn candidates(&self, at: &Place) -> Result<Vec<Candidate>> {
        Err(unsupported(format!("this build cannot look who is at {at}")).hint("name each instance in an asset of its own"))
    }

    /// Opens the place where drills of an asset restore to.
    async fn replicas(&self, asset: &Asset, into: &DrillTarget) -> Result<Arc<dyn Replicas>>;

    /// Opens the restores of an asset that somebody else makes to be tested.
    async fn restore_tests(&self, asset: &Asset, _: &DrillTarget) -> Result<Arc<dyn RestoreTests>> {
        Err(unsupported(format!("nobody restores {} to be tested here", asset.name)).hint("leave `drill.restore_tests` out"))
    }

    /// Opens the place that an asset is restored to for real.
    async fn target(&self, asset: &Asset, into: &Target, _: Confirmation) -> Result<Arc<dyn RestoreTarget>> {
        Err(unsupported(format!("{} cannot be restored into {into} here", asset.name)))
    }
}
