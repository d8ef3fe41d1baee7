//! AWS Backup, as far as restore testing goes: moto has no restore jobs. A job takes looks to be COMPLETED, a page holds few,
//! and a test is judged once.

use super::{
    Aws, Network,
    faults::Faults,
    wire::{Call, Refusal, answer},
};
use axum::body::Body;
use hyper::Response;
use lastgood_core::clock::{Clock, Timestamp, before};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The plan that tests belong to.
pub const PLAN: &str = "arn:aws:backup:eu-west-1:123456789012:restore-testing-plan:weekly-1a2b";

/// Restore jobs in every region.
#[derive(Debug)]
pub struct RestoreJobs {
    clock: Arc<dyn Clock>,
    faults: Faults,
    jobs: Mutex<Vec<Job>>,
}

#[derive(Debug, Clone)]
struct Job {
    region: String,
    /// Looks until it is COMPLETED.
    left: usize,
    said: Value,
    /// What was told of it.
    told: Vec<(String, String)>,
}

impl RestoreJobs {
    /// There are none.
    pub fn new(clock: Arc<dyn Clock>, faults: Faults) -> Self {
        Self { clock, faults, jobs: Mutex::default() }
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request.
    pub fn answer(&self, call: &Call, body: &[u8]) -> Response<Body> {
        let answered = match call.action.as_str() {
            "ListRestoreJobs" => self.list(call),
            "DescribeRestoreJob" => self.describe(call),
            "PutRestoreValidationResult" => self.put(call, body),
            other => Err(Refusal::new("UnknownOperationException", other)),
        };
        match answered {
            Ok(Value::Null) => answer(204, "application/json", ""),
            Ok(said) => answer(200, "application/json", said.to_string()),
            Err(refusal) => refusal.answer("backup"),
        }
    }

    fn list(&self, call: &Call) -> Result<Value, Refusal> {
        let invalid = |what: &str| Refusal::new("InvalidParameterValueException", format!("Invalid {what}"));
        let most: usize = match call.get("maxResults") {
            "" => 1_000,
            text => text.parse().ok().filter(|most| (1..=1_000).contains(most)).ok_or_else(|| invalid("maxResults"))?,
        };
        let start: usize = match call.get("nextToken") {
            "" => 0,
            token => token.strip_prefix("from=").and_then(|at| at.parse().ok()).ok_or_else(|| invalid("nextToken"))?,
        };
        let after = match call.get("createdAfter") {
            "" => Timestamp::UNIX_EPOCH,
            moment => moment.parse().map_err(|_| invalid("createdAfter"))?,
        };
        let mut jobs = self.jobs();
        let created = |job: &Job| job.said["CreationDate"].as_f64().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
        let asked = |job: &&mut Job| {
            let status = call.get("status");
            job.region == call.region
                && created(job) >= after.as_second() as f64
                && (status.is_empty() || job.said["Status"] == status || job.left > 0)
        };
        let mut shown = Vec::new();
        for job in jobs.iter_mut().filter(asked) {
            // What is still at work is not among what has ended, however often one looks.
            if job.left > 0 {
                job.left -= 1;
                continue;
            }
            shown.push(job.said.clone());
        }
        let page = self.faults.rules_now().page.min(most);
        let next = (start + page < shown.len()).then(|| format!("from={}", start + page));
        let shown: Vec<_> = shown.into_iter().skip(start).take(page).collect();
        Ok(json!({ "RestoreJobs": shown, "NextToken": next }))
    }

    fn describe(&self, call: &Call) -> Result<Value, Refusal> {
        let jobs = self.jobs();
        let found = jobs.iter().find(|job| job.region == call.region && job.said["RestoreJobId"] == call.get("job"));
        found.map(|job| job.said.clone()).ok_or_else(|| absent(call))
    }

    fn put(&self, call: &Call, body: &[u8]) -> Result<Value, Refusal> {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let (status, message) = (text("ValidationStatus"), text("ValidationStatusMessage"));
        if !matches!(status.as_str(), "SUCCESSFUL" | "FAILED" | "TIMED_OUT" | "VALIDATING") {
            return Err(Refusal::new("InvalidParameterValueException", format!("Invalid ValidationStatus {status}")));
        }
        let mut jobs = self.jobs();
        let job = jobs.iter_mut().find(|job| job.region == call.region && job.said["RestoreJobId"] == call.get("job"));
        let job = job.ok_or_else(|| absent(call))?;
        if job.said["ValidationStatus"] != "VALIDATING" {
            return Err(Refusal::new("InvalidRequestException", "Restore job is not in a state that can be validated."));
        }
        job.said["ValidationStatus"] = status.clone().into();
        job.said["ValidationStatusMessage"] = message.clone().into();
        job.told.push((status, message));
        Ok(Value::Null)
    }

    /// Puts a job there that has restored `source` as `created`, a quarter of an hour ago, and changes what is said of it.
    pub fn restored(&self, region: &str, id: &str, source: &str, created: &str, change: impl FnOnce(&mut Value)) {
        #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
        let ago = |minutes: u64| before(self.clock.now(), Duration::from_mins(minutes)).as_second() as f64 + 0.742;
        let mut said = json!({
            "AccountId": "123456789012", "RestoreJobId": id, "Status": "COMPLETED", "PercentDone": "100.00%",
            "CreationDate": ago(30), "CompletionDate": ago(15), "RecoveryPointCreationDate": ago(180), "ResourceType": "RDS",
            "RecoveryPointArn": format!("arn:aws:rds:{region}:123456789012:snapshot:awsbackup:job-{id}"),
            "IamRoleArn": "arn:aws:iam::123456789012:role/restore-testing", "BackupSizeInBytes": 21_474_836_480_u64,
            "SourceResourceArn": format!("arn:aws:rds:{region}:123456789012:db:{source}"),
            "CreatedResourceArn": format!("arn:aws:rds:{region}:123456789012:db:{created}"),
            "CreatedBy": { "RestoreTestingPlanArn": PLAN }, "ValidationStatus": "VALIDATING",
        });
        change(&mut said);
        let left = self.faults.rules_now().looks;
        self.jobs().push(Job { region: region.to_owned(), left, said, told: Vec::new() });
    }

    /// What was told of a job, in order.
    pub fn told(&self, id: &str) -> Vec<(String, String)> {
        self.jobs().iter().filter(|job| job.said["RestoreJobId"] == id).flat_map(|job| job.told.clone()).collect()
    }

    /// Changes what is said of a job.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Value)) {
        if let Some(job) = self.jobs().iter_mut().find(|job| job.said["RestoreJobId"] == id) {
            change(&mut job.said);
        }
    }
}

fn absent(call: &Call) -> Refusal {
    Refusal::new("ResourceNotFoundException", format!("Cannot find restore job {}", call.get("job")))
}

impl Aws {
    /// Restores an instance as AWS Backup would to test it: a real server of the very data, into a network.
    pub async fn restores_to_test(&self, region: &str, source: &str, created: &str, network: &Network) {
        let rds = aws_sdk_rds::Client::new(&self.sdk(region));
        let point = format!("awsbackup-job-{created}");
        rds.create_db_snapshot().db_instance_identifier(source).db_snapshot_identifier(&point).send().await.expect("a recovery point");
        loop {
            let seen = rds.describe_db_snapshots().db_snapshot_identifier(&point).send().await.expect("a recovery point");
            if seen.db_snapshots()[0].status() == Some("available") {
                break;
            }
        }
        let call = rds.restore_db_instance_from_db_snapshot().db_instance_identifier(created).db_snapshot_identifier(&point);
        let call = call.db_subnet_group_name(&network.subnet_group).vpc_security_group_ids(&network.security_group);
        call.publicly_accessible(false).send().await.expect("a restored instance");
    }
}
