//! What Compute Engine says when it refuses, at once or at the end of an operation, as what the caller does next. One table, with
//! a test for every row.

use super::operation::Said;
use crate::{
    error::{Error, Kind},
    providers::gcp::refused::Refused,
};

/// Tells a refusal as ours: the permission that was used (`compute.disks.createSnapshot`), and of what.
pub(super) fn told(refused: Refused, permission: &str, of: &str) -> Error {
    let Refused::Answered { status, reason, message, .. } = &refused else { return refused.told(permission, of) };
    let said = format!("HTTP {status}: {reason}: {message}");
    match meaning(*status, reason, message) {
        Some(meaning) => tell(meaning, permission, of, &said),
        None => refused.told(permission, of),
    }
}

/// Tells how an operation ended that did not end well.
pub(super) fn ended(said: &[Said], status: u16, permission: &str, of: &str) -> Error {
    let (code, message) = said.first().map_or(("", ""), |first| (first.code.as_str(), first.message.as_str()));
    let meaning = meaning(status, code, message).unwrap_or((Kind::Failed, "it was accepted, and failed later", None));
    tell(meaning, permission, of, &format!("{code}: {message}"))
}

/// Whether the name is taken.
pub(super) fn is_taken(error: &Error) -> bool {
    error.kind() == Kind::Conflict
}

type Meaning = (Kind, &'static str, Option<&'static str>);

fn tell((kind, words, hint): Meaning, permission: &str, of: &str, said: &str) -> Error {
    let error = Error::new(kind, format!("{permission} on {of}: {words}")).because(crate::redact::clip(said, 500));
    match hint {
        Some(hint) => error.hint(hint.replace("PERMISSION", permission)),
        None => error,
    }
}

/// What the caller does next; none where the words of any service of Google's will do.
fn meaning(status: u16, reason: &str, message: &str) -> Option<Meaning> {
    const SNAPSHOTS: Option<&str> =
        Some("nothing is deleted to make room: let go of snapshots by hand, shorten `retention`, or ask Google for a larger quota");
    const QUOTA: Option<&str> = Some("remove what nobody needs, or ask Google for a larger quota");
    const RIGHT: Option<&str> = Some("grant PERMISSION to the service account that this runs with");
    const API: Option<&str> = Some("enable the Compute Engine API in the project");
    const KEY: Option<&str> = Some(
        "check that the Cloud KMS key is enabled, lies in the right region, and that the project's Compute Engine service agent may use it",
    );
    const OFTEN: Option<&str> = Some("Google takes one snapshot of a disk in ten minutes at most: the next wake-up tries again");
    const ZONE: Option<&str> = Some("name another zone, or try again later");
    let of_snapshots = message.to_ascii_uppercase().contains("SNAPSHOTS");
    Some(match (status, reason) {
        (_, reason) if reason.to_ascii_lowercase().contains("kms") || message.contains("Cloud KMS") => {
            (Kind::Denied, "the Cloud KMS key cannot be used", KEY)
        }
        // A quota of calls passes by itself.
        (403 | 429, "quotaExceeded") if message.contains("per minute") => (Kind::Retry, "the service is busy or out of reach", None),
        (_, "quotaExceeded" | "QUOTA_EXCEEDED") if of_snapshots => (Kind::NoSpace, "the quota of snapshots is full", SNAPSHOTS),
        (_, "quotaExceeded" | "QUOTA_EXCEEDED") => (Kind::NoSpace, "the quota is full", QUOTA),
        (_, "RESOURCE_OPERATION_RATE_EXCEEDED" | "resourceOperationRateExceeded") => {
            (Kind::Retry, "too many snapshots of it are being made", OFTEN)
        }
        (_, "resourceNotReady" | "RESOURCE_NOT_READY") => (Kind::Retry, "it is busy or not ready", None),
        (_, "resourceInUseByAnotherResource" | "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE") => {
            (Kind::Refused, "something still uses it", Some("it was not touched: look at what uses it"))
        }
        (_, "ZONE_RESOURCE_POOL_EXHAUSTED" | "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS") => {
            (Kind::Retry, "Google has no room for it in that zone now", ZONE)
        }
        (_, "accessNotConfigured" | "SERVICE_DISABLED") => (Kind::Denied, "the Compute Engine API is not enabled", API),
        (_, "PERMISSIONS_ERROR" | "FORBIDDEN") => (Kind::Denied, "not allowed", RIGHT),
        (_, "INTERNAL_ERROR" | "SERVICE_UNAVAILABLE" | "BACKEND_ERROR") => (Kind::Retry, "the service is busy or out of reach", None),
        (_, "alreadyExists" | "RESOURCE_ALREADY_EXISTS") | (409, _) => (Kind::Conflict, "the name is taken", None),
        (404, _) | (_, "RESOURCE_NOT_FOUND") => (Kind::NotFound, "there is none of that name", None),
        (_, "UNSUPPORTED_OPERATION" | "unsupportedOperation") => (Kind::Invalid, "it does not fit there", ZONE),
        (400, _) => (Kind::Invalid, "Compute Engine does not accept the request", None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::{StatusCode, header::HeaderMap};

    fn answered(status: u16, reason: &str, message: &str) -> Error {
        let body = serde_json::json!({ "error": { "code": status, "message": message, "errors": [{ "reason": reason }] } });
        let refused =
            crate::providers::gcp::refused::answered(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.to_string().as_bytes());
        told(refused, "compute.disks.createSnapshot", "data-1 at gcp://acme-prod")
    }

    #[test]
    fn every_answer_says_what_to_do_next() {
        for (status, reason, kind) in [
            (400, "invalid", Kind::Invalid),
            (400, "resourceNotReady", Kind::Retry),
            (400, "resourceInUseByAnotherResource", Kind::Refused),
            (403, "forbidden", Kind::Denied),
            (403, "accessNotConfigured", Kind::Denied),
            (403, "quotaExceeded", Kind::NoSpace),
            (403, "rateLimitExceeded", Kind::Retry),
            (403, "userRateLimitExceeded", Kind::Retry),
            (404, "notFound", Kind::NotFound),
            (409, "alreadyExists", Kind::Conflict),
            (409, "resourceInUseByAnotherResource", Kind::Refused),
            (412, "conditionNotMet", Kind::Conflict),
            (429, "rateLimitExceeded", Kind::Retry),
            (500, "internalError", Kind::Retry),
            (503, "backendError", Kind::Retry),
            (418, "", Kind::Failed),
        ] {
            let error = answered(status, reason, "what it said");
            assert_eq!(error.kind(), kind, "{status} {reason}");
            assert!(error.full().starts_with("compute.disks.createSnapshot on data-1 at gcp://acme-prod: "), "{}", error.full());
            assert!(error.full().contains("what it said"), "{}", error.full());
        }
    }

    #[test]
    fn r37_what_an_operation_says_at_its_end_is_told_as_if_it_had_been_said_at_once() {
        for (code, kind) in [
            ("QUOTA_EXCEEDED", Kind::NoSpace),
            ("RESOURCE_NOT_FOUND", Kind::NotFound),
            ("RESOURCE_ALREADY_EXISTS", Kind::Conflict),
            ("RESOURCE_NOT_READY", Kind::Retry),
            ("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", Kind::Refused),
            ("RESOURCE_OPERATION_RATE_EXCEEDED", Kind::Retry),
            ("ZONE_RESOURCE_POOL_EXHAUSTED", Kind::Retry),
            ("CLOUD_KMS_KEY_DISABLED", Kind::Denied),
            ("PERMISSIONS_ERROR", Kind::Denied),
            ("INTERNAL_ERROR", Kind::Retry),
            ("UNSUPPORTED_OPERATION", Kind::Invalid),
            ("SOMETHING_NEW", Kind::Failed),
        ] {
            let said = [Said { code: code.to_owned(), message: "what it said".to_owned() }];
            let error = ended(&said, 0, "compute.disks.createSnapshot", "data-1");
            assert_eq!(error.kind(), kind, "{code}");
            assert!(error.full().contains("what it said"), "{}", error.full());
        }
    }

    #[test]
    fn r06_a_full_quota_is_no_haste_and_nothing_is_deleted_for_it() {
        let full = answered(403, "quotaExceeded", "Quota 'SNAPSHOTS' exceeded. Limit: 1000.0 globally.");
        assert_eq!(full.kind(), Kind::NoSpace);
        assert!(full.advice().unwrap().contains("nothing is deleted"));
        assert_eq!(answered(403, "rateLimitExceeded", "Rate Limit Exceeded").kind(), Kind::Retry);
        let calls = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.googleapis.com'";
        assert_eq!(answered(403, "quotaExceeded", calls).kind(), Kind::Retry);
    }

    #[test]
    fn r41_a_missing_right_is_named() {
        let denied = answered(403, "forbidden", "Required 'compute.disks.createSnapshot' permission");
        assert_eq!(denied.advice(), Some("grant compute.disks.createSnapshot to the service account that this runs with"));
    }
}
