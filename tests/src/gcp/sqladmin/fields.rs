//! What a message may be made of. A name that Google does not know is refused, and so is a value of another kind.

use crate::gcp::wire::Refusal;
use serde_json::Value;

/// What a field holds.
enum Kind {
    Text,
    /// A number, in digits or as text.
    Number,
    Switch,
    /// Texts by names of the user's own.
    Labels,
    Texts,
    One(&'static str),
    Many(&'static str),
}

/// Every message: its name, and its fields. A field is a text unless it says `:number`, `:switch`, `:labels`, `:texts`,
/// `:Message` or `:Message[]`.
const MESSAGES: &[(&str, &str)] = &[
    (
        "DatabaseInstance",
        "kind state databaseVersion settings:Settings etag failoverReplica:Any masterInstanceName replicaNames:texts \
        maxDiskSize:number currentDiskSize:number ipAddresses:IpMapping[] serverCaCert:Any instanceType project ipv6Address \
        serviceAccountEmailAddress onPremisesConfiguration:Any replicaConfiguration:Any backendType selfLink suspensionReason:texts \
        connectionName name region gceZone secondaryGceZone diskEncryptionConfiguration:DiskEncryptionConfiguration \
        diskEncryptionStatus:Any rootPassword scheduledMaintenance:Any satisfiesPzs:switch databaseInstalledVersion createTime \
        availableMaintenanceVersions:texts maintenanceVersion upgradableDatabaseVersions:Any[] sqlNetworkArchitecture \
        pscServiceAttachmentLink dnsName dnsNames:Any[] primaryDnsName writeEndpoint replicationCluster:Any geminiConfig:Any \
        satisfiesPzi:switch switchTransactionLogsToCloudStorageEnabled:switch includeReplicasForMajorVersionUpgrade:switch \
        tags:labels nodeCount:number outOfDiskReport:Any",
    ),
    (
        "Settings",
        "settingsVersion:number authorizedGaeApplications:texts tier kind userLabels:labels availabilityType pricingPlan \
        replicationType storageAutoResizeLimit:number activationPolicy ipConfiguration:IpConfiguration storageAutoResize:switch \
        locationPreference:LocationPreference databaseFlags:DatabaseFlags[] dataDiskType maintenanceWindow:Any \
        backupConfiguration:BackupConfiguration databaseReplicationEnabled:switch crashSafeReplicationEnabled:switch \
        dataDiskSizeGb:number activeDirectoryConfig:Any collation denyMaintenancePeriods:Any[] insightsConfig:Any \
        passwordValidationPolicy:Any sqlServerAuditConfig:Any edition connectorEnforcement deletionProtectionEnabled:switch \
        timeZone advancedMachineFeatures:Any dataCacheConfig:Any replicationLagMaxSeconds:number enableGoogleMlIntegration:switch \
        enableDataplexIntegration:switch retainBackupsOnDelete:switch dataDiskProvisionedIops:number \
        dataDiskProvisionedThroughput:number connectionPoolConfig:Any finalBackupConfig:FinalBackupConfig dataApiAccess",
    ),
    (
        "IpConfiguration",
        "ipv4Enabled:switch privateNetwork requireSsl:switch authorizedNetworks:AclEntry[] allocatedIpRange \
        enablePrivatePathForGoogleCloudServices:switch sslMode pscConfig:Any serverCaMode customSubjectAlternativeNames:texts \
        serverCaPool serverCertificateRotationMode",
    ),
    ("AclEntry", "value expirationTime name kind"),
    ("IpMapping", "type ipAddress timeToRetire"),
    ("LocationPreference", "followGaeApplication zone secondaryZone kind"),
    ("DatabaseFlags", "name value"),
    (
        "BackupConfiguration",
        "startTime enabled:switch kind binaryLogEnabled:switch replicationLogArchivingEnabled:switch location \
        pointInTimeRecoveryEnabled:switch transactionLogRetentionDays:number backupRetentionSettings:BackupRetentionSettings \
        transactionalLogStorageState backupTier",
    ),
    ("BackupRetentionSettings", "retentionUnit retainedBackups:number"),
    ("FinalBackupConfig", "enabled:switch retentionDays:number"),
    ("DiskEncryptionConfiguration", "kmsKeyName kind"),
    ("InstancesCloneRequest", "cloneContext:CloneContext"),
    (
        "CloneContext",
        "kind pitrTimestampMs:number destinationInstanceName binLogCoordinates:Any pointInTime allocatedIpRange \
        databaseNames:texts preferredZone preferredSecondaryZone sourceInstanceDeletionTime destinationProject destinationNetwork",
    ),
    (
        "InstancesRestoreBackupRequest",
        "restoreBackupContext:RestoreBackupContext backup backupdrBackup \
        restoreInstanceSettings:DatabaseInstance restoreInstanceClearOverridesFieldNames:texts",
    ),
    ("RestoreBackupContext", "kind backupRunId:number instanceId project"),
    ("InstancesExportRequest", "exportContext:ExportContext"),
    (
        "ExportContext",
        "uri databases:texts kind sqlExportOptions:SqlExportOptions csvExportOptions:Any fileType offload:switch \
        bakExportOptions:Any tdeExportOptions:Any",
    ),
    (
        "SqlExportOptions",
        "tables:texts schemaOnly:switch mysqlExportOptions:Any threads:number parallel:switch \
        postgresExportOptions:PostgresExportOptions",
    ),
    ("PostgresExportOptions", "clean:switch ifExists:switch"),
    ("InstancesImportRequest", "importContext:ImportContext"),
    (
        "ImportContext",
        "uri database kind fileType csvImportOptions:Any importUser bakImportOptions:Any sqlImportOptions:Any \
        tdeImportOptions:Any",
    ),
    (
        "BackupRun",
        "kind status enqueuedTime id:number startTime endTime error:Any type description windowStartTime instance selfLink \
        location diskEncryptionConfiguration:DiskEncryptionConfiguration diskEncryptionStatus:Any backupKind timeZone databaseVersion \
        maxChargeableBytes:number",
    ),
    (
        "Backup",
        "name kind selfLink type description instance location backupInterval:Any state error:Any kmsKey kmsKeyVersion \
        backupKind timeZone ttlDays:number expiryTime databaseVersion maxChargeableBytes:number instanceDeletionTime \
        instanceSettings:DatabaseInstance backupRun satisfiesPzs:switch satisfiesPzi:switch",
    ),
    (
        "User",
        "kind password etag name host instance project type sqlserverUserDetails:Any passwordPolicy:Any dualPasswordType \
        iamEmail databaseRoles:texts iamStatus",
    ),
    ("Database", "kind charset collation etag name instance selfLink project sqlserverDatabaseDetails:Any"),
    ("Any", ""),
];

fn kind(said: &'static str) -> Kind {
    match said {
        "" => Kind::Text,
        "number" => Kind::Number,
        "switch" => Kind::Switch,
        "labels" => Kind::Labels,
        "texts" => Kind::Texts,
        said => said.strip_suffix("[]").map_or(Kind::One(said), Kind::Many),
    }
}

/// Checks a message and all that is in it.
pub(super) fn check(value: &Value, message: &'static str, at: &str) -> Result<(), Refusal> {
    if message == "Any" {
        return Ok(());
    }
    let (_, known) = MESSAGES.iter().find(|(name, _)| *name == message).expect("a message of the table");
    let fields = value.as_object().ok_or_else(|| invalid(at, "", value))?;
    for (name, value) in fields {
        let field = known.split_whitespace().map(|field| field.split_once(':').unwrap_or((field, ""))).find(|(field, _)| field == name);
        let Some((_, said)) = field else {
            let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
            let message = format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field.");
            return Err(Refusal::new(400, "badRequest", message));
        };
        let below = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let fits = value.is_null()
            || match kind(said) {
                Kind::Text => value.is_string(),
                Kind::Number => value.is_u64() || value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
                Kind::Switch => value.is_boolean(),
                Kind::Labels => value.as_object().is_some_and(|labels| labels.values().all(|label| label.is_string() || label.is_null())),
                Kind::Texts => value.as_array().is_some_and(|texts| texts.iter().all(Value::is_string)),
                Kind::One(message) => {
                    check(value, message, &below)?;
                    true
                }
                Kind::Many(message) => {
                    let many = value.as_array().ok_or_else(|| invalid(&below, name, value))?;
                    many.iter().try_for_each(|one| check(one, message, &below))?;
                    true
                }
            };
        if !fits {
            return Err(invalid(&below, name, value));
        }
    }
    Ok(())
}

fn invalid(at: &str, name: &str, value: &Value) -> Refusal {
    Refusal::new(400, "badRequest", format!("Invalid value at '{at}' ({name}), {value}"))
}

/// Checks labels as every service of Google's does.
pub(super) fn check_labels(settings: &Value) -> Result<(), Refusal> {
    let good = |text: &str, least: usize| {
        (least..=63).contains(&text.chars().count())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
    };
    let Some(labels) = settings["userLabels"].as_object() else { return Ok(()) };
    for (name, value) in labels {
        let named = good(name, 1) && name.starts_with(|c: char| c.is_ascii_lowercase());
        if !named || !value.as_str().is_none_or(|value| good(value, 0)) {
            return Err(Refusal::new(400, "invalid", format!("Invalid request: the label {name}:{value} is not valid.")));
        }
    }
    if labels.len() > 64 { Err(Refusal::new(400, "invalid", "Invalid request: too many labels.")) } else { Ok(()) }
}

/// Lays a patch over a value: objects are merged, a null takes away, everything else replaces.
pub(super) fn merge(onto: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        onto.clone_from(patch);
        return;
    };
    if !onto.is_object() {
        *onto = Value::Object(serde_json::Map::new());
    }
    for (name, value) in fields {
        if value.is_null() {
            onto.as_object_mut().expect("an object").remove(name);
        } else {
            merge(&mut onto[name], value);
        }
    }
}
