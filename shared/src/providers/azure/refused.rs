//! What Blob Storage says when it refuses, as what the caller does next: one table, with a test for every row.

use crate::error::{Error, Kind};
use reqwest::{StatusCode, header::HeaderMap};
use std::error::Error as StdError;

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Refused {
    /// Azure answered and refused.
    Answered {
        status: u16,
        /// The word for programs: `BlobAlreadyExists`.
        code: String,
        /// How many seconds to wait, if it says so.
        retry_after: Option<u64>,
    },
    /// No answer, or half of one.
    Silent(String),
    /// An answer in words that this build does not know.
    Strange(String),
    /// We are nobody to Azure, and why.
    Nobody(Error),
}

impl Refused {
    /// A refusal by its status, headers and body.
    pub(super) fn answered(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = String::from_utf8_lossy(body);
        let inside = || Some(text.split_once("<Code>")?.1.split_once("</Code>")?.0.to_owned());
        let code = header("x-ms-error-code").or_else(inside).unwrap_or_default();
        let retry_after = header("retry-after").and_then(|seconds| seconds.trim().parse().ok());
        Self::Answered { status: status.as_u16(), code: crate::redact::clip(&code, 80), retry_after }
    }

    /// What became of a connection.
    pub(super) fn silent(error: reqwest::Error) -> Self {
        // Its address may hold a signature.
        let error = error.without_url();
        let mut said = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            said = format!("{said}: {error}");
            cause = error.source();
        }
        Self::Silent(said)
    }

    /// The status of the answer; 0 without one.
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Answered { status, .. } => *status,
            Self::Silent(_) | Self::Strange(_) | Self::Nobody(_) => 0,
        }
    }

    pub(super) const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Answered { retry_after, .. } => *retry_after,
            Self::Silent(_) | Self::Strange(_) | Self::Nobody(_) => None,
        }
    }

    /// Whether the same request may fare better in a moment.
    pub(super) fn passing(&self) -> bool {
        match self {
            Self::Answered { status, code, .. } => matches!(status, 408 | 429 | 500..=599) && *status != 501 || code == "Md5Mismatch",
            Self::Silent(_) => true,
            Self::Nobody(error) => error.kind() == Kind::Retry,
            Self::Strange(_) => false,
        }
    }

    /// Tells it as an error of ours: what was asked (an action of Azure's roles) and of what.
    pub(super) fn told(self, action: &str, of: &str) -> Error {
        let (kind, message, hint, said) = match self {
            Self::Nobody(error) => return error.during(format_args!("{action} on {of}")),
            Self::Silent(said) => (Kind::Retry, "the service is busy or out of reach", None, said),
            Self::Strange(said) => (Kind::Unsupported, "the answer is not understood", None, said),
            Self::Answered { status, code, .. } => {
                let (kind, words, hint) = meaning(status, &code);
                (kind, words, hint, format!("HTTP {status}: {code}"))
            }
        };
        let error = Error::new(kind, format!("{action} on {of}: {message}")).because(said);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// What the caller does next, in which words, and a hint.
fn meaning(status: u16, code: &str) -> (Kind, &'static str, Option<&'static str>) {
    const RIGHT: Option<&str> = Some("give the identity that this runs with the role Storage Blob Data Contributor on the container");
    const LOGIN: Option<&str> = Some("check the key, signature or identity that this runs with, and this machine's clock");
    const CONTAINER: Option<&str> = Some("create the container or mend the place in the config");
    const ARCHIVED: Option<&str> = Some("rehydrate the blob from its archive tier first");
    const KEPT: Option<&str> = Some("it can be deleted once the container's immutability policy or its legal hold ends");
    match (status, code) {
        (_, "ContainerNotFound" | "ContainerBeingDeleted") => (Kind::Failed, "there is no such container", CONTAINER),
        (_, "BlobAlreadyExists" | "ConditionNotMet" | "TargetConditionNotMet") => (Kind::Conflict, "it is not in the expected state", None),
        (_, "BlobArchived" | "BlobBeingRehydrated") => (Kind::Failed, "it lies in the archive tier", ARCHIVED),
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
            (409, "BlobArchived", Kind::Failed, false),
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
            let refused = Refused::answered(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
            assert_eq!(refused.passing(), passing, "{status} {code}");
            assert_eq!(refused.told("blobs/read", "c/k").kind(), kind, "{status} {code}");
        }
    }
}
