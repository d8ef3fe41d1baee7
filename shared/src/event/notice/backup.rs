//! What AWS Backup tells of its restore jobs. Whatever it says of one, it only wakes: whether the job is a test, has ended
//! and waits to be judged, AWS Backup itself is asked.

use super::{Notice, Subject, text};
use serde_json::Value;

/// The type of what it tells of restores.
pub(in crate::event) const RESTORE_JOB: &str = "Restore Job State Change";

/// Reads the `detail` of an `EventBridge` event.
pub(in crate::event) fn restored(detail: &Value) -> Notice {
    let job = text(detail, "/restoreJobId").unwrap_or("without a name");
    let status = text(detail, "/status").map(|status| format!(" ({status})")).unwrap_or_default();
    let source = text(detail, "/sourceResourceArn");
    let subject = source.and_then(database).map(|id| Subject::Database(id.to_owned()));
    Notice::new(format!("restore job {job}{status}"), subject.into_iter().collect())
        .of_account(source.filter(|arn| arn.starts_with("arn:")))
}

/// The identifier of the instance or cluster of RDS that an ARN names.
fn database(arn: &str) -> Option<&str> {
    match arn.splitn(7, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "rds", _, _, "db" | "cluster", id] => Some(id),
        _ => None,
    }
}
