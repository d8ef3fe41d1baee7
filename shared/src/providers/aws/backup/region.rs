//! AWS Backup in one region. A listing is complete or an error; one look serves every asset of an invocation.

use super::{
    error::{is_absent, told},
    wire::{Job, Page},
};
use crate::{
    clock::{Timestamp, before, since},
    domain::{place::Place, restore_test::Told},
    error::{Result, failed},
    providers::aws::{
        Aws,
        call::{Call, Service, escaped},
        shared::every_page,
    },
};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// AWS Backup answers within seconds, or not at all.
const PATIENCE: Duration = Duration::from_mins(1);
/// A test waits a week at most to be judged; its restore takes time as well.
const BACK: Duration = Duration::from_hours(9 * 24);
/// A look serves for this long.
const SERVES: Duration = Duration::from_mins(1);

/// The restore jobs that were seen, by place.
#[derive(Debug, Default)]
pub struct Looks(Mutex<HashMap<Place, Look>>);

/// When it was looked, and what was seen.
type Look = (Timestamp, Arc<Vec<Job>>);

impl Looks {
    /// Returns what a region showed lately, or looks.
    pub(super) async fn lately(&self, aws: &Aws, place: &Place, now: Timestamp) -> Result<Arc<Vec<Job>>> {
        let mut looks = self.0.lock().await;
        if let Some((_, jobs)) = looks.get(place).filter(|(at, _)| *at <= now && since(now, *at) < SERVES) {
            return Ok(jobs.clone());
        }
        let jobs = Arc::new(Region::open(aws, place).await.jobs(before(now, BACK)).await?);
        looks.insert(place.clone(), (now, jobs.clone()));
        Ok(jobs)
    }

    /// Forgets what a region showed: something of it was changed.
    pub(super) async fn forget(&self, place: &Place) {
        self.0.lock().await.remove(place);
    }
}

/// AWS Backup in one region of our own account.
pub(super) struct Region {
    place: Place,
    call: Call,
    once: Call,
}

impl Region {
    /// Opens the region at `aws://region`. Asks nothing yet.
    pub(super) async fn open(aws: &Aws, place: &Place) -> Self {
        let config = aws.in_region(place.bucket(), PATIENCE).await;
        Self { place: place.clone(), call: Call::new(&config, Service::Backup), once: Call::once(&config, Service::Backup) }
    }

    /// Every restore job that ended and was begun since then.
    async fn jobs(&self, from: Timestamp) -> Result<Vec<Job>> {
        let (right, of) = ("backup:ListRestoreJobs", format!("the restore jobs at {}", self.place));
        let (right, of, from) = (&right, &of, escaped(&from.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        let from = &from;
        every_page(of, |token| async move {
            let next = token.map(|token| format!("&nextToken={}", escaped(&token))).unwrap_or_default();
            let path = format!("/restore-jobs/?createdAfter={from}&maxResults=1000{next}&status=COMPLETED");
            let reply = self.call.rest("GET", &path, None).await.map_err(|error| told(right, of, &error))?;
            let page: Page = read(right, &reply.body)?;
            Ok((page.restore_jobs, page.next_token))
        })
        .await
    }

    /// Returns one restore job as it is now, or none where there is none.
    pub(super) async fn job(&self, id: &str) -> Result<Option<Job>> {
        let right = "backup:DescribeRestoreJob";
        match self.call.rest("GET", &format!("/restore-jobs/{}", escaped(id)), None).await {
            Ok(reply) => read(right, &reply.body).map(Some),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(told(right, &format!("restore job {id} at {}", self.place), &error)),
        }
    }

    /// Tells what came of a test. Sent once: the caller looks before it tells again.
    pub(super) async fn put(&self, id: &str, told_as: Told, message: &str) -> Result<()> {
        let body = json!({ "ValidationStatus": told_as.as_str(), "ValidationStatusMessage": message });
        let path = format!("/restore-jobs/{}/validations", escaped(id));
        match self.once.rest("PUT", &path, Some(&body)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(told("backup:PutRestoreValidationResult", &format!("restore job {id} at {}", self.place), &error)),
        }
    }
}

fn read<T: DeserializeOwned>(right: &str, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| failed(format!("reading what AWS Backup answered to {right}")).because(error))
}
