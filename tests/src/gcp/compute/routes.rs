//! Which call a request is, and what of it the service does not know.

use crate::gcp::{Asked, Call, Refusal};
use serde_json::Value;

/// Reads a request below `/compute/v1/projects/`; none where it is another service's.
pub(super) fn read(asked: &Asked) -> Option<Result<Call, Refusal>> {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let ["compute", "v1", "projects", project, rest @ ..] = &path[..] else { return None };
    let (api, permission, names, fields, parameters): (_, _, Vec<&str>, &[&str], &[&str]) = match (asked.method.as_str(), rest) {
        ("GET", []) => ("compute.projects.get", "compute.projects.get", vec![], &[], &[]),
        ("GET", [scope @ ("zones" | "regions"), at, "disks"]) => {
            ("compute.disks.list", "compute.disks.list", vec![*scope, *at], &[], &["filter", "maxResults", "pageToken"])
        }
        ("POST", [scope @ ("zones" | "regions"), at, "disks"]) => (
            "compute.disks.insert",
            "compute.disks.create",
            vec![*scope, *at],
            &[
                "name",
                "description",
                "labels",
                "sizeGb",
                "type",
                "sourceSnapshot",
                "provisionedIops",
                "provisionedThroughput",
                "diskEncryptionKey",
                "accessMode",
                "replicaZones",
            ],
            &["requestId"],
        ),
        ("GET", [scope @ ("zones" | "regions"), at, "disks", name]) => {
            ("compute.disks.get", "compute.disks.get", vec![*scope, *at, *name], &[], &[])
        }
        ("DELETE", [scope @ ("zones" | "regions"), at, "disks", name]) => {
            ("compute.disks.delete", "compute.disks.delete", vec![*scope, *at, *name], &[], &["requestId"])
        }
        ("POST", [scope @ ("zones" | "regions"), at, "disks", name, "createSnapshot"]) => (
            "compute.disks.createSnapshot",
            "compute.disks.createSnapshot",
            vec![*scope, *at, *name],
            &["name", "description", "labels", "storageLocations"],
            &["requestId", "guestFlush"],
        ),
        ("GET", ["global", "snapshots"]) => {
            ("compute.snapshots.list", "compute.snapshots.list", vec![], &[], &["filter", "maxResults", "pageToken"])
        }
        ("GET", ["global", "snapshots", name]) => ("compute.snapshots.get", "compute.snapshots.get", vec![*name], &[], &[]),
        ("DELETE", ["global", "snapshots", name]) => {
            ("compute.snapshots.delete", "compute.snapshots.delete", vec![*name], &[], &["requestId"])
        }
        ("GET", ["zones", _, "operations", name]) => ("compute.zoneOperations.get", "compute.zoneOperations.get", vec![*name], &[], &[]),
        ("GET", ["regions", _, "operations", name]) => {
            ("compute.regionOperations.get", "compute.regionOperations.get", vec![*name], &[], &[])
        }
        ("GET", ["global", "operations", name]) => ("compute.globalOperations.get", "compute.globalOperations.get", vec![*name], &[], &[]),
        ("GET", ["zones", zone, "instances", name]) => ("compute.instances.get", "compute.instances.get", vec![*zone, *name], &[], &[]),
        ("GET", ["regions", region, "resourcePolicies", name]) => {
            ("compute.resourcePolicies.get", "compute.resourcePolicies.get", vec![*region, *name], &[], &[])
        }
        _ => return Some(Err(Refusal::new(404, "notFound", "Not Found"))),
    };
    let names = std::iter::once(*project).chain(names).map(str::to_owned).collect();
    Some(checked(asked, fields, parameters).map(|body| Call { api, permission, names, query: asked.query.clone(), body }))
}

fn checked(asked: &Asked, fields: &[&str], parameters: &[&str]) -> Result<Value, Refusal> {
    let invalid = |what: String| Refusal::new(400, "invalid", what);
    if let Some((name, _)) = asked.query.iter().find(|(name, _)| !parameters.contains(&name.as_str())) {
        return Err(invalid(format!("Unknown name \"{name}\": Cannot bind query parameter.")));
    }
    let body = asked.json()?;
    if let Some(field) = body.as_object().and_then(|body| body.keys().find(|field| !fields.contains(&field.as_str()))) {
        return Err(invalid(format!("Invalid JSON payload received. Unknown name \"{field}\": Cannot find field.")));
    }
    let is_uuid = |id: &str| {
        let parts: Vec<_> = id.split('-').map(str::len).collect();
        parts == [8, 4, 4, 4, 12] && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    match asked.query("requestId") {
        Some(id) if !is_uuid(id) => Err(invalid(format!("Invalid value for field 'requestId': '{id}'"))),
        // The real one asks for none; that nothing here is ordered without one is what is tested.
        None if asked.method != "GET" => Err(invalid("no requestId".to_owned())),
        Some(_) | None => Ok(body),
    }
}

/// Labels as Google has them: few, short, and lower-case.
pub(super) fn labels(body: &Value) -> Result<Value, Refusal> {
    let plain =
        |text: &str| text.len() <= 63 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    let Some(labels) = body["labels"].as_object() else { return Ok(serde_json::json!({})) };
    let good = |(key, value): (&String, &Value)| {
        !key.is_empty() && plain(key) && key.starts_with(|c: char| c.is_ascii_lowercase()) && value.as_str().is_some_and(plain)
    };
    if labels.len() > 64 || !labels.iter().all(good) {
        return Err(Refusal::new(400, "invalid", "Invalid value for field 'resource.labels'"));
    }
    Ok(body["labels"].clone())
}

/// A name as RFC 1035 has it.
pub(super) fn name(body: &Value) -> Result<String, Refusal> {
    let name = body["name"].as_str().unwrap_or_default();
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !(1..=63).contains(&name.len()) || !plain || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
        return Err(Refusal::new(400, "invalid", format!("Invalid value for field 'resource.name': '{name}'")));
    }
    Ok(name.to_owned())
}
