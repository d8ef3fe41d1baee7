//! Which request is a call of which method, and what it may carry: what Google does not know is refused.

use super::fields;
use crate::gcp::wire::{Asked, Call, Refusal};

/// A method, the right that it takes, the parameters and the message that it knows.
struct Route {
    method: &'static str,
    path: &'static str,
    api: &'static str,
    permission: &'static str,
    query: &'static [&'static str],
    body: Option<&'static str>,
}

const fn read(path: &'static str, api: &'static str, permission: &'static str, query: &'static [&'static str]) -> Route {
    Route { method: "GET", path, api, permission, query, body: None }
}

const fn write(
    method: &'static str,
    path: &'static str,
    api: &'static str,
    permission: &'static str,
    query: &'static [&'static str],
    body: Option<&'static str>,
) -> Route {
    Route { method, path, api, permission, query, body }
}

const PAGED: &[&str] = &["maxResults", "pageToken"];
const FINAL: &[&str] = &["enableFinalBackup", "finalBackupTtlDays", "finalBackupExpiryTime", "finalBackupDescription"];
const ROUTES: &[Route] = &[
    read("instances", "sql.instances.list", "cloudsql.instances.list", &["filter", "maxResults", "pageToken"]),
    read("instances/{}", "sql.instances.get", "cloudsql.instances.get", &[]),
    write("POST", "instances", "sql.instances.insert", "cloudsql.instances.create", &[], Some("DatabaseInstance")),
    write("PATCH", "instances/{}", "sql.instances.patch", "cloudsql.instances.update", &[], Some("DatabaseInstance")),
    write("DELETE", "instances/{}", "sql.instances.delete", "cloudsql.instances.delete", FINAL, None),
    write("POST", "instances/{}/clone", "sql.instances.clone", "cloudsql.instances.clone", &[], Some("InstancesCloneRequest")),
    write(
        "POST",
        "instances/{}/restoreBackup",
        "sql.instances.restoreBackup",
        "cloudsql.instances.restoreBackup",
        &[],
        Some("InstancesRestoreBackupRequest"),
    ),
    write("POST", "instances/{}/export", "sql.instances.export", "cloudsql.instances.export", &[], Some("InstancesExportRequest")),
    write("POST", "instances/{}/import", "sql.instances.import", "cloudsql.instances.import", &[], Some("InstancesImportRequest")),
    read(
        "instances/{}/getLatestRecoveryTime",
        "sql.projects.instances.getLatestRecoveryTime",
        "cloudsql.instances.get",
        &["sourceInstanceDeletionTime", "location"],
    ),
    read("instances/{}/backupRuns", "sql.backupRuns.list", "cloudsql.backupRuns.list", PAGED),
    read("instances/{}/backupRuns/{}", "sql.backupRuns.get", "cloudsql.backupRuns.get", &[]),
    write("POST", "instances/{}/backupRuns", "sql.backupRuns.insert", "cloudsql.backupRuns.create", &[], Some("BackupRun")),
    write("DELETE", "instances/{}/backupRuns/{}", "sql.backupRuns.delete", "cloudsql.backupRuns.delete", &[], None),
    read("operations", "sql.operations.list", "cloudsql.instances.get", &["instance", "filter", "maxResults", "pageToken"]),
    read("operations/{}", "sql.operations.get", "cloudsql.instances.get", &[]),
    read("instances/{}/users", "sql.users.list", "cloudsql.users.list", &[]),
    write("POST", "instances/{}/users", "sql.users.insert", "cloudsql.users.create", &[], Some("User")),
    write(
        "PUT",
        "instances/{}/users",
        "sql.users.update",
        "cloudsql.users.update",
        &["name", "host", "databaseRoles", "revokeExistingRoles"],
        Some("User"),
    ),
    write("DELETE", "instances/{}/users", "sql.users.delete", "cloudsql.users.delete", &["name", "host"], None),
    read("instances/{}/databases", "sql.databases.list", "cloudsql.databases.list", &[]),
    write("POST", "instances/{}/databases", "sql.databases.insert", "cloudsql.databases.create", &[], Some("Database")),
    write("DELETE", "instances/{}/databases/{}", "sql.databases.delete", "cloudsql.databases.delete", &[], None),
    read("backups", "sql.Backups.ListBackups", "cloudsql.backupRuns.list", &["filter", "pageSize", "pageToken"]),
    read("backups/{}", "sql.Backups.GetBackup", "cloudsql.backupRuns.get", &[]),
    write("POST", "backups", "sql.Backups.CreateBackup", "cloudsql.backupRuns.create", &[], Some("Backup")),
    write("DELETE", "backups/{}", "sql.Backups.DeleteBackup", "cloudsql.backupRuns.delete", &[], None),
];

/// What every method of Google's knows.
const EVERYWHERE: [&str; 5] = ["alt", "$alt", "fields", "prettyPrint", "quotaUser"];

/// Reads a request as a call, if it is one of Cloud SQL's. A method that is not there is none.
pub(in crate::gcp) fn read_call(asked: &Asked) -> Option<Result<Call, Refusal>> {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let ["v1", "projects", project, rest @ ..] = &path[..] else { return None };
    let (route, names) =
        ROUTES.iter().filter(|route| route.method == asked.method).find_map(|route| Some((route, named(route.path, rest)?)))?;
    let names = [(*project).to_owned()].into_iter().chain(names).collect();
    Some(call(route, names, asked))
}

fn named(pattern: &str, path: &[&str]) -> Option<Vec<String>> {
    let pattern: Vec<_> = pattern.split('/').collect();
    let alike = pattern.len() == path.len() && pattern.iter().zip(path).all(|(known, part)| *known == "{}" || known == part);
    alike.then(|| pattern.iter().zip(path).filter(|(known, _)| **known == "{}").map(|(_, part)| (*part).to_owned()).collect())
}

fn call(route: &Route, names: Vec<String>, asked: &Asked) -> Result<Call, Refusal> {
    for (name, _) in &asked.query {
        if !route.query.contains(&name.as_str()) && !EVERYWHERE.contains(&name.as_str()) {
            let message = format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter.");
            return Err(Refusal::new(400, "badRequest", message));
        }
    }
    let body = asked.json()?;
    match route.body {
        Some(message) => fields::check(&body, message, "")?,
        None if asked.body.is_empty() => {}
        None => return Err(Refusal::new(400, "badRequest", "Invalid JSON payload received. The request body must be empty.")),
    }
    Ok(Call { api: route.api, permission: route.permission, names, query: asked.query.clone(), body })
}
