//! Notices that come as they are, most often inside an SNS or Pub/Sub message: alarms, a service's own words. They only wake.

use super::{Envelope, Event};
use serde_json::{Map, Value};

/// The keys by which a notice is known; all of them must be there.
const KNOWN: [&[&str]; 7] = [
    // CloudWatch alarm
    &["AlarmName", "NewStateValue"],
    // RDS event subscription
    &["Event Source", "Event ID"],
    // AWS Backup
    &["BackupJobId"],
    // S3, when notifications are switched on
    &["Service", "Event", "Bucket"],
    // Cloud Monitoring incident
    &["incident", "version"],
    // Cloud Storage object
    &["kind", "bucket", "selfLink"],
    // Alertmanager webhook
    &["alerts", "groupKey", "status"],
];

/// Returns a wake-up, if this is a notice that is known.
pub fn open(fields: &Map<String, Value>) -> Option<Event> {
    KNOWN.iter().any(|keys| keys.iter().all(|key| fields.contains_key(*key))).then(|| Event::wake(Envelope::Notice))
}
