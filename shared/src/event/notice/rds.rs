//! What RDS tells of instances, clusters and their snapshots: through `EventBridge`, and through an event subscription's
//! SNS topic. Delivery is best effort and in no order, so all of them mean the same: look at what is due there.

use super::{Notice, Subject, text};
use serde_json::{Map, Value};

/// Reads the `detail` of an `EventBridge` event.
pub(in crate::event) fn told(detail: &Value) -> Notice {
    let id = text(detail, "/EventID").unwrap_or("an event of RDS");
    let category = detail.pointer("/EventCategories/0").and_then(Value::as_str).map(|category| format!(" ({category})"));
    let subject = text(detail, "/SourceIdentifier").map(|name| subject(text(detail, "/SourceType").unwrap_or_default(), name));
    Notice::new(format!("{id}{}", category.unwrap_or_default()), subject.into_iter().collect())
        .of_account(text(detail, "/SourceArn").filter(|arn| arn.starts_with("arn:")))
}

/// Reads the message of an event subscription.
pub(super) fn subscribed(message: &Map<String, Value>) -> Notice {
    let field = |name: &str| message.get(name).and_then(Value::as_str);
    // A link to the documentation of the event, whose fragment is the event's id.
    let id = field("Event ID").map_or("an event of RDS", |link| link.rsplit_once('#').map_or(link, |(_, id)| id));
    let subject = field("Source ID").map(|name| subject(field("Event Source").unwrap_or_default(), name));
    Notice::new(id, subject.into_iter().collect()).of_account(field("Source ARN").filter(|arn| arn.starts_with("arn:")))
}

/// The kinds of source are `DB_INSTANCE`, `CLUSTER`, `SNAPSHOT`, `CLUSTER_SNAPSHOT` to `EventBridge`, and `db-instance`,
/// `db-cluster`, `db-snapshot`, `db-cluster-snapshot` to a subscription.
fn subject(kind: &str, name: &str) -> Subject {
    if kind.to_ascii_lowercase().ends_with("snapshot") { Subject::Snapshot(name.to_owned()) } else { Subject::Database(name.to_owned()) }
}
