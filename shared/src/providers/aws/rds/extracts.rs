//! Extracts of snapshots for analysts: RDS writes their tables to S3 as Parquet. They are no backups.

use super::{
    error::{code, is_taken},
    look::Region,
};
use crate::{
    config::AnalyticsPolicy,
    domain::{
        held::{Held, SnapshotName},
        place::Place,
    },
    error::{Result, conflict},
    ports::{ExtractSeen, ExtractState, Extracts},
    providers::aws::shared::Aws,
};
use async_trait::async_trait;

/// RDS's export tasks in one region.
#[derive(Debug)]
pub struct RdsExtracts {
    here: Region,
}

impl RdsExtracts {
    /// Opens those of a region. Asks nothing yet.
    pub async fn open(aws: &Aws, home: &Place) -> Result<Self> {
        Ok(Self { here: Region::open(aws, home).await? })
    }
}

#[async_trait]
impl Extracts for RdsExtracts {
    async fn begin_extract(&self, name: &SnapshotName, of: &Held, policy: &AnalyticsPolicy) -> Result<()> {
        let mut start = self.here.client.start_export_task();
        start = start.export_task_identifier(&name.0).source_arn(&of.reference).iam_role_arn(&policy.role).kms_key_id(&policy.kms_key);
        start = start.s3_bucket_name(policy.to.bucket());
        if !policy.to.prefix().is_empty() {
            start = start.s3_prefix(policy.to.prefix());
        }
        if !policy.only.is_empty() {
            start = start.set_export_only(Some(policy.only.clone()));
        }
        match start.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_taken(&error) => match self.extract(name).await? {
                Some(seen) if seen.of == of.reference => Ok(()),
                _ => Err(conflict(format!("export task {name} at {} is of something else", self.here.place))
                    .hint("nothing was touched: find out whose it is")),
            },
            Err(error) => Err(self.here.told("rds:StartExportTask", &name.0, &error)),
        }
    }

    async fn extract(&self, name: &SnapshotName) -> Result<Option<ExtractSeen>> {
        let found = match self.here.client.describe_export_tasks().export_task_identifier(&name.0).send().await {
            Ok(found) => found.export_tasks.unwrap_or_default(),
            Err(error) if code(&error) == "ExportTaskNotFound" => return Ok(None),
            Err(error) => return Err(self.here.told("rds:DescribeExportTasks", &name.0, &error)),
        };
        Ok(found.into_iter().find(|task| task.export_task_identifier() == Some(&name.0)).map(|task| {
            let state = match task.status().unwrap_or_default().to_ascii_uppercase().as_str() {
                "COMPLETE" => {
                    let gigabytes = u64::try_from(task.total_extracted_data_in_gb().unwrap_or_default()).unwrap_or_default();
                    ExtractState::Complete { bytes: gigabytes * 1_000_000_000 }
                }
                "FAILED" => ExtractState::Failed(task.failure_cause().unwrap_or("RDS does not say why").to_owned()),
                "CANCELED" | "CANCELING" => ExtractState::Failed("it was cancelled".to_owned()),
                _ => ExtractState::Pending { percent: task.percent_progress().and_then(|percent| u8::try_from(percent).ok()) },
            };
            ExtractSeen { of: task.source_arn().unwrap_or_default().to_owned(), state }
        }))
    }
}
