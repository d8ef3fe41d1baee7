//! What ElastiCache says, as what the caller does next. One table, with a test for every row.

use crate::{
    error::{Error, Kind},
    providers::aws::{
        call::CallError,
        error::{Answer, Asked, Meaning},
    },
};

/// Tells a refusal as ours: what was asked (`elasticache:CreateSnapshot`), and of what.
pub(super) fn told(action: &str, of: &str, error: &CallError) -> Error {
    Asked { action, of }.refused_by(table, error)
}

fn code(error: &CallError) -> &str {
    plain(crate::providers::aws::error::code(error))
}

/// The code of a refusal, the same with and without the ending that some have on the wire.
fn plain(code: &str) -> &str {
    code.strip_suffix("Fault").unwrap_or(code)
}

/// Whether it says that what was asked for is not there.
pub(super) fn is_absent(error: &CallError) -> bool {
    matches!(code(error), "ReplicationGroupNotFound" | "CacheClusterNotFound" | "SnapshotNotFound")
}

/// Whether it says that the name is taken.
pub(super) fn is_taken(error: &CallError) -> bool {
    code(error) == "SnapshotAlreadyExists"
}

fn table(answer: Answer<'_>) -> Option<Meaning> {
    const SNAPSHOTS: Option<&str> =
        Some("nothing is deleted to make room: let go of snapshots by hand, shorten `retention`, or ask AWS for a larger quota");
    const DAILY: Option<&str> = Some("ElastiCache takes 20 of each node in 24 hours at most: take fewer by `snapshot.schedule`");
    const FEATURE: Option<&str> = Some("Memcached and the smallest old node types have no snapshots: it can only be filled anew");
    Some(match plain(answer.code) {
        "ReplicationGroupNotFound" | "CacheClusterNotFound" => (Kind::NotFound, "there is no such replication group or cluster", None),
        "SnapshotNotFound" => (Kind::NotFound, "there is no such snapshot", None),
        "SnapshotAlreadyExists" => (Kind::Conflict, "the name is taken", None),
        "InvalidReplicationGroupState" | "InvalidCacheClusterState" => (Kind::Retry, "it is busy or not available", None),
        "InvalidSnapshotState" => (Kind::Retry, "the snapshot is not available yet", None),
        // One code, two meanings: the cap of a day passes by itself, a full quota does not.
        "SnapshotQuotaExceeded" if of_a_day(answer.message) => (Kind::Retry, "as many snapshots as a day allows were taken", DAILY),
        "SnapshotQuotaExceeded" => (Kind::NoSpace, "the quota of snapshots is full", SNAPSHOTS),
        "SnapshotFeatureNotSupported" => (Kind::Unsupported, "ElastiCache takes no snapshot of such a cache", FEATURE),
        "TagQuotaPerResourceExceeded" => (Kind::Failed, "it would have more tags than AWS keeps", None),
        "InvalidParameterValue" | "InvalidParameterCombination" | "MissingParameter" | "ValidationError" | "InvalidARN" => {
            (Kind::Invalid, "ElastiCache does not accept the request", None)
        }
        "InvalidKMSKey" => {
            (Kind::Denied, "the KMS key cannot be used", Some("check that the key is enabled and that its policy lets ElastiCache use it"))
        }
        "InvalidAction" => (Kind::Unsupported, "the service does not know this request", None),
        _ => return None,
    })
}

fn of_a_day(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["24 hour", "24-hour", "per day", "per node", "daily"].iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::call::Refused;
    use aws_sdk_s3::{config::http::HttpResponse, error::SdkError, primitives::SdkBody};

    fn answered(code: &str, status: u16, message: &str) -> Error {
        let reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        let body =
            format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>");
        let error = SdkError::service_error(Refused::read(None, body.as_bytes()), reply);
        told("elasticache:CreateSnapshot", "cache at aws://eu-west-1", &error)
    }

    #[test]
    fn every_answer_says_what_to_do_next() {
        let table = [
            ("ReplicationGroupNotFoundFault", 404, Kind::NotFound),
            ("CacheClusterNotFound", 404, Kind::NotFound),
            ("SnapshotNotFoundFault", 404, Kind::NotFound),
            ("SnapshotAlreadyExistsFault", 400, Kind::Conflict),
            ("InvalidReplicationGroupState", 400, Kind::Retry),
            ("InvalidCacheClusterState", 400, Kind::Retry),
            ("InvalidSnapshotState", 400, Kind::Retry),
            ("SnapshotQuotaExceededFault", 400, Kind::NoSpace),
            ("SnapshotFeatureNotSupportedFault", 400, Kind::Unsupported),
            ("TagQuotaPerResourceExceeded", 400, Kind::Failed),
            ("InvalidParameterValue", 400, Kind::Invalid),
            ("InvalidParameterCombination", 400, Kind::Invalid),
            ("InvalidARN", 400, Kind::Invalid),
            ("InvalidKMSKeyFault", 400, Kind::Denied),
            ("InvalidAction", 400, Kind::Unsupported),
            ("AccessDenied", 403, Kind::Denied),
            ("Throttling", 400, Kind::Retry),
            ("InternalFailure", 500, Kind::Retry),
            ("SomethingNew", 400, Kind::Failed),
        ];
        for (code, status, kind) in table {
            let error = answered(code, status, "what it said");
            assert_eq!(error.kind(), kind, "{code} {status}");
            assert!(error.full().contains("elasticache:CreateSnapshot on cache at aws://eu-west-1"), "{}", error.full());
        }
    }

    #[test]
    fn r06_the_cap_of_a_day_passes_by_itself_and_a_full_quota_does_not() {
        let daily = "You may create no more than 20 manual snapshots per node in any 24-hour period.";
        assert_eq!(answered("SnapshotQuotaExceededFault", 400, daily).kind(), Kind::Retry);
        let full = answered(
            "SnapshotQuotaExceededFault",
            400,
            "The request cannot be processed because it would exceed the maximum number of snapshots.",
        );
        assert_eq!(full.kind(), Kind::NoSpace);
        assert!(full.advice().unwrap().contains("nothing is deleted"));
    }

    #[test]
    fn r41_a_missing_right_is_named() {
        let denied = answered("AccessDenied", 403, "no");
        assert_eq!(denied.advice(), Some("allow elasticache:CreateSnapshot to the role that this runs with"));
    }
}
