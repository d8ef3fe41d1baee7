//! What is asked of a cloud that is not built in: each question is refused with the feature that answers it.

use super::Real;
use crate::{
    config::Asset,
    domain::place::Place,
    error::{Error, Result, unsupported},
    ports::{Keys, Replicas, RestoreTarget, Snapshots},
    providers::secret_set::Keeper,
};
#[cfg(not(feature = "gcp"))]
use crate::{
    config::{DiskDrill, SqlDrill},
    ports::{Bucket, Exporter, NewDisk, NewSqlInstance},
};
#[cfg(not(feature = "aws"))]
use crate::{
    config::{DrillTarget, EbsDrill, Login, RdsDrill},
    domain::fleet::Candidate,
    ports::{Announcer, Extracts, NewInstance, NewVolume, RestoreTests, Schedules},
    providers::postgres::PgUrl,
};
use std::sync::Arc;

fn absent(what: impl std::fmt::Display, feature: &str) -> Error {
    unsupported(format!("this build cannot {what}")).hint(format!("use a build with the feature `{feature}`"))
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_self, clippy::unused_async, reason = "the same questions as where AWS is built in")]
impl Real {
    pub(super) async fn logged_in_at_aws(&self, url: PgUrl, login: Login, _: &str) -> Result<PgUrl> {
        match login {
            Login::Password => Ok(url),
            Login::Iam => Err(absent("log in by IAM", "aws")),
        }
    }

    pub(super) async fn snapshots_at_aws(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        Err(absent(format!("hold snapshots of {} at {at}", asset.name), "aws"))
    }

    pub(super) async fn extracts_at_aws(&self, home: &Place) -> Result<Arc<dyn Extracts>> {
        Err(absent(format!("make extracts at {home}"), "aws"))
    }

    pub(super) async fn keys_at_aws(&self, _: &Place) -> Result<Option<Arc<dyn Keys>>> {
        Ok(None)
    }

    pub(super) fn announcer_at_aws(&self) -> Option<Arc<dyn Announcer>> {
        None
    }

    pub(super) fn schedules_at_aws(&self) -> Option<Arc<dyn Schedules>> {
        None
    }

    pub(super) async fn candidates_at_aws(&self, at: &Place) -> Result<Vec<Candidate>> {
        Err(absent(format!("look who is at {at}"), "aws"))
    }

    pub(super) fn secrets_at_aws(&self, region: &str) -> Result<Arc<dyn Keeper>> {
        Err(absent(format!("reach the secrets of {region}"), "aws"))
    }

    pub(super) fn in_rds(&self, asset: &Asset, _: &RdsDrill) -> Result<Arc<dyn Replicas>> {
        Err(absent(format!("drill {} in RDS", asset.name), "aws"))
    }

    pub(super) fn in_ebs(&self, asset: &Asset, _: &EbsDrill) -> Result<Arc<dyn Replicas>> {
        Err(absent(format!("drill {} in EBS", asset.name), "aws"))
    }

    pub(super) fn restore_tests_at_aws(&self, asset: &Asset, _: &DrillTarget) -> Result<Arc<dyn RestoreTests>> {
        Err(absent(format!("ask AWS Backup for restores of {}", asset.name), "aws"))
    }

    pub(super) fn beside_in_rds(&self, asset: &Asset, _: &NewInstance) -> Result<Arc<dyn RestoreTarget>> {
        Err(absent(format!("restore {} in RDS", asset.name), "aws"))
    }

    pub(super) fn beside_in_ebs(&self, asset: &Asset, _: &NewVolume) -> Result<Arc<dyn RestoreTarget>> {
        Err(absent(format!("restore {} in EBS", asset.name), "aws"))
    }
}

#[cfg(not(feature = "gcp"))]
#[expect(clippy::unused_self, reason = "the same questions as where Google is built in")]
impl Real {
    pub(super) fn snapshots_at_google(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        Err(absent(format!("hold snapshots of {} at {at}", asset.name), "gcp"))
    }

    pub(super) fn offloaded_by_cloudsql(&self, asset: &Asset, _: Arc<dyn Bucket>) -> Result<Arc<dyn Exporter>> {
        Err(absent(format!("have Cloud SQL export {}", asset.name), "gcp"))
    }

    pub(super) fn in_cloudsql(&self, asset: &Asset, _: &SqlDrill) -> Result<Arc<dyn Replicas>> {
        Err(absent(format!("drill {} in Cloud SQL", asset.name), "gcp"))
    }

    pub(super) fn beside_in_cloudsql(&self, asset: &Asset, _: &NewSqlInstance) -> Result<Arc<dyn RestoreTarget>> {
        Err(absent(format!("restore {} in Cloud SQL", asset.name), "gcp"))
    }

    pub(super) fn keys_at_google(&self) -> Option<Arc<dyn Keys>> {
        None
    }

    pub(super) fn memorystore(&self, asset: &Asset, _: Arc<dyn Bucket>) -> Result<Arc<dyn Exporter>> {
        Err(absent(format!("export {} from Memorystore", asset.name), "gcp"))
    }

    pub(super) fn secrets_at_google(&self, project: &str) -> Result<Arc<dyn Keeper>> {
        Err(absent(format!("reach the secrets of project {project}"), "gcp"))
    }

    pub(super) fn in_disks(&self, asset: &Asset, _: &DiskDrill) -> Result<Arc<dyn Replicas>> {
        Err(absent(format!("drill {} in disks of Google's", asset.name), "gcp"))
    }

    pub(super) fn beside_on_disk(&self, asset: &Asset, _: &NewDisk) -> Result<Arc<dyn RestoreTarget>> {
        Err(absent(format!("restore {} into a disk of Google's", asset.name), "gcp"))
    }
}
