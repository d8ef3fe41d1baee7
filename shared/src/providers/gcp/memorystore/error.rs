//! What Memorystore says when it refuses, at once or at the end of an operation, as what the caller does next.

use super::api::Status;
use crate::{
    error::{Error, Kind},
    providers::gcp::refused::Refused,
};

type Meaning = (Kind, &'static str, Option<&'static str>);

/// Tells a refusal as ours: the permission that was used (`redis.instances.export`), and of what.
pub(super) fn told(refused: Refused, permission: &str, of: &str) -> Error {
    let Refused::Answered { status, reason, message, .. } = &refused else { return refused.told(permission, of) };
    let said = format!("HTTP {status}: {reason}: {message}");
    match by_word(reason).or_else(|| by_status(*status)) {
        Some(meaning) => tell(meaning, permission, of, &said),
        None => refused.told(permission, of),
    }
}

/// Tells how an operation ended that did not end well. What its service account may not do is told with its name.
pub(super) fn ended(status: &Status, account: &str, of: &str) -> Error {
    let permission = "redis.instances.export";
    let said = format!("code {}: {}", status.code, status.message);
    let about_bucket = ["storage.", "bucket", "Cloud Storage", "GCS"].iter().any(|word| status.message.contains(word));
    if about_bucket && matches!(status.code, 5 | 7 | 9) {
        let words = "Memorystore could not write to the bucket that it exports through";
        let error = Error::new(Kind::Denied, format!("{permission} on {of}: {words}")).because(crate::redact::clip(&said, 500));
        return error.hint(format!("let {account} create and read objects in the bucket of `export.through`"));
    }
    let word = match status.code {
        1 => "CANCELLED",
        3 => "INVALID_ARGUMENT",
        5 => "NOT_FOUND",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        4 | 13 | 14 => "UNAVAILABLE",
        _ => "",
    };
    let meaning = by_word(word).unwrap_or((Kind::Failed, "it was accepted, and failed later", None));
    tell(meaning, permission, of, &said)
}

fn tell((kind, words, hint): Meaning, permission: &str, of: &str, said: &str) -> Error {
    let error = Error::new(kind, format!("{permission} on {of}: {words}")).because(crate::redact::clip(said, 500));
    match hint {
        Some(hint) => error.hint(hint.replace("PERMISSION", permission)),
        None => error,
    }
}

fn by_word(reason: &str) -> Option<Meaning> {
    const RIGHT: Option<&str> = Some("grant PERMISSION to the service account that this runs with");
    const LATER: Option<&str> = Some("Memorystore does one thing at a time with an instance: the next wake-up tries again");
    const API: Option<&str> = Some("enable the Google Cloud Memorystore for Redis API in the project");
    Some(match reason {
        "CANCELLED" => (Kind::Failed, "somebody cancelled it", None),
        "INVALID_ARGUMENT" | "badRequest" => (Kind::Invalid, "Memorystore does not accept the request", None),
        "NOT_FOUND" | "notFound" => (Kind::NotFound, "there is no such instance or operation", None),
        "SERVICE_DISABLED" | "accessNotConfigured" => (Kind::Denied, "the API of Memorystore is not enabled", API),
        "PERMISSION_DENIED" | "forbidden" => (Kind::Denied, "not allowed", RIGHT),
        "FAILED_PRECONDITION" | "failedPrecondition" => (Kind::Retry, "it is busy or not ready", LATER),
        "ABORTED" | "ALREADY_EXISTS" | "aborted" | "conflict" => (Kind::Retry, "something else goes on with it", LATER),
        "RESOURCE_EXHAUSTED" | "rateLimitExceeded" | "UNAVAILABLE" | "backendError" => {
            (Kind::Retry, "the service is busy or out of reach", None)
        }
        _ => return None,
    })
}

fn by_status(status: u16) -> Option<Meaning> {
    match status {
        404 => by_word("NOT_FOUND"),
        409 => by_word("ABORTED"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::{StatusCode, header::HeaderMap};

    #[test]
    fn every_answer_says_what_to_do_next() {
        for (status, word, kind) in [
            (400, "INVALID_ARGUMENT", Kind::Invalid),
            (400, "FAILED_PRECONDITION", Kind::Retry),
            (401, "UNAUTHENTICATED", Kind::Denied),
            (403, "PERMISSION_DENIED", Kind::Denied),
            (403, "SERVICE_DISABLED", Kind::Denied),
            (404, "NOT_FOUND", Kind::NotFound),
            (409, "ABORTED", Kind::Retry),
            (429, "RESOURCE_EXHAUSTED", Kind::Retry),
            (503, "UNAVAILABLE", Kind::Retry),
            (418, "", Kind::Failed),
        ] {
            let body = serde_json::json!({ "error": { "code": status, "message": "what it said", "status": word } });
            let refused = crate::providers::gcp::refused::answered(
                StatusCode::from_u16(status).unwrap(),
                &HeaderMap::new(),
                body.to_string().as_bytes(),
            );
            let error = told(refused, "redis.instances.export", "cache");
            assert_eq!(error.kind(), kind, "{status} {word}");
            assert!(
                error.full().starts_with("redis.instances.export on cache: ") && error.full().contains("what it said"),
                "{}",
                error.full()
            );
        }
    }

    #[test]
    fn r41_an_operation_that_ends_badly_is_told_by_its_code_and_names_who_lacks_the_right() {
        let ended = |code, message: &str| {
            ended(&Status { code, message: message.to_owned() }, "serviceAccount:redis@x.iam.gserviceaccount.com", "cache")
        };
        for (code, kind) in
            [(3, Kind::Invalid), (8, Kind::Retry), (9, Kind::Retry), (10, Kind::Retry), (13, Kind::Retry), (2, Kind::Failed)]
        {
            assert_eq!(ended(code, "no").kind(), kind, "{code}");
        }
        let denied = ended(7, "redis@x does not have storage.objects.create access to the Google Cloud Storage object.");
        assert_eq!(denied.kind(), Kind::Denied);
        assert!(denied.advice().unwrap().contains("let serviceAccount:redis@x.iam.gserviceaccount.com create"), "{:?}", denied.advice());
    }
}
