//! What AWS Backup writes: restore jobs in JSON, moments as seconds since 1970, ARNs of what was restored and of what it was made.

use crate::{clock::Timestamp, domain::restore_test::RestoreTest};
use serde::Deserialize;

/// A page of restore jobs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    #[serde(default)]
    pub restore_jobs: Vec<Job>,
    pub next_token: Option<String>,
}

/// A restore job, as it is listed and as it is described.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Job {
    restore_job_id: Option<String>,
    recovery_point_arn: Option<String>,
    recovery_point_creation_date: Option<f64>,
    creation_date: Option<f64>,
    completion_date: Option<f64>,
    status: Option<String>,
    created_resource_arn: Option<String>,
    /// What was backed up.
    #[serde(rename = "SourceResourceArn")]
    pub(super) source: Option<String>,
    created_by: Option<Creator>,
    validation_status: Option<String>,
    deletion_status: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Creator {
    restore_testing_plan_arn: Option<String>,
}

impl Job {
    /// What it was judged as, if it was.
    pub(super) fn judged(&self) -> Option<&str> {
        self.validation_status.as_deref().filter(|status| !matches!(*status, "" | "VALIDATING"))
    }

    /// Whether it has ended well, is a test, waits to be judged, and AWS Backup has not begun to remove what it made.
    pub(super) fn is_open(&self) -> bool {
        self.status.as_deref() == Some("COMPLETED") && self.plan().is_some() && self.judged().is_none() && self.deletion_status.is_none()
    }

    fn plan(&self) -> Option<&str> {
        self.created_by.as_ref()?.restore_testing_plan_arn.as_deref().filter(|plan| !plan.is_empty())
    }

    /// The test that it is; none where AWS Backup does not say enough of it.
    pub(super) fn test(&self) -> Option<RestoreTest> {
        let began_at = moment(self.creation_date?)?;
        Some(RestoreTest {
            job: self.restore_job_id.clone()?,
            plan: self.plan()?.to_owned(),
            recovery_point: self.recovery_point_arn.clone()?,
            // Where it is not said, the restore itself is the latest that it can be.
            data_time: self.recovery_point_creation_date.and_then(moment).unwrap_or(began_at),
            created: self.created_resource_arn.clone()?,
            began_at,
            ended_at: self.completion_date.and_then(moment),
        })
    }
}

fn moment(seconds: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "a moment in whole milliseconds is far below what an i64 holds")]
    let millis = (seconds * 1_000.0).round() as i64;
    Timestamp::from_millisecond(millis).ok()
}

/// The region and the identifier of an RDS instance or cluster that an ARN names.
pub(super) fn database(arn: &str) -> Option<(&str, &str)> {
    match arn.splitn(7, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "rds", region, _, "db" | "cluster", id] if !id.is_empty() => Some((region, id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn completed() -> Value {
        json!({
            "RestoreJobId": "A1", "Status": "COMPLETED", "CreationDate": 1_795_147_200.742, "CompletionDate": 1_795_148_100.1,
            "RecoveryPointArn": "arn:aws:rds:eu-west-1:123456789012:snapshot:awsbackup:job-1",
            "RecoveryPointCreationDate": 1_795_100_000,
            "CreatedResourceArn": "arn:aws:rds:eu-west-1:123456789012:db:awsbackup-restore-test-1",
            "SourceResourceArn": "arn:aws:rds:eu-west-1:123456789012:db:orders-prod",
            "CreatedBy": { "RestoreTestingPlanArn": "arn:aws:backup:eu-west-1:123456789012:restore-testing-plan:weekly-1" },
            "ResourceType": "RDS", "ValidationStatus": "VALIDATING", "PercentDone": "100.00%"
        })
    }

    fn job(change: impl FnOnce(&mut Value)) -> Job {
        let mut value = completed();
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_job_waits_to_be_judged_only_as_an_ended_test_that_nobody_judged() {
        let open = job(|_| ());
        assert!(open.is_open());
        let test = open.test().unwrap();
        assert_eq!((test.job.as_str(), test.began_at.to_string().as_str()), ("A1", "2026-11-20T04:00:00.742Z"));
        assert_eq!(test.replica().0, "awsbackup-restore-test-1");
        assert_eq!(test.took().unwrap().as_secs(), 899);
        assert!(job(|job| job["ValidationStatus"] = Value::Null).is_open());
        for (key, value) in [
            ("Status", json!("RUNNING")),
            ("ValidationStatus", json!("SUCCESSFUL")),
            ("ValidationStatus", json!("TIMED_OUT")),
            ("CreatedBy", Value::Null),
            ("CreatedBy", json!({})),
            ("DeletionStatus", json!("DELETING")),
        ] {
            assert!(!job(|job| job[key] = value.clone()).is_open(), "{key}: {value}");
        }
        assert_eq!(job(|job| job["CreatedResourceArn"] = Value::Null).test(), None, "what does not say what it made is none");
    }

    #[test]
    fn only_databases_of_rds_are_named_by_an_arn() {
        assert_eq!(database("arn:aws:rds:eu-west-1:123456789012:db:orders-prod"), Some(("eu-west-1", "orders-prod")));
        assert_eq!(database("arn:aws-cn:rds:cn-north-1:123456789012:cluster:orders"), Some(("cn-north-1", "orders")));
        for other in ["arn:aws:rds:eu-west-1:123456789012:snapshot:x", "arn:aws:s3:::orders-prod", "orders-prod", "", "arn:aws:rds:a:b:db:"]
        {
            assert_eq!(database(other), None, "{other}");
        }
    }
}
