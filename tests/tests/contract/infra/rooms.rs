//! What each role may and may not do, asked of the policies that were really attached, by IAM's rules.

use super::policy::{Call, allows};
use serde_json::Value;
use std::collections::BTreeMap;

/// What each role may and may not do, asked of the policies that were really attached, by IAM's rules.
pub fn hold(policies: &BTreeMap<String, Value>) {
    const PRODUCTION: &str = "arn:aws:rds:eu-west-1:123456789012:db:orders-prod";
    const SNAPSHOT: &str = "arn:aws:rds:eu-west-1:123456789012:snapshot:lastgood-orders-20261120t030000z";
    const PEOPLES: &str = "arn:aws:rds:eu-west-1:123456789012:snapshot:before-the-migration";
    const REPLICA: &str = "arn:aws:rds:eu-west-1:123456789012:db:lastgood-drill-orders-20261120t060000z";
    const STRANGER: &str = "arn:aws:rds:eu-west-1:123456789012:db:billing-prod";
    const EXPORT: &str = "arn:aws:s3:::acme-lastgood/lastgood/exports/orders/x.dump.zst";
    const MANIFEST: &str = "arn:aws:s3:::acme-lastgood/lastgood/catalog/v1/assets/orders/backups/x.json";
    const RUN: &str = "arn:aws:s3:::acme-lastgood/lastgood/catalog/v1/assets/orders/runs/restore-drill/x.json";
    const TOLD: &str = "arn:aws:s3:::acme-lastgood/lastgood/catalog/v1/told.json";
    const OURS: &[(&str, &str)] = &[("aws:RequestTag/lastgood:asset", "orders"), ("aws:RequestTag/lastgood:backup", "x")];
    const OTHERS: &[(&str, &str)] = &[("aws:RequestTag/lastgood:asset", "billing"), ("aws:RequestTag/lastgood:backup", "x")];
    const NEW: &[(&str, &str)] = &[("aws:RequestTag/lastgood:replica", "x"), ("aws:RequestTag/lastgood:expires", "x")];
    const MADE: &[(&str, &str)] = &[("aws:ResourceTag/lastgood:replica", "x")];
    const KEPT: &[(&str, &str)] = &[("aws:ResourceTag/lastgood:backup", "x")];
    const RESTORED: &[(&str, &str)] = &[("aws:ResourceTag/lastgood:restored", "x")];
    const RESTORING: &[(&str, &str)] = &[("aws:RequestTag/lastgood:restored", "x")];
    const PROOF: &[(&str, &str)] = &[("kms:EncryptionContext:lastgood", "proof")];
    const OF_RDS: &[(&str, &str)] = &[("kms:EncryptionContext:aws:rds:db-id", "db-X")];
    const BUCKET: &str = "arn:aws:s3:::acme-lastgood";
    const OUR_SCHEDULE: &str = "arn:aws:scheduler:eu-west-1:123456789012:schedule/lastgood/snapshot-trigger";
    const DATABASE_KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/database";
    const OPENED: &str = "arn:aws:s3:::acme-lastgood/lastgood/catalog/v1/keys/aws.eu-west-1.x/y.json";
    const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:lastgood-alerts";
    const NEW_ONE: &str = "arn:aws:rds:eu-west-1:123456789012:db:orders-restored";
    const NONE: &[(&str, &str)] = &[];
    let table = [
        // The writer takes snapshots of what the config names, under our tags, and lets go of its own.
        ("snapshot-trigger", "rds:CreateDBSnapshot", PRODUCTION, OURS, true),
        ("snapshot-trigger", "rds:CreateDBSnapshot", SNAPSHOT, OURS, true),
        ("snapshot-trigger", "rds:CreateDBSnapshot", PRODUCTION, NONE, false),
        ("snapshot-trigger", "rds:CreateDBSnapshot", PRODUCTION, OTHERS, false),
        ("snapshot-trigger", "rds:CreateDBSnapshot", STRANGER, OURS, false),
        ("snapshot-trigger", "rds:DeleteDBSnapshot", SNAPSHOT, KEPT, true),
        ("snapshot-trigger", "rds:DeleteDBSnapshot", SNAPSHOT, NONE, false),
        ("snapshot-trigger", "rds:DeleteDBSnapshot", PEOPLES, KEPT, false),
        ("snapshot-trigger", "rds:AddTagsToResource", PEOPLES, OURS, false),
        ("snapshot-trigger", "rds:DeleteDBInstance", PRODUCTION, MADE, false),
        ("snapshot-trigger", "rds:ModifyDBInstance", PRODUCTION, NONE, false),
        ("snapshot-trigger", "s3:PutObject", MANIFEST, NONE, true),
        ("snapshot-trigger", "s3:DeleteObject", EXPORT, NONE, true),
        ("snapshot-trigger", "s3:DeleteObjectVersion", EXPORT, NONE, false),
        ("snapshot-trigger", "kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/other", NONE, false),
        // The drill restores to replicas, changes and removes those, and nothing else.
        ("restore-drill", "rds:RestoreDBInstanceFromDBSnapshot", REPLICA, NEW, true),
        ("restore-drill", "rds:RestoreDBInstanceFromDBSnapshot", SNAPSHOT, NEW, true),
        ("restore-drill", "rds:RestoreDBInstanceFromDBSnapshot", REPLICA, NONE, false),
        ("restore-drill", "rds:RestoreDBInstanceFromDBSnapshot", STRANGER, NEW, false),
        ("restore-drill", "rds:DeleteDBInstance", REPLICA, MADE, true),
        ("restore-drill", "rds:ModifyDBInstance", REPLICA, MADE, true),
        ("restore-drill", "rds:DeleteDBInstance", REPLICA, NONE, false),
        ("restore-drill", "rds:DeleteDBInstance", PRODUCTION, MADE, false),
        ("restore-drill", "rds:ModifyDBInstance", PRODUCTION, MADE, false),
        // What AWS Backup restores is nobody's where the config asks for no restore tests.
        ("restore-drill", "rds:ModifyDBInstance", "arn:aws:rds:eu-west-1:123456789012:db:awsbackup-restore-test-1", NONE, false),
        ("restore-drill", "backup:PutRestoreValidationResult", "*", NONE, false),
        ("restore-drill", "rds:AddTagsToResource", PRODUCTION, NEW, false),
        ("restore-drill", "rds:AddTagsToResource", STRANGER, NEW, false),
        ("restore-drill", "rds:DeleteDBInstance", STRANGER, MADE, false),
        ("restore-drill", "rds:CreateDBSnapshot", PRODUCTION, OURS, false),
        ("restore-drill", "rds:DeleteDBSnapshot", SNAPSHOT, KEPT, false),
        ("restore-drill", "rds:ModifyDBSnapshotAttribute", SNAPSHOT, KEPT, false),
        ("restore-drill", "s3:GetObject", EXPORT, NONE, true),
        ("restore-drill", "s3:PutObject", RUN, NONE, true),
        ("restore-drill", "s3:PutObject", MANIFEST, NONE, false),
        ("restore-drill", "s3:PutObject", EXPORT, NONE, false),
        // A drill of moments is allowed where the config asks for one, and only into replicas.
        ("restore-drill", "rds:RestoreDBInstanceToPointInTime", REPLICA, NEW, false),
        ("restore-drill", "rds:DescribeDBInstanceAutomatedBackups", "*", NONE, false),
        // The checker looks, and tells.
        ("freshness-checker", "rds:DescribeDBSnapshots", "*", NONE, true),
        ("freshness-checker", "rds:DescribeAccountAttributes", "*", NONE, true),
        ("freshness-checker", "kms:DescribeKey", "arn:aws:kms:eu-west-1:123456789012:key/database", NONE, true),
        ("freshness-checker", "scheduler:GetSchedule", OUR_SCHEDULE, NONE, true),
        ("freshness-checker", "scheduler:GetSchedule", "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/payroll", NONE, false),
        ("freshness-checker", "scheduler:UpdateSchedule", OUR_SCHEDULE, NONE, false),
        ("freshness-checker", "s3:GetObject", MANIFEST, NONE, true),
        ("freshness-checker", "s3:GetObject", EXPORT, NONE, false),
        ("freshness-checker", "s3:PutObject", TOLD, NONE, true),
        ("freshness-checker", "s3:PutObject", MANIFEST, NONE, false),
        ("freshness-checker", "s3:GetBucketVersioning", BUCKET, NONE, true),
        ("freshness-checker", "s3:GetBucketPolicyStatus", BUCKET, NONE, true),
        ("freshness-checker", "s3:GetBucketVersioning", "arn:aws:s3:::somebody-elses", NONE, false),
        ("snapshot-trigger", "s3:GetBucketVersioning", BUCKET, NONE, false),
        ("freshness-checker", "s3:PutObject", OPENED, NONE, true),
        // It proves keys with a text of its own, and opens nothing of theirs.
        ("freshness-checker", "kms:Decrypt", DATABASE_KEY, PROOF, true),
        ("freshness-checker", "kms:Encrypt", DATABASE_KEY, PROOF, true),
        ("freshness-checker", "kms:Decrypt", DATABASE_KEY, OF_RDS, false),
        ("freshness-checker", "kms:Decrypt", DATABASE_KEY, NONE, false),
        ("snapshot-trigger", "kms:Decrypt", DATABASE_KEY, PROOF, false),
        // Whoever refuses an event tells of it, and notes that.
        ("snapshot-trigger", "sns:Publish", TOPIC, NONE, true),
        ("snapshot-trigger", "s3:PutObject", TOLD, NONE, true),
        ("restore-drill", "sns:Publish", TOPIC, NONE, true),
        ("restore-drill", "s3:PutObject", TOLD, NONE, true),
        // An operator restores beside production and takes that back, and nothing else.
        ("recover", "rds:RestoreDBInstanceFromDBSnapshot", NEW_ONE, RESTORING, true),
        ("recover", "rds:RestoreDBInstanceFromDBSnapshot", NEW_ONE, NONE, false),
        ("recover", "rds:ModifyDBInstance", NEW_ONE, RESTORED, true),
        ("recover", "rds:ModifyDBInstance", PRODUCTION, NONE, false),
        ("recover", "rds:DeleteDBInstance", NEW_ONE, RESTORED, true),
        ("recover", "rds:DeleteDBInstance", NEW_ONE, NONE, false),
        ("recover", "rds:DeleteDBInstance", STRANGER, NONE, false),
        ("recover", "rds:DeleteDBInstance", PRODUCTION, RESTORED, false),
        ("recover", "rds:AddTagsToResource", PRODUCTION, RESTORED, false),
        ("recover", "rds:DeleteDBSnapshot", SNAPSHOT, KEPT, false),
        ("pruner", "rds:DeleteDBInstance", NEW_ONE, RESTORED, false),
        ("freshness-checker", "rds:CreateDBSnapshot", PRODUCTION, OURS, false),
        ("freshness-checker", "s3:PutBucketPolicy", "arn:aws:s3:::acme-lastgood", NONE, false),
    ];
    for (role, action, resource, known, allowed) in table {
        let said = allows(&policies[role], Call { action, resource, known });
        assert_eq!(said, allowed, "{role}: {action} on {resource} {known:?}");
    }
}
