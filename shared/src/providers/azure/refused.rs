//! What Blob Storage says when it refuses, as what the caller does next: one table, with a test for every row.

pub(super) use crate::providers::web::Refused;

use crate::{
    error::Kind,
    providers::web::{Meaning, Words},
};
use reqwest::{StatusCode, header::HeaderMap};

/// What Azure's words mean.
static WORDS: Words = Words { passing: |code, _| code == "Md5Mismatch", meaning };

/// A refusal by its status, headers and body.
pub(super) fn answered(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Refused {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = String::from_utf8_lossy(body);
    let inside = || Some(text.split_once("<Code>")?.1.split_once("</Code>")?.0.to_owned());
    let code = header("x-ms-error-code").or_else(inside).unwrap_or_default();
    let retry_after = header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
    // Its words for people repeat what was signed.
    let (reason, message) = (crate::redact::clip(&code, 80), String::new());
    Refused::Answered { status: status.as_u16(), reason, message, retry_after, words: &WORDS }
}

fn meaning(status: u16, code: &str, _: &str) -> Meaning {
    const RIGHT: Option<&str> = Some("give the identity that this runs with the role Storage Blob Data Contributor on the container");
    const LOGIN: Option<&str> = Some("check the key, signature or identity that this runs with, and this machine's clock");
    const CONTAINER: Option<&str> = Some("create the container or mend the place in the config");
    const ARCHIVED: Option<&str> =
        Some("`lastgood restore ASSET --from PLACE …` recalls it and waits; that takes hours, and Azure charges for it");
    const KEPT: Option<&str> = Some("it can be deleted once the container's immutability policy or its legal hold ends");
    match (status, code) {
        (_, "ContainerNotFound" | "ContainerBeingDeleted") => (Kind::Failed, "there is no such container", CONTAINER),
        (_, "BlobAlreadyExists" | "ConditionNotMet" | "TargetConditionNotMet") => (Kind::Conflict, "it is not in the expected state", None),
        (_, "BlobArchived" | "BlobBeingRehydrated") => (Kind::Refused, "it is archived and must be recalled first", ARCHIVED),
        (_, "BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold") => (Kind::Denied, "the container keeps it", KEPT),
        (_, "LeaseIdMissing" | "LeaseAlreadyPresent") => (Kind::Conflict, "somebody holds a lease on it", None),
        (_, "SnapshotsPresent") => {
            (Kind::Failed, "it has snapshots of its own", Some("remove its snapshots first, if they are not needed"))
        }
        (_, "Md5Mismatch") => (Kind::Retry, "bytes were damaged on their way", None),
        (_, "AuthenticationFailed") | (401, _) => (Kind::Denied, "the credentials were refused", LOGIN),
        (403, _) => (Kind::Denied, "not allowed", RIGHT),
        (404, _) => (Kind::NotFound, "there is no such blob", None),
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
        for (status, code, kind, passing) in [
            (400, "InvalidUri", Kind::Invalid, false),
            (400, "Md5Mismatch", Kind::Retry, true),
            (401, "NoAuthenticationInformation", Kind::Denied, false),
            (403, "AuthenticationFailed", Kind::Denied, false),
            (403, "AuthorizationPermissionMismatch", Kind::Denied, false),
            (404, "BlobNotFound", Kind::NotFound, false),
            (404, "ContainerNotFound", Kind::Failed, false),
            (409, "BlobAlreadyExists", Kind::Conflict, false),
            (409, "BlobArchived", Kind::Refused, false),
            (409, "BlobImmutableDueToPolicy", Kind::Denied, false),
            (409, "SnapshotsPresent", Kind::Failed, false),
            (409, "OperationNotAllowedInCurrentState", Kind::Retry, false),
            (412, "ConditionNotMet", Kind::Conflict, false),
            (412, "LeaseIdMissing", Kind::Conflict, false),
            (416, "InvalidRange", Kind::Corrupt, false),
            (500, "InternalError", Kind::Retry, true),
            (501, "NotImplemented", Kind::Unsupported, false),
            (503, "ServerBusy", Kind::Retry, true),
            (418, "", Kind::Failed, false),
        ] {
            let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
            let refused = answered(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
            assert_eq!(refused.passing(), passing, "{status} {code}");
            assert_eq!(refused.told("blobs/read", "c/k").kind(), kind, "{status} {code}");
        }
    }
}
