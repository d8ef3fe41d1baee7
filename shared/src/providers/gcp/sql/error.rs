//! What Cloud SQL says when it refuses, as what the caller does next: a 409 is decided by its reason, never by its number.

use crate::{
    error::{Error, Kind},
    providers::gcp::refused::{Refused, is_rate},
};

/// Another operation of the same instance is at work: Cloud SQL does one at a time, and has said so with 409 and with 403.
pub(super) fn is_busy(refused: &Refused) -> bool {
    matches!(refused, Refused::Answered { reason, .. } if reason == "operationInProgress")
}

/// The name is taken already.
pub(super) fn is_taken(refused: &Refused) -> bool {
    refused.status() == 409 && !is_busy(refused)
}

/// It is not there.
pub(super) fn is_absent(refused: &Refused) -> bool {
    refused.status() == 404
}

/// Tells a refusal as an error of ours: what was asked (a permission) and of what.
pub(super) fn told(refused: Refused, permission: &str, of: &str) -> Error {
    let Refused::Answered { status, reason, message, .. } = &refused else { return refused.told(permission, of) };
    if is_rate(reason, message) {
        return refused.told(permission, of);
    }
    let Some((kind, words, hint)) = meaning(*status, reason) else { return refused.told(permission, of) };
    let said = [format!("HTTP {status}"), reason.clone(), message.clone()];
    let said = said.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let error = Error::new(kind, format!("{permission} on {of}: {words}")).because(crate::redact::clip(&said, 500));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// What is Cloud SQL's alone; the rest means what it means to every service of Google's.
fn meaning(status: u16, reason: &str) -> Option<(Kind, &'static str, Option<&'static str>)> {
    const NAME: Option<&str> = Some("nothing was touched: choose another name, or look what bears it");
    const QUOTA: Option<&str> = Some("ask Google for more, or remove what nobody needs: nothing is deleted to make room");
    Some(match (status, reason) {
        (_, "operationInProgress") => (Kind::Retry, "another operation of the instance is at work", None),
        (409, "instanceAlreadyExists") => (Kind::Conflict, "the name is taken", NAME),
        (409, _) => (Kind::Conflict, "it is not in the expected state", None),
        (404, _) => (Kind::NotFound, "there is no such instance, backup or user", None),
        (403, "quotaExceeded" | "errorMaxInstancePerLabel" | "maxInstancesExceeded") => (Kind::NoSpace, "the quota is used up", QUOTA),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::gcp::refused::answered;
    use reqwest::{StatusCode, header::HeaderMap};

    fn refused(status: u16, reason: &str) -> Refused {
        let body = serde_json::json!({ "error": { "code": status, "message": "what it said", "errors": [{ "reason": reason }] } });
        answered(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.to_string().as_bytes())
    }

    #[test]
    fn r07_a_409_is_decided_by_its_reason() {
        for (status, reason, kind) in [
            (409, "operationInProgress", Kind::Retry),
            (403, "operationInProgress", Kind::Retry),
            (409, "instanceAlreadyExists", Kind::Conflict),
            (409, "invalidState", Kind::Conflict),
            (404, "instanceDoesNotExist", Kind::NotFound),
            (404, "", Kind::NotFound),
            (403, "notAuthorized", Kind::Denied),
            (403, "errorMaxInstancePerLabel", Kind::NoSpace),
            (400, "invalid", Kind::Invalid),
            (401, "authError", Kind::Denied),
            (429, "rateLimitExceeded", Kind::Retry),
            (503, "backendError", Kind::Retry),
        ] {
            let error = told(refused(status, reason), "cloudsql.instances.create", "pegasus-db");
            assert_eq!(error.kind(), kind, "{status} {reason}");
            assert!(error.full().contains("cloudsql.instances.create on pegasus-db"), "{}", error.full());
        }
        assert!(is_busy(&refused(409, "operationInProgress")) && !is_taken(&refused(409, "operationInProgress")));
        assert!(is_taken(&refused(409, "instanceAlreadyExists")) && !is_busy(&refused(409, "instanceAlreadyExists")));
    }

    #[test]
    fn r41_a_missing_right_is_named() {
        let error = told(refused(403, "notAuthorized"), "cloudsql.backupRuns.create", "pegasus-db");
        assert_eq!(error.advice(), Some("grant cloudsql.backupRuns.create to the service account that this runs with"));
    }
}
