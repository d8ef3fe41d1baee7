//! What the double of Cloud SQL promises whoever tests against it: real data in whatever it makes, one thing at a time, and
//! refusals as Google words them.

use lastgood_core::{
    providers::postgres::{PgUrl, connect},
    testing::ManualClock,
};
use lastgood_tests::gcp::{Ending, Gcp, Missing, POSTGRES_PASSWORD};
use serde_json::{Value, json};
use std::{io::Read, sync::Arc};

const HOME: &str = "acme/instances";

async fn ask(gcp: &Gcp, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    gcp.ask(method, &format!("/v1/projects/{path}"), body).await
}

/// Asks for something that begins an operation, looks until it is done, and returns it.
async fn done(gcp: &Gcp, method: &str, path: &str, body: Option<Value>) -> Value {
    let (status, begun) = ask(gcp, method, path, body).await;
    assert_eq!((status, begun["status"].as_str()), (200, Some("PENDING")), "{begun}");
    for _ in 0..10 {
        let (_, seen) = ask(gcp, "GET", &format!("acme/operations/{}", begun["name"].as_str().unwrap()), None).await;
        if seen["status"] == "DONE" {
            return seen;
        }
    }
    panic!("{begun} is never done");
}

fn reason(answer: &Value) -> &str {
    answer["error"]["errors"][0]["reason"].as_str().unwrap_or_default()
}

/// What a password and an instance's own authority let somebody read at its address.
async fn count(gcp: &Gcp, name: &str, password: &str) -> Result<i64, String> {
    let (_, instance) = ask(gcp, "GET", &format!("{HOME}/{name}"), None).await;
    let host = instance["ipAddresses"][0]["ipAddress"].as_str().ok_or_else(|| instance.to_string())?;
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), instance["serverCaCert"]["cert"].as_str().unwrap()).unwrap();
    let url = format!("postgres://postgres:{password}@{host}:5432/postgres?sslmode=verify-ca&sslrootcert={}", ca.path().display());
    let client = connect(&url.parse::<PgUrl>().unwrap()).await.map_err(|error| error.full())?;
    Ok(client.query_one("select count(*) from orders", &[]).await.map_err(|error| format!("{error:?}"))?.get(0))
}

#[tokio::test]
async fn what_it_restores_clones_and_exports_is_the_data_of_that_moment() {
    let clock = ManualClock::at("2026-11-20T03:00:00Z".parse().unwrap());
    let gcp = Gcp::start_at(Arc::new(clock.clone())).await;
    let production = gcp.cluster().await;
    production
        .sql(
            "postgres",
            "create table orders (id int); insert into orders select generate_series(1, 3); alter table orders owner to postgres",
        )
        .await;
    gcp.database(&production, "acme", "orders", "europe-west1").await;
    assert_eq!(count(&gcp, "orders", POSTGRES_PASSWORD).await, Ok(3));

    let backup = done(&gcp, "POST", &format!("{HOME}/orders/backupRuns"), Some(json!({ "description": "run-1" }))).await;
    let id = backup["backupContext"]["backupId"].as_str().unwrap();
    let (_, run) = ask(&gcp, "GET", &format!("{HOME}/orders/backupRuns/{id}"), None).await;
    assert_eq!((run["status"].as_str(), run["description"].as_str()), (Some("SUCCESSFUL"), Some("run-1")), "{run}");

    clock.set("2026-11-20T03:10:00Z".parse().unwrap());
    production.sql("postgres", "insert into orders values (4)").await;
    clock.set("2026-11-20T03:20:00Z".parse().unwrap());
    production.sql("postgres", "delete from orders").await;
    clock.set("2026-11-20T03:30:00Z".parse().unwrap());

    let overrides = json!({ "settings": { "userLabels": { "lastgood": "drill" }, "deletionProtectionEnabled": false } });
    let context = json!({ "backupRunId": id, "instanceId": "orders", "project": "acme" });
    let asked = json!({ "restoreBackupContext": context, "restoreInstanceSettings": overrides });
    done(&gcp, "POST", &format!("{HOME}/restored/restoreBackup"), Some(asked)).await;
    assert_eq!(count(&gcp, "restored", POSTGRES_PASSWORD).await, Ok(3));

    let (_, window) = ask(&gcp, "GET", &format!("{HOME}/orders/getLatestRecoveryTime"), None).await;
    assert_eq!(window["latestRecoveryTime"], "2026-11-20T03:27:00.000Z");
    let clone = json!({ "cloneContext": { "destinationInstanceName": "cloned", "pointInTime": "2026-11-20T03:15:00Z" } });
    done(&gcp, "POST", &format!("{HOME}/orders/clone"), Some(clone)).await;
    assert_eq!(count(&gcp, "cloned", POSTGRES_PASSWORD).await, Ok(4), "the moment between the two changes");
    let late = json!({ "cloneContext": { "destinationInstanceName": "late", "pointInTime": "2026-11-20T03:29:00Z" } });
    assert_eq!(reason(&ask(&gcp, "POST", &format!("{HOME}/orders/clone"), Some(late)).await.1), "invalid");

    done(&gcp, "PUT", &format!("{HOME}/cloned/users?name=postgres"), Some(json!({ "password": "another-one" }))).await;
    assert!(count(&gcp, "cloned", POSTGRES_PASSWORD).await.unwrap_err().contains("password"));
    assert_eq!(count(&gcp, "cloned", "another-one").await, Ok(4));
    assert_eq!(count(&gcp, "orders", POSTGRES_PASSWORD).await, Ok(0));

    let export = json!({ "exportContext": { "uri": "gs://vault-test/orders.sql.gz", "databases": ["postgres"], "fileType": "SQL", "offload": true } });
    done(&gcp, "POST", &format!("{HOME}/cloned/export"), Some(export.clone())).await;
    let mut sql = String::new();
    flate2::read::GzDecoder::new(&gcp.storage().bytes("vault-test", "orders.sql.gz").unwrap()[..]).read_to_string(&mut sql).unwrap();
    assert!(sql.contains("COPY public.orders") && sql.contains("PostgreSQL database dump complete"), "{sql}");
    let again = done(&gcp, "POST", &format!("{HOME}/cloned/export"), Some(export)).await;
    assert!(again["error"]["errors"][0]["message"].as_str().unwrap().contains("already exists"), "{again}");
    let import = json!({ "importContext": { "uri": "gs://vault-test/orders.sql.gz", "database": "other", "fileType": "SQL" } });
    done(&gcp, "POST", &format!("{HOME}/orders/databases"), Some(json!({ "name": "other" }))).await;
    let imported = done(&gcp, "POST", &format!("{HOME}/orders/import"), Some(import)).await;
    assert_eq!(imported["error"], Value::Null, "{imported}");
    assert_eq!(production.cell("other", "select count(*) from orders").await, "4");
}

#[tokio::test]
async fn one_thing_at_a_time_goes_on_with_an_instance_and_refusals_have_reasons() {
    let clock = ManualClock::at("2026-11-20T03:00:00Z".parse().unwrap());
    let gcp = Gcp::start_at(Arc::new(clock.clone())).await;
    let production = gcp.cluster().await;
    gcp.database(&production, "acme", "orders", "europe-west1").await;
    let runs = format!("{HOME}/orders/backupRuns");

    let (_, begun) = ask(&gcp, "POST", &runs, Some(json!({}))).await;
    let (status, refused) = ask(&gcp, "POST", &runs, Some(json!({}))).await;
    assert_eq!((status, reason(&refused)), (409, "operationInProgress"));
    let clone = |name: &str| Some(json!({ "cloneContext": { "destinationInstanceName": name } }));
    let (status, refused) = ask(&gcp, "POST", &format!("{HOME}/orders/clone"), clone("orders")).await;
    assert_eq!((status, reason(&refused)), (409, "instanceAlreadyExists"));
    while ask(&gcp, "GET", &format!("acme/operations/{}", begun["name"].as_str().unwrap()), None).await.1["status"] != "DONE" {}

    // A ghost: it is done, and the instance is locked nevertheless.
    gcp.faults().rules(|rules| rules.ghosts = 2);
    gcp.faults().ends("BACKUP_VOLUME", Ending::Skipped);
    let skipped = done(&gcp, "POST", &runs, Some(json!({}))).await;
    assert_eq!(skipped["error"], Value::Null);
    for expected in [409, 409, 200] {
        assert_eq!(ask(&gcp, "POST", &runs, Some(json!({}))).await.0, expected);
    }
    let (_, listed) = ask(&gcp, "GET", &runs, None).await;
    let statuses: Vec<_> = listed["items"].as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap()).collect();
    assert_eq!(statuses.len(), 3);
    assert!(statuses.contains(&"SKIPPED") && statuses.contains(&"SUCCESSFUL"), "{statuses:?}");

    // Whoever may not, and whatever is not there.
    let missing = ask(&gcp, "GET", &format!("{HOME}/nobody"), None).await;
    assert_eq!((missing.0, reason(&missing.1)), (403, "notAuthorized"));
    gcp.faults().rules(|rules| rules.missing = Missing::NotFound);
    assert_eq!(ask(&gcp, "GET", &format!("{HOME}/nobody"), None).await.0, 404);
    gcp.faults().deny("cloudsql.instances.get");
    let denied = ask(&gcp, "GET", &format!("{HOME}/orders"), None).await.1;
    assert!(denied["error"]["message"].as_str().unwrap().contains("cloudsql.instances.get"), "{denied}");
    gcp.faults().allow_all();
    let (status, unknown) = ask(&gcp, "POST", &runs, Some(json!({ "labels": {} }))).await;
    assert_eq!((status, unknown["error"]["status"].as_str()), (400, Some("INVALID_ARGUMENT")));
    gcp.faults().rules(|rules| rules.ghosts = 0);
    let mut protected = ask(&gcp, "DELETE", &format!("{HOME}/orders"), None).await;
    while protected.0 == 409 {
        protected = ask(&gcp, "DELETE", &format!("{HOME}/orders"), None).await;
    }
    assert!(protected.0 == 400 && reason(&protected.1) == "invalidRequest", "{protected:?}");

    // The backups outlive the instance that keeps them.
    clock.set("2026-11-20T04:00:00Z".parse().unwrap());
    gcp.change("acme", "orders", &json!({ "settings": { "deletionProtectionEnabled": false } })).await;
    done(&gcp, "DELETE", &format!("{HOME}/orders"), None).await;
    assert_eq!(ask(&gcp, "GET", &format!("{HOME}?filter=settings.userLabels.environment:production"), None).await.1["items"], Value::Null);
    let (_, kept) = ask(&gcp, "GET", "acme/backups?filter=instance:orders", None).await;
    assert_eq!(kept["backups"][0]["instanceDeletionTime"], "2026-11-20T04:00:00.000Z", "{kept}");
    let name = kept["backups"][0]["name"].as_str().unwrap();
    let asked = json!({ "backup": name, "restoreInstanceSettings": { "region": "us-east1", "settings": { "locationPreference": null } } });
    let restored = done(&gcp, "POST", &format!("{HOME}/far/restoreBackup"), Some(asked)).await;
    assert_eq!(restored["error"], Value::Null);
    assert_eq!(ask(&gcp, "GET", &format!("{HOME}/far"), None).await.1["region"], "us-east1");
}
