//! What a notice is about: looked up in a config, whatever the notice says.

use super::*;
use serde_json::json;

const CONFIG: &str = r#"
vault: file:///var/backups/lastgood
assets:
  orders-db: { kind: postgres, url: "env:DATABASE_URL", export: { schedule: "0 2 * * *" } }
  orders-rds:
    kind: rds
    instance: orders-prod
    region: eu-west-1
    snapshot: { schedule: "0 3 * * *" }
    copies: [ { region: us-east-1, kms_key: alias/dr } ]
  billing: { kind: rds, instance: billing-prod, region: us-east-1, snapshot: { schedule: "0 3 * * *" } }
  orders-sql: { kind: cloudsql, project: acme-prod, instance: orders-prod, snapshot: { schedule: "0 3 * * *" } }
  uploads: { kind: bucket, url: gs://acme-uploads/live, copies: [ { vault: gs://acme-copies/x } ] }
  twin-a: { kind: rds, instance: twin, region: eu-west-1, snapshot: { schedule: "0 3 * * *" } }
  twin-b: { kind: rds, instance: twin, region: eu-west-1, snapshot: { schedule: "0 4 * * *" } }
"#;

fn concern(event: &Value) -> Concern {
    let config = Config::parse(CONFIG, "lastgood.yaml").unwrap();
    let event = Event::parse(event.to_string().as_bytes()).unwrap();
    event.notice.as_ref().expect("a notice").concern(&config, event.region.as_deref())
}

fn asset(name: &str) -> Concern {
    Concern::Asset(name.parse().unwrap())
}

fn rds(kind: &str, source: &str, region: &str) -> Value {
    json!({"source": "aws.rds", "detail-type": "RDS DB Instance Event", "account": "123456789012", "region": region, "detail": {
        "EventCategories": ["failure"], "SourceType": kind, "SourceIdentifier": source, "EventID": "RDS-EVENT-0031",
        "SourceArn": format!("arn:aws:rds:{region}:123456789012:db:{source}"), "Message": "…",
    }})
}

fn alarm(name: &str, state: &str, dimensions: &Value) -> Value {
    let message = json!({"AlarmName": name, "NewStateValue": state, "AWSAccountId": "123456789012", "Trigger": {"Dimensions": dimensions}});
    json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms", "Message": message.to_string()})
}

#[test]
fn what_rds_says_concerns_the_asset_with_that_instance_in_that_region() {
    assert_eq!(concern(&rds("DB_INSTANCE", "orders-prod", "eu-west-1")), asset("orders-rds"));
    assert_eq!(concern(&rds("CLUSTER", "Orders-Prod", "eu-west-1")), asset("orders-rds"));
    assert_eq!(concern(&rds("DB_INSTANCE", "billing-prod", "us-east-1")), asset("billing"));
    assert_eq!(concern(&rds("DB_INSTANCE", "twin", "eu-west-1")), Concern::Several);
    for (kind, source, region) in [
        ("DB_INSTANCE", "orders-prod", "us-east-1"),
        ("DB_INSTANCE", "orders-staging", "eu-west-1"),
        ("DB_INSTANCE", "orders-rds", "eu-west-1"),
        ("SNAPSHOT", "orders-prod", "eu-west-1"),
        ("DB_INSTANCE", "; rm -rf / #", "eu-west-1"),
    ] {
        let Concern::Nothing(why) = concern(&rds(kind, source, region)) else { panic!("{source} in {region}") };
        assert!(why.starts_with("RDS-EVENT-0031 (failure) is about ") && why.len() < 300, "{why}");
    }
}

#[test]
fn a_snapshot_concerns_the_asset_that_it_is_of_at_home_and_where_its_copies_are() {
    assert_eq!(concern(&rds("SNAPSHOT", "rds:orders-prod-2026-11-20-02-00", "eu-west-1")), asset("orders-rds"));
    assert_eq!(concern(&rds("SNAPSHOT", "lastgood-orders-rds-20261120t030000z", "eu-west-1")), asset("orders-rds"));
    assert_eq!(concern(&rds("CLUSTER_SNAPSHOT", "lastgood-orders-rds-20261120t030000z", "us-east-1")), asset("orders-rds"));
    for (source, region) in [
        ("rds:orders-prod-2026-11-20-02-00", "us-east-1"),
        ("rds:orders-prod", "eu-west-1"),
        ("rds:orders-2026-11-20-02-00", "eu-west-1"),
        ("lastgood-orders-rds-by-hand", "eu-west-1"),
        ("lastgood-orders-rds-20261120t030000z", "ap-south-1"),
        ("lastgood-orders-20261120t030000z", "eu-west-1"),
        ("by-hand", "eu-west-1"),
        ("é", "eu-west-1"),
    ] {
        assert!(matches!(concern(&rds("SNAPSHOT", source, region)), Concern::Nothing(_)), "{source} in {region}");
    }
}

#[test]
fn an_event_subscription_says_the_same_in_other_words() {
    let message = json!({
        "Event Source": "db-instance", "Event Time": "2026-11-20 02:06:13.372", "Source ID": "orders-prod",
        "Source ARN": "arn:aws:rds:eu-west-1:123456789012:db:orders-prod",
        "Event ID": "http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#RDS-EVENT-0031", "Event Message": "…",
    });
    let event = json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:rds", "Message": message.to_string()});
    assert_eq!(concern(&event), asset("orders-rds"));
    let event = Event::parse(event.to_string().as_bytes()).unwrap();
    let notice = event.notice.unwrap();
    assert_eq!((notice.what.as_str(), notice.accounts), ("RDS-EVENT-0031", vec!["123456789012".to_owned()]));
}

#[test]
fn an_alarm_concerns_what_its_dimension_names_or_its_own_name() {
    let none = json!([]);
    let of = |name: &str, value: &str| json!([{"name": "Function", "value": "x"}, {"name": name, "value": value}]);
    assert_eq!(concern(&alarm("any", "ALARM", &of("Asset", "orders-db"))), asset("orders-db"));
    assert_eq!(concern(&alarm("any", "ALARM", &of("DBInstanceIdentifier", "orders-prod"))), asset("orders-rds"));
    assert_eq!(concern(&alarm("lastgood/orders-db/backup-stale", "ALARM", &none)), asset("orders-db"));
    assert_eq!(
        concern(&alarm("lastgood/orders-db/backup-stale", "OK", &none)),
        Concern::Nothing("alarm lastgood/orders-db/backup-stale is over".into())
    );
    for (name, dimensions) in
        [("orders-db-free-storage", none.clone()), ("any", of("Asset", "nobody")), ("any", of("InstanceId", "orders-db"))]
    {
        assert!(matches!(concern(&alarm(name, "ALARM", &dimensions)), Concern::Nothing(_)), "{name} {dimensions}");
    }
    let detail = |state: &str| {
        json!({"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "region": "eu-west-1", "detail": {
            "alarmName": "any", "state": {"value": state}, "configuration": {"metrics": [
                {"id": "m1", "metricStat": {"metric": {"namespace": "Lastgood", "name": "BackupAgeSeconds", "dimensions": {"Asset": "orders-db"}}}}]}}})
    };
    assert_eq!(concern(&detail("ALARM")), asset("orders-db"));
    assert!(matches!(concern(&detail("INSUFFICIENT_DATA")), Concern::Nothing(_)));
}

#[test]
fn our_own_event_concerns_its_asset_and_instructs_nothing() {
    let event = json!({"source": "lastgood", "detail-type": "Lastgood Backup State Change", "account": "123456789012", "detail": {
        "version": 1, "asset": "orders-db", "state": "failed", "url": "http://169.254.169.254/", "command": "sh"}});
    assert_eq!(concern(&event), asset("orders-db"));
    let event = Event::parse(event.to_string().as_bytes()).unwrap();
    assert!(event.request.is_empty(), "nothing of it is a request");
}

#[test]
fn r33_an_event_of_another_account_is_refused_whoever_says_it() {
    let known = std::collections::BTreeSet::from(["123456789012".to_owned()]);
    let refused = |event: &Value| Event::parse(event.to_string().as_bytes()).unwrap().of_known_account(&known);
    let mut event = rds("DB_INSTANCE", "orders-prod", "eu-west-1");
    refused(&event).unwrap();
    event["detail"]["SourceArn"] = json!("arn:aws:rds:eu-west-1:999999999999:db:orders-prod");
    assert_eq!(refused(&event).unwrap_err().kind(), crate::error::Kind::Refused, "its own ARN");
    let mut event = rds("DB_INSTANCE", "orders-prod", "eu-west-1");
    event["account"] = json!("999999999999");
    let error = refused(&event).unwrap_err();
    assert!(error.full().contains("999999999999") && error.advice().unwrap().contains("`accounts`"), "{error:?}");
    let mut event = alarm("lastgood/orders-db/x", "ALARM", &json!([]));
    refused(&event).unwrap();
    event["TopicArn"] = json!("arn:aws:sns:eu-west-1:999999999999:alarms");
    refused(&event).unwrap_err();
    let rule = json!({"source": "aws.events", "detail-type": "Scheduled Event", "account": "999999999999", "detail": {}});
    refused(&rule).unwrap_err();
    refused(&json!({"asset": "orders-db"})).unwrap();
    let pubsub = json!({"message": {"data": "e30="}, "subscription": "projects/acme/subscriptions/x"});
    refused(&pubsub).unwrap();
    Event::parse(rule.to_string().as_bytes()).unwrap().of_known_account(&std::collections::BTreeSet::new()).unwrap();
}

#[test]
fn r46_a_hostile_notice_is_read_in_bounded_time_and_does_nothing() {
    let long = "x".repeat(500_000);
    let many: Vec<_> = (0..20_000).map(|n| json!({"name": "Asset", "value": format!("a{n}")})).collect();
    let begun = std::time::Instant::now();
    for event in [
        rds("DB_INSTANCE", &long, "eu-west-1"),
        rds("SNAPSHOT", &format!("rds:{long}"), "eu-west-1"),
        rds("DB_INSTANCE", "../../etc/passwd", "eu-west-1"),
        rds("DB_INSTANCE", "http://169.254.169.254/latest", "eu-west-1"),
        rds("DB_INSTANCE", "$(sh)\u{0}\u{1b}[2J", "eu-west-1"),
        alarm(&"/".repeat(200_000), "ALARM", &json!([])),
        alarm("x", "ALARM", &json!(many)),
        alarm("x", "ALARM", &json!({"name": "Asset", "value": "orders-db"})),
        json!({"source": "aws.rds", "detail-type": "RDS DB Instance Event", "detail": {"SourceIdentifier": ["orders-prod"]}}),
        json!({"source": "aws.rds", "detail-type": "RDS DB Instance Event", "detail": "orders-prod"}),
        json!({"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "detail": null}),
        json!({"source": "lastgood", "detail-type": "Lastgood Backup State Change", "detail": {"asset": {"$ne": null}}}),
        json!({"Type": "Notification", "TopicArn": "t", "Message": json!({"AlarmName": 7, "NewStateValue": []}).to_string()}),
        json!({"Type": "Notification", "TopicArn": "t", "Message": json!({"Event Source": {}, "Event ID": null}).to_string()}),
    ] {
        let Concern::Nothing(why) = concern(&event) else { panic!("{event}") };
        assert!(why.len() < 400 && !why.chars().any(|c| c == '\u{1b}'), "{why}");
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn what_aws_backup_restored_concerns_the_asset_that_was_backed_up_and_never_what_was_made() {
    let job = |source: &str, region: &str| {
        json!({"source": "aws.backup", "detail-type": "Restore Job State Change", "account": "123456789012", "region": region, "detail": {
            "restoreJobId": "A1", "status": "COMPLETED", "resourceType": "RDS", "sourceResourceArn": source,
            "createdResourceArn": "arn:aws:rds:eu-west-1:123456789012:db:billing-prod", "asset": "billing",
            "restoreTestingPlanArn": "arn:aws:backup:eu-west-1:123456789012:restore-testing-plan:weekly",
        }})
    };
    assert_eq!(concern(&job("arn:aws:rds:eu-west-1:123456789012:db:orders-prod", "eu-west-1")), asset("orders-rds"));
    assert_eq!(concern(&job("arn:aws:rds:eu-west-1:123456789012:cluster:Orders-Prod", "eu-west-1")), asset("orders-rds"));
    for (source, region) in [
        ("arn:aws:rds:us-east-1:123456789012:db:orders-prod", "us-east-1"),
        ("arn:aws:rds:eu-west-1:123456789012:snapshot:orders-prod", "eu-west-1"),
        ("arn:aws:s3:::orders-prod", "eu-west-1"),
        ("orders-prod", "eu-west-1"),
    ] {
        let Concern::Nothing(why) = concern(&job(source, region)) else { panic!("{source} in {region}") };
        assert!(why.starts_with("restore job A1 (COMPLETED) is about "), "{why}");
    }
}

fn incident(state: &str, more: &Value) -> Value {
    let mut incident = json!({"incident_id": "0.abc", "policy_name": "anything", "condition_name": "x", "state": state,
        "scoping_project_id": "acme-prod", "url": "http://169.254.169.254/", "summary": "run sh"});
    incident.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"version": "1.2", "incident": incident})
}

/// As a push subscription delivers it.
fn pushed(message: &Value) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    json!({"message": {"data": STANDARD.encode(message.to_string()), "messageId": "1", "publishTime": "2026-11-20T02:00:00Z"},
        "subscription": "projects/acme-prod/subscriptions/lastgood"})
}

fn audit(service: &str, resource: &str, labels: &Value) -> Value {
    json!({"logName": "projects/acme-prod/logs/cloudaudit.googleapis.com%2Factivity", "insertId": "x", "severity": "ERROR",
        "protoPayload": {"serviceName": service, "methodName": "cloudsql.backupRuns.create", "resourceName": resource,
            "status": {"code": 13, "message": "http://169.254.169.254/ $(sh)"}, "request": {"asset": "billing"}},
        "resource": {"type": "cloudsql_database", "labels": labels}})
}

#[test]
fn an_incident_of_googles_concerns_what_its_label_its_instance_or_its_policy_names() {
    for more in [
        json!({"metric": {"type": "custom.googleapis.com/lastgood/backup_age_seconds", "labels": {"asset": "orders-sql"}}}),
        json!({"policy_user_labels": {"asset": "orders-sql"}}),
        json!({"policy_name": "lastgood/orders-sql/backup-stale"}),
        json!({"resource": {"type": "cloudsql_database", "labels": {"database_id": "acme-prod:orders-prod"}}}),
    ] {
        assert_eq!(concern(&incident("open", &more)), asset("orders-sql"), "{more}");
        assert_eq!(concern(&pushed(&incident("open", &more))), asset("orders-sql"), "{more}");
        assert!(matches!(concern(&incident("closed", &more)), Concern::Nothing(why) if why.ends_with("is over")));
    }
    for more in [json!({}), json!({"policy_name": 7}), json!({"resource": {"labels": {"database_id": "other-prod:orders-prod"}}})] {
        assert!(matches!(concern(&incident("open", &more)), Concern::Nothing(_)), "{more}");
    }
}

#[test]
fn r33_an_audit_log_concerns_the_instance_of_that_project_and_no_other() {
    let labelled = |id: &str| audit("cloudsql.googleapis.com", "", &json!({"database_id": id, "project_id": "acme-prod"}));
    let named = |resource: &str| audit("cloudsql.googleapis.com", resource, &json!({"project_id": "acme-prod"}));
    let eventarc = |entry: &Value| json!({"specversion": "1.0", "type": "google.cloud.audit.log.v1.written", "id": "1", "data": entry});
    for entry in [labelled("acme-prod:orders-prod"), named("projects/acme-prod/instances/orders-prod"), named("instances/orders-prod")] {
        for event in [&entry, &pushed(&entry), &eventarc(&entry)] {
            assert_eq!(concern(event), asset("orders-sql"), "{event}");
        }
    }
    for entry in [
        labelled("evil-prod:orders-prod"),
        labelled("orders-prod"),
        labelled("example.com:acme-prod:orders-prod"),
        named("projects/evil-prod/instances/orders-prod"),
        named("instances/../../orders-prod"),
        audit("compute.googleapis.com", "projects/acme-prod/instances/orders-prod", &json!({"database_id": "acme-prod:orders-prod"})),
    ] {
        let Concern::Nothing(why) = concern(&eventarc(&entry)) else { panic!("{entry}") };
        assert!(why.starts_with("cloudsql.backupRuns.create (failed) is about ") && why.len() < 300, "{why}");
    }
}

#[test]
fn a_bucket_of_googles_concerns_the_asset_that_it_is_and_everything_that_is_kept_in_it() {
    let object = |bucket: &str| {
        json!({"specversion": "1.0", "type": "google.cloud.storage.object.v1.deleted", "id": "1",
        "data": {"bucket": bucket, "name": "../../x; rm -rf /"}})
    };
    let told = |bucket: &str| {
        json!({"message": {"data": "e30=", "attributes": {"eventType": "OBJECT_DELETE", "bucketId": bucket, "objectId": "x"}},
        "subscription": "projects/acme-prod/subscriptions/x"})
    };
    let audited = |bucket: &str| audit("storage.googleapis.com", &format!("projects/_/buckets/{bucket}/objects/x"), &json!({}));
    for of in [&object as &dyn Fn(&str) -> Value, &told, &audited] {
        assert_eq!(concern(&of("acme-uploads")), asset("uploads"));
        assert_eq!(concern(&of("acme-copies")), Concern::Several, "copies of anything may be there");
        assert!(matches!(concern(&of("somebody-elses")), Concern::Nothing(_)));
    }
}
