//! What Google tells: incidents of Cloud Monitoring, audit logs (of Cloud SQL and Cloud Storage, through Eventarc or a log sink), and
//! notices about a bucket's objects.
//!
//! An incident concerns the asset that its metric's or its policy's label `asset` names, or the Cloud SQL instance that it was
//! about, else the asset between the slashes of the policy's name: `lastgood/orders-db/backup-stale`.

use super::{Notice, Subject, text};
use serde_json::{Map, Value};

/// Reads an incident as Pub/Sub and webhooks deliver it.
pub(super) fn incident(fields: &Map<String, Value>) -> Notice {
    let incident = fields.get("incident").cloned().unwrap_or_default();
    let policy = text(&incident, "/policy_name").unwrap_or_default();
    let labelled = ["/metric/labels/asset", "/policy_user_labels/asset", "/metadata/user_labels/asset"];
    let mut subjects: Vec<_> =
        labelled.iter().filter_map(|path| text(&incident, path)).map(|name| Subject::Asset(name.to_owned())).collect();
    subjects.extend(text(&incident, "/resource/labels/database_id").map(|name| Subject::CloudSql(name.to_owned())));
    subjects.extend(policy.split('/').map(|part| Subject::Asset(part.to_owned())));
    let over = text(&incident, "/state").is_some_and(|state| state != "open");
    Notice { over, ..Notice::new(format!("incident of {policy}"), subjects) }
}

/// Reads an entry of an audit log: who asked what of what stands in it, and it may have failed. All of it means the same:
/// look at what is due there.
pub(in crate::event) fn audited(entry: &Value) -> Notice {
    let method = text(entry, "/protoPayload/methodName").unwrap_or("an audit log entry");
    let resource = text(entry, "/protoPayload/resourceName").unwrap_or_default();
    let labels = |name: &str| text(entry, &format!("/resource/labels/{name}"));
    let failed = entry.pointer("/protoPayload/status/code").and_then(Value::as_i64).is_some_and(|code| code != 0);
    let subject = match text(entry, "/protoPayload/serviceName") {
        Some("cloudsql.googleapis.com") => {
            labels("database_id").map(str::to_owned).or_else(|| instance(resource, labels("project_id"))).map(Subject::CloudSql)
        }
        Some("storage.googleapis.com") => {
            labels("bucket_name").or_else(|| after(resource, "buckets")).map(|name| Subject::Bucket(name.to_owned()))
        }
        _ => None,
    };
    let failed = if failed { " (failed)" } else { "" };
    Notice::new(format!("{method}{failed}"), subject.into_iter().collect())
}

/// Reads what Cloud Storage tells of an object. Which object it is does not matter: nothing of it is followed.
pub(in crate::event) fn stored(bucket: &str, what: &str) -> Notice {
    Notice::new(format!("{what} in bucket {bucket}"), vec![Subject::Bucket(bucket.to_owned())])
}

/// `PROJECT:INSTANCE` of `projects/PROJECT/instances/INSTANCE`, or of `instances/INSTANCE` and a project.
fn instance(resource: &str, project: Option<&str>) -> Option<String> {
    let project = after(resource, "projects").or(project)?;
    Some(format!("{project}:{}", after(resource, "instances")?))
}

fn after<'a>(resource: &'a str, collection: &str) -> Option<&'a str> {
    let mut parts = resource.split('/');
    parts.find(|part| *part == collection)?;
    parts.next().filter(|part| !part.is_empty())
}
