//! What Google says when it refuses, as what the caller does next: one table, with a test for every row.

pub(super) use crate::providers::web::Refused;

use crate::{
    error::Kind,
    providers::web::{Meaning, Words},
};
use reqwest::{StatusCode, header::HeaderMap};
use serde::Deserialize;

/// What Google's words mean.
static WORDS: Words = Words { passing: is_passing, meaning };

#[derive(Deserialize)]
struct Reply {
    error: Said,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    errors: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    #[serde(default)]
    reason: String,
}

/// A refusal by its status, headers and body.
pub(super) fn answered(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Refused {
    let retry_after = headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    if let Ok(Reply { error }) = serde_json::from_slice(body) {
        return said(status.as_u16(), error, retry_after);
    }
    // Uploads and downloads are refused in plain words, and the older interface in XML.
    let text = String::from_utf8_lossy(body);
    let inside = |open: &str, close: &str| Some(text.split_once(open)?.1.split_once(close)?.0.trim().to_owned());
    let reason = inside("<Code>", "</Code>").unwrap_or_default();
    let message = inside("<Message>", "</Message>").unwrap_or_else(|| text.trim().to_owned());
    Refused::Answered { status: status.as_u16(), reason, message, retry_after, words: &WORDS }
}

/// The error inside a success, if there is one.
pub(super) fn inside(body: &[u8]) -> Option<Refused> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let Reply { error } = serde_json::from_slice(body).ok()?;
    let status = if error.code == 0 { 500 } else { error.code };
    Some(said(status, error, None))
}

fn said(status: u16, said: Said, retry_after: Option<u64>) -> Refused {
    let reason = said.errors.into_iter().map(|one| one.reason).find(|reason| !reason.is_empty()).unwrap_or(said.status);
    Refused::Answered { status, reason, message: said.message, retry_after, words: &WORDS }
}

fn is_throttle(reason: &str) -> bool {
    matches!(
        reason,
        "rateLimitExceeded"
            | "userRateLimitExceeded"
            | "SlowDown"
            | "RESOURCE_EXHAUSTED"
            | "backendError"
            | "internalError"
            | "UNAVAILABLE"
    )
}

/// Whether the same request may fare better in a moment, whatever the status.
fn is_passing(reason: &str, message: &str) -> bool {
    is_throttle(reason) || is_rate(reason, message)
}

/// A quota that is full for a minute only: Google calls that by the name of one that is used up, too.
pub(super) fn is_rate(reason: &str, message: &str) -> bool {
    reason == "quotaExceeded" && message.contains("per minute")
}

fn meaning(status: u16, reason: &str, message: &str) -> Meaning {
    const RIGHT: Option<&str> = Some("grant PERMISSION to the service account that this runs with");
    const BUCKET: Option<&str> = Some("create the bucket or mend the place in the config");
    const KEPT: Option<&str> = Some("it can be deleted once the bucket's retention or its hold ends");
    const KEY: Option<&str> = Some("check that the KMS key is enabled and that Cloud Storage may use it");
    const LOGIN: Option<&str> = Some("check the account, key or service account that this runs with");
    const PAYER: Option<&str> = Some("the bucket lets requesters pay: set GOOGLE_CLOUD_QUOTA_PROJECT");
    match (status, reason) {
        (_, reason) if is_passing(reason, message) => (Kind::Retry, "the service is busy or out of reach", None),
        (400, "userProjectMissing") => (Kind::Denied, "nobody is named who pays", PAYER),
        (400 | 403, "retentionPolicyNotMet" | "objectUnderActiveHold" | "eventBasedHold") => (Kind::Denied, "the bucket keeps it", KEPT),
        (400 | 403, reason) if reason.starts_with("kms") || reason.starts_with("cloudKms") => {
            (Kind::Denied, "the KMS key cannot be used", KEY)
        }
        (403, "quotaExceeded") => (Kind::NoSpace, "the quota is used up", None),
        (401, _) => (Kind::Denied, "the credentials were refused", LOGIN),
        (403, _) => (Kind::Denied, "not allowed", RIGHT),
        (404, reason) if reason == "NoSuchBucket" || message.contains("bucket does not exist") => {
            (Kind::Failed, "there is no such bucket", BUCKET)
        }
        (404 | 410, _) => (Kind::NotFound, "there is no such object or upload", None),
        (409, _) => (Kind::Retry, "another request was changing it", None),
        (304 | 412, _) => (Kind::Conflict, "it is not in the expected state", None),
        (416, _) => (Kind::Corrupt, "it has fewer bytes than its record says", None),
        (400 | 413 | 414, _) => (Kind::Invalid, "the request is not acceptable", None),
        (405 | 501, _) => (Kind::Unsupported, "the service does not know this request", None),
        (408 | 429 | 500..=599, _) => (Kind::Retry, "the service is busy or out of reach", None),
        _ => (Kind::Failed, "refused", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do_next() {
        for (status, reason, message, kind, passing) in [
            (400, "invalid", "bad", Kind::Invalid, false),
            (400, "userProjectMissing", "", Kind::Denied, false),
            (401, "authError", "", Kind::Denied, false),
            (403, "forbidden", "no storage.objects.get", Kind::Denied, false),
            (403, "rateLimitExceeded", "", Kind::Retry, true),
            (403, "userRateLimitExceeded", "", Kind::Retry, true),
            (403, "retentionPolicyNotMet", "", Kind::Denied, false),
            (403, "quotaExceeded", "", Kind::NoSpace, false),
            (403, "quotaExceeded", "limit 'Queries per minute per user'", Kind::Retry, true),
            (400, "kmsKeyDisabled", "", Kind::Denied, false),
            (404, "notFound", "The specified bucket does not exist.", Kind::Failed, false),
            (404, "notFound", "No such object: b/k", Kind::NotFound, false),
            (408, "", "", Kind::Retry, true),
            (409, "conflict", "", Kind::Retry, false),
            (410, "", "", Kind::NotFound, false),
            (412, "conditionNotMet", "", Kind::Conflict, false),
            (416, "requestedRangeNotSatisfiable", "", Kind::Corrupt, false),
            (429, "rateLimitExceeded", "", Kind::Retry, true),
            (500, "internalError", "", Kind::Retry, true),
            (501, "notImplemented", "", Kind::Unsupported, false),
            (503, "backendError", "", Kind::Retry, true),
            (418, "", "", Kind::Failed, false),
        ] {
            let body = serde_json::json!({ "error": { "code": status, "message": message, "errors": [{ "reason": reason }] } });
            let refused = answered(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.to_string().as_bytes());
            assert_eq!(refused.passing(), passing, "{status} {reason}");
            let error = refused.told("storage.objects.get", "b/k");
            assert_eq!(error.kind(), kind, "{status} {reason}");
            assert!(error.to_string().starts_with("storage.objects.get on b/k: "), "{error}");
        }
    }

    #[test]
    fn a_refusal_in_plain_words_and_its_patience_are_heard() {
        let headers = HeaderMap::from_iter([("retry-after".parse().unwrap(), "7".parse().unwrap())]);
        let refused = answered(StatusCode::SERVICE_UNAVAILABLE, &headers, b"Service Unavailable\n");
        assert_eq!((refused.status(), refused.retry_after(), refused.passing()), (503, Some(7), true));
        assert!(refused.told("storage.objects.create", "x").full().contains("Service Unavailable"));
    }

    #[test]
    fn r37_an_error_inside_a_success_is_an_error() {
        let body = br#" {"error": {"code": 503, "message": "later", "errors": [{"reason": "backendError"}]}}"#;
        assert!(inside(body).unwrap().passing());
        for good in [&b""[..], b"bytes", b"{}", br#"{"items": [{"name": "error"}]}"#, br#"{"name": "error"}"#] {
            assert!(inside(good).is_none());
        }
    }
}
