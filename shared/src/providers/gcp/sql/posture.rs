//! How Cloud SQL keeps an instance: its own backups, its log, what stays of them when it is deleted, and where they lie.

use super::wire::{BackupRun, Instance, Reach};
use crate::domain::posture::{Moments, Posture};

/// Whether the log is kept, out of which moments between two backups are brought back.
pub(super) fn keeps_its_log(instance: &Instance) -> bool {
    instance.is_on("/backupConfiguration/enabled") && instance.is_on("/backupConfiguration/pointInTimeRecoveryEnabled")
}

/// What is to be known of it.
pub(super) fn of(instance: &Instance, newest: Option<&BackupRun>, reach: Option<&Reach>) -> Posture {
    let backups = instance.is_on("/backupConfiguration/enabled");
    let moments = if keeps_its_log(instance) {
        Moments::Kept {
            days: instance.number("/backupConfiguration/transactionLogRetentionDays").and_then(|days| u32::try_from(days).ok()),
            from: reach.and_then(|reach| reach.earliest_recovery_time),
            since: instance.create_time.as_deref().and_then(|at| at.parse().ok()),
        }
    } else {
        Moments::Off
    };
    Posture {
        retention_days: if backups { None } else { Some(0) },
        restorable_to: reach.and_then(|reach| reach.latest_recovery_time),
        moments: Some(moments),
        protected: Some(instance.is_on("/deletionProtectionEnabled")),
        outlives: Some(instance.is_on("/retainBackupsOnDelete")),
        public: Some(instance.is_on("/ipConfiguration/ipv4Enabled") && is_open(instance)),
        plaintext: Some(takes_plaintext(instance)),
        beside: newest.and_then(|run| run.location.clone()).filter(|location| *location == instance.region),
        ..Posture::default()
    }
}

/// A public address by itself lets nobody in: the list of networks does.
fn is_open(instance: &Instance) -> bool {
    instance
        .setting("/ipConfiguration/authorizedNetworks")
        .and_then(serde_json::Value::as_array)
        .is_some_and(|networks| networks.iter().filter_map(|network| network["value"].as_str()).any(|network| network.ends_with("/0")))
}

/// Whether its server may be spoken to without encryption. `requireSsl` is what older instances say.
fn takes_plaintext(instance: &Instance) -> bool {
    match instance.text("/ipConfiguration/sslMode") {
        Some("ENCRYPTED_ONLY" | "TRUSTED_CLIENT_CERTIFICATE_REQUIRED") => false,
        Some("ALLOW_UNENCRYPTED_AND_ENCRYPTED") => true,
        Some(_) | None => !instance.is_on("/ipConfiguration/requireSsl"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn instance(settings: &Value) -> Instance {
        serde_json::from_value(json!({ "region": "europe-west1", "createTime": "2026-01-01T00:00:00Z", "settings": settings })).unwrap()
    }

    #[test]
    fn r19_what_cloud_sql_does_not_keep_is_told() {
        let bare = of(&instance(&json!({})), None, None);
        assert_eq!((bare.retention_days, bare.protected, bare.outlives), (Some(0), Some(false), Some(false)));
        assert_eq!((bare.moments, bare.plaintext, bare.public), (Some(Moments::Off), Some(true), Some(false)));
        let kept = instance(&json!({
            "deletionProtectionEnabled": true, "retainBackupsOnDelete": true, "ipConfiguration": { "sslMode": "ENCRYPTED_ONLY", "ipv4Enabled": true },
            "backupConfiguration": { "enabled": true, "pointInTimeRecoveryEnabled": true, "transactionLogRetentionDays": 7 }
        }));
        let reach = Reach {
            latest_recovery_time: Some("2026-11-20T11:57:00Z".parse().unwrap()),
            earliest_recovery_time: Some("2026-11-13T12:00:00Z".parse().unwrap()),
        };
        let run = BackupRun { location: Some("eu".into()), ..BackupRun::default() };
        let found = of(&kept, Some(&run), Some(&reach));
        let since = Some("2026-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(found.moments, Some(Moments::Kept { days: Some(7), from: reach.earliest_recovery_time, since }));
        assert_eq!((found.protected, found.outlives, found.plaintext, found.public), (Some(true), Some(true), Some(false), Some(false)));
        assert_eq!((found.retention_days, found.restorable_to, found.beside), (None, reach.latest_recovery_time, None));
    }

    #[test]
    fn backups_that_lie_beside_their_instance_and_open_doors_are_told() {
        let run = BackupRun { location: Some("europe-west1".into()), ..BackupRun::default() };
        let open = instance(&json!({ "ipConfiguration": { "ipv4Enabled": true, "authorizedNetworks": [{ "value": "0.0.0.0/0" }] } }));
        let found = of(&open, Some(&run), None);
        assert_eq!((found.beside.as_deref(), found.public), (Some("europe-west1"), Some(true)));
        let office =
            instance(&json!({ "ipConfiguration": { "ipv4Enabled": true, "authorizedNetworks": [{ "value": "203.0.113.0/24" }] } }));
        assert_eq!(of(&office, None, None).public, Some(false));
    }
}
