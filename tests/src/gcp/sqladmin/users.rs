//! Users and databases: real roles with real passwords.

use super::{
    Key, SqlAdmin, State, key,
    operations::{Failed, Work, internal},
};
use crate::{
    engine::{Certificates, SHIPPING, identifier, literal},
    gcp::wire::{Call, Refusal},
    pg::Cluster,
};
use serde_json::{Value, json};

/// The superuser that only Cloud SQL itself is.
pub(super) const SUPERUSER: &str = "cloudsqladmin";

/// The password of `postgres` in the source: a canary that must never turn up in a report, a record or a log.
pub const POSTGRES_PASSWORD: &str = "canary-postgres-7c1e";

/// Starts a server as a new instance has it: `postgres` may do much, and is no superuser.
pub(super) async fn settled(certificates: &Certificates, password: &str) -> Cluster {
    let cluster = certificates.fresh(&SHIPPING).await;
    let password = if password.is_empty() { "null".to_owned() } else { literal(password) };
    let roles = format!(
        "create role cloudsqlsuperuser nologin createdb createrole in role pg_monitor, pg_signal_backend;
         create role postgres login createdb createrole password {password} in role cloudsqlsuperuser;
         alter database postgres owner to cloudsqlsuperuser;
         alter schema public owner to cloudsqlsuperuser;"
    );
    cluster.sql("postgres", &roles).await;
    cluster
}

impl SqlAdmin {
    /// The first column of what a question to an instance's server answers.
    async fn column(&self, state: &mut State, key: &Key, sql: &str) -> Result<Vec<String>, Refusal> {
        self.look(state, key).await;
        let instance = self.runnable(state, key)?;
        match &instance.server {
            Some(server) => Ok(server.socket.column(sql).await),
            None => Err(self.missing()),
        }
    }

    pub(super) async fn list_users(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let key = key(call);
        let sql = "select rolname from pg_roles where rolcanlogin and rolname !~ '^(pg_|cloudsql)' order by rolname";
        let names = self.column(state, &key, sql).await?;
        let one = |name| json!({ "kind": "sql#user", "etag": "user", "name": name, "host": "", "instance": key.1, "project": key.0 });
        Ok(json!({ "kind": "sql#usersList", "items": names.into_iter().map(one).collect::<Vec<_>>() }))
    }

    pub(super) async fn change_user(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let key = key(call);
        self.instance(state, &key)?;
        let name = call.query("name").or_else(|| call.body["name"].as_str()).unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(Refusal::new(400, "required", "Required: name"));
        }
        if name.starts_with("cloudsql") || name.starts_with("pg_") {
            return Err(Refusal::new(400, "invalid", format!("Invalid request: {name} is reserved.")));
        }
        self.free(state, &key).await?;
        let known = self.column(state, &key, &format!("select 1 from pg_roles where rolname = {}", literal(&name))).await?;
        let password = call.body["password"].as_str().map(literal);
        let (kind, sql) = match (call.api, known.is_empty(), password) {
            ("sql.users.insert", true, Some(password)) => {
                let create =
                    format!("create role {} login createdb createrole password {password} in role cloudsqlsuperuser", identifier(&name));
                ("CREATE_USER", create)
            }
            ("sql.users.insert", false, _) => return Err(Refusal::new(409, "alreadyExists", format!("The user {name} already exists."))),
            ("sql.users.update", false, Some(password)) => ("UPDATE_USER", format!("alter role {} password {password}", identifier(&name))),
            ("sql.users.delete", false, _) => ("DELETE_USER", format!("drop role {}", identifier(&name))),
            ("sql.users.insert" | "sql.users.update", _, None) => return Err(Refusal::new(400, "required", "Required: password")),
            _ => return Err(Refusal::new(404, "userDoesNotExist", format!("The user {name} does not exist."))),
        };
        Ok(self.begin(state, kind, &key, Work::Sql(sql), Value::Null))
    }

    pub(super) async fn list_databases(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let key = key(call);
        let names = self.column(state, &key, "select datname from pg_database where not datistemplate order by datname").await?;
        let one = |name| {
            json!({
                "kind": "sql#database", "etag": "database", "name": name, "charset": "UTF8", "collation": "en_US.UTF8",
                "instance": key.1, "project": key.0,
            })
        };
        Ok(json!({ "kind": "sql#databasesList", "items": names.into_iter().map(one).collect::<Vec<_>>() }))
    }

    pub(super) async fn change_database(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let key = key(call);
        self.instance(state, &key)?;
        let name = call.names.get(2).cloned().or_else(|| call.body["name"].as_str().map(str::to_owned)).unwrap_or_default();
        self.free(state, &key).await?;
        let known = self.column(state, &key, &format!("select 1 from pg_database where datname = {}", literal(&name))).await?;
        let name = identifier(&name);
        let (kind, sql) = match (call.api, known.is_empty()) {
            ("sql.databases.insert", true) => {
                ("CREATE_DATABASE", format!("create database {name} owner cloudsqlsuperuser template template0"))
            }
            ("sql.databases.insert", false) => return Err(Refusal::new(409, "alreadyExists", format!("database {name} already exists."))),
            (_, false) => ("DELETE_DATABASE", format!("drop database {name}")),
            (_, true) => return Err(Refusal::new(404, "notFound", format!("database {name} does not exist."))),
        };
        Ok(self.begin(state, kind, &key, Work::Sql(sql), Value::Null))
    }

    pub(super) async fn end_sql(state: &mut State, target: &Key, sql: &str) -> Result<(), Failed> {
        let server = state.instances.get(target).and_then(|instance| instance.server.as_ref()).ok_or_else(internal)?;
        let said = |error: tokio_postgres::Error| error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned());
        server.socket.run(sql).await.map_err(|error| ("INVALID_REQUEST", said(error)))
    }
}
