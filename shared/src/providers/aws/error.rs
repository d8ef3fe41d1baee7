//! What AWS says, as what the caller does next: one table for what every service says, and one for S3's own, with a test for
//! every row. The tables of other services are with them.

use crate::error::{Error, Kind};
use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use std::error::Error as StdError;

/// The code of an error reply, if there was a reply and it had one.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    error.as_service_error().and_then(|service| service.meta().code()).unwrap_or_default()
}

/// The status of a reply, if there was one.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> u16 {
    error.raw_response().map(|response| response.status().as_u16()).unwrap_or_default()
}

/// Whether a write may be sent again at once: something else was going on, or bytes were damaged on their way. Throttling
/// and silence are not among these: the SDK has tried those often enough.
pub(super) fn passing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    status(error) == 409
        || matches!(code(error), "BadDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" | "IncompleteBody")
}

/// What was asked, for the message: the IAM action and the object or bucket it was asked of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) action: &'a str,
    pub(super) of: &'a str,
}

impl Asked<'_> {
    /// Tells an error of S3 as ours.
    pub(super) fn refused_with<E>(self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        self.refused_by(s3, error)
    }

    /// Tells an SDK error as ours, by a service's own table.
    pub(super) fn refused_by<E>(self, table: Table, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let (answer, said) = match error {
            SdkError::ServiceError(service) => {
                let meta = service.err().meta();
                let code = meta.code().unwrap_or_default();
                let said =
                    [code, meta.message().unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
                (
                    Answer { code, status, message: meta.message().unwrap_or_default() },
                    if said.is_empty() { chain(service.err().source()) } else { said },
                )
            }
            SdkError::TimeoutError(_) => (Answer::of("RequestTimeout"), "no reply in time".to_owned()),
            SdkError::DispatchFailure(failure) => {
                let said = chain(failure.as_connector_error().map(|error| error as &(dyn StdError + 'static)));
                if said.contains("redential") {
                    // The SDK tells every provider that it asked, which fills a screen and helps nobody; a refusal is worth telling.
                    let nobody = "neither the environment, nor a profile, nor a role has any".to_owned();
                    let said = if said.contains("AccessDenied") { said } else { nobody };
                    return self.answered(table, Answer::of("NoCredentials"), &said);
                }
                (Answer::of("RequestTimeout"), said)
            }
            SdkError::ResponseError(_) => (Answer::of("IncompleteReply"), chain(Some(error))),
            _ => (Answer::of("BadRequest"), chain(Some(error))),
        };
        self.answered(table, answer, &said)
    }

    fn answered(self, table: Table, answer: Answer<'_>, said: &str) -> Error {
        let (kind, message, hint) = table(answer).or_else(|| everywhere(answer)).unwrap_or_else(|| by_status(answer.status));
        let Self { action, of } = self;
        let said = match answer.status {
            Some(status) if said.is_empty() => format!("HTTP {status}"),
            _ => crate::redact::clip(said, 500),
        };
        let error = Error::new(kind, format!("{action} on {of}: {message}")).because(said);
        match hint {
            Some(hint) => error.hint(hint.replace("ACTION", action)),
            None => error,
        }
    }
}

/// An error reply: its code, its status and its words; a reply to HEAD has only a status.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) code: &'a str,
    pub(super) status: Option<u16>,
    pub(super) message: &'a str,
}

impl<'a> Answer<'a> {
    const fn of(code: &'a str) -> Self {
        Self { code, status: None, message: "" }
    }
}

/// What the caller does next, in which words, and a hint; `ACTION` in it stands for what was asked.
pub(super) type Meaning = (Kind, &'static str, Option<&'static str>);

/// What a service's own table says of an answer; none where it has no row for it.
pub(super) type Table = fn(Answer<'_>) -> Option<Meaning>;

const RIGHT: Option<&str> = Some("allow ACTION to the role that this runs with");

/// What every service of AWS says.
fn everywhere(answer: Answer<'_>) -> Option<Meaning> {
    const CREDENTIALS: Option<&str> = Some("check the account, role or key that this runs with");
    const NOBODY: Option<&str> = Some("set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run it under a role");
    const CLOCK: Option<&str> = Some("set this machine's clock: AWS allows 15 minutes at most");
    const KEY: Option<&str> = Some("check that the KMS key is enabled and that this role may use it");
    Some(match answer.code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "AuthorizationError" => (Kind::Denied, "not allowed", RIGHT),
        "NoCredentials" => (Kind::Denied, "no AWS credentials were found", NOBODY),
        "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "InvalidToken" => (Kind::Denied, "the credentials were refused", CREDENTIALS),
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            (Kind::Retry, "the credentials expired", Some("the next invocation gets fresh ones; log in again if they are yours"))
        }
        "RequestTimeTooSkewed" | "RequestExpired" => (Kind::Retry, "this machine's clock is wrong", CLOCK),
        "KMS.DisabledException" | "KMS.NotFoundException" | "KMS.KMSInvalidStateException" | "KMS.InvalidKeyUsageException" => {
            (Kind::Denied, "the KMS key cannot be used", KEY)
        }
        "SlowDown"
        | "ServiceUnavailable"
        | "InternalError"
        | "InternalFailure"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "IncompleteReply" => (Kind::Retry, "the service is busy or out of reach", None),
        _ => return None,
    })
}

/// What is left when no table has a row for the code.
fn by_status(status: Option<u16>) -> Meaning {
    match status {
        Some(401 | 403) => (Kind::Denied, "not allowed", RIGHT),
        Some(404) => (Kind::NotFound, "there is no such thing", None),
        Some(429 | 500..=599) => (Kind::Retry, "the service is busy or out of reach", None),
        _ => (Kind::Failed, "refused", None),
    }
}

/// What S3 says.
fn s3(answer: Answer<'_>) -> Option<Meaning> {
    const REGION: Option<&str> = Some("set AWS_REGION to the bucket's region");
    const ARCHIVED: Option<&str> =
        Some("`lastgood restore ASSET --from PLACE …` recalls it and waits; that takes hours, and S3 charges for it");
    Some(match answer.code {
        "NoSuchBucket" => (Kind::Failed, "there is no such bucket", Some("create the bucket or mend the place in the config")),
        "NoSuchKey" | "NoSuchVersion" | "NotFound" => (Kind::NotFound, "there is no such object", None),
        "NoSuchUpload" => (Kind::NotFound, "there is no such upload", None),
        "AllAccessDisabled" | "AccountProblem" => (Kind::Denied, "not allowed", RIGHT),
        "PreconditionFailed" => (Kind::Conflict, "it is not in the expected state", None),
        "ConditionalRequestConflict" | "OperationAborted" => (Kind::Retry, "another request was changing it", None),
        "BandwidthLimitExceeded" => (Kind::Retry, "the service is busy or out of reach", None),
        "BadDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" | "IncompleteBody" => {
            (Kind::Retry, "bytes were damaged on their way", None)
        }
        "InvalidRange" => (Kind::Corrupt, "it has fewer bytes than its record says", None),
        "InvalidObjectState" | "ObjectNotInActiveTier" => (Kind::Refused, "it is archived and must be recalled first", ARCHIVED),
        "GlacierExpeditedRetrievalNotAvailable" => {
            (Kind::Retry, "there is no room for expedited recalls", Some("try again later, or ask for `--recall standard`"))
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            (Kind::Invalid, "the bucket is in another region", REGION)
        }
        "KeyTooLongError" | "InvalidBucketName" | "InvalidURI" => (Kind::Invalid, "the name is not acceptable", None),
        "NotImplemented" | "MethodNotAllowed" | "XNotImplemented" => (Kind::Unsupported, "the store does not know this request", None),
        "QuotaExceeded" | "XMinioStorageFull" | "StorageFull" | "InsufficientStorage" | "EntityTooLarge" => {
            (Kind::NoSpace, "the store has no room for it", None)
        }
        _ if everywhere(answer).is_some() => return None,
        _ => match answer.status? {
            401 | 403 => (Kind::Denied, "not allowed", Some("allow ACTION (and s3:ListBucket) to the role that this runs with")),
            404 => (Kind::NotFound, "there is no such object", None),
            409 => (Kind::Retry, "another request was changing it", None),
            412 => (Kind::Conflict, "it is not in the expected state", None),
            416 => (Kind::Corrupt, "it has fewer bytes than its record says", None),
            501 => (Kind::Unsupported, "the store does not know this request", None),
            507 => (Kind::NoSpace, "the store has no room for it", None),
            300..=399 => (Kind::Invalid, "the bucket is in another region", REGION),
            _ => return None,
        },
    })
}

fn chain(error: Option<&(dyn StdError + 'static)>) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = error;
    while let Some(error) = next {
        let text = error.to_string();
        if said.last().is_none_or(|last| !last.contains(&text)) {
            said.push(text);
        }
        next = error.source();
    }
    said.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::{error::ErrorMetadata, operation::put_object::PutObjectError, primitives::SdkBody};

    fn told(code: &str, status: u16) -> Error {
        let reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        let meta = ErrorMetadata::builder().code(code).message("what S3 said").build();
        Asked { action: "s3:PutObject", of: "b/k" }.refused_with(&SdkError::service_error(PutObjectError::generic(meta), reply))
    }

    #[test]
    fn every_answer_says_what_to_do_next() {
        let table = [
            ("NoSuchBucket", 404, Kind::Failed),
            ("NoSuchKey", 404, Kind::NotFound),
            ("NoSuchVersion", 404, Kind::NotFound),
            ("NoSuchUpload", 404, Kind::NotFound),
            ("AccessDenied", 403, Kind::Denied),
            ("AllAccessDisabled", 403, Kind::Denied),
            ("InvalidAccessKeyId", 403, Kind::Denied),
            ("SignatureDoesNotMatch", 403, Kind::Denied),
            ("InvalidToken", 400, Kind::Denied),
            ("ExpiredToken", 400, Kind::Retry),
            ("RequestTimeTooSkewed", 403, Kind::Retry),
            ("KMS.DisabledException", 400, Kind::Denied),
            ("KMS.KMSInvalidStateException", 400, Kind::Denied),
            ("PreconditionFailed", 412, Kind::Conflict),
            ("ConditionalRequestConflict", 409, Kind::Retry),
            ("OperationAborted", 409, Kind::Retry),
            ("SlowDown", 503, Kind::Retry),
            ("ServiceUnavailable", 503, Kind::Retry),
            ("InternalError", 500, Kind::Retry),
            ("InternalError", 200, Kind::Retry),
            ("RequestTimeout", 400, Kind::Retry),
            ("Throttling", 400, Kind::Retry),
            ("BadDigest", 400, Kind::Retry),
            ("IncompleteBody", 400, Kind::Retry),
            ("InvalidRange", 416, Kind::Corrupt),
            ("InvalidObjectState", 403, Kind::Refused),
            ("GlacierExpeditedRetrievalNotAvailable", 503, Kind::Retry),
            ("PermanentRedirect", 301, Kind::Invalid),
            ("AuthorizationHeaderMalformed", 400, Kind::Invalid),
            ("KeyTooLongError", 400, Kind::Invalid),
            ("NotImplemented", 501, Kind::Unsupported),
            ("MethodNotAllowed", 405, Kind::Unsupported),
            ("QuotaExceeded", 403, Kind::NoSpace),
            ("EntityTooLarge", 400, Kind::NoSpace),
            ("InvalidPart", 400, Kind::Failed),
            ("", 401, Kind::Denied),
            ("", 403, Kind::Denied),
            ("", 404, Kind::NotFound),
            ("", 409, Kind::Retry),
            ("", 412, Kind::Conflict),
            ("", 416, Kind::Corrupt),
            ("", 429, Kind::Retry),
            ("", 501, Kind::Unsupported),
            ("", 502, Kind::Retry),
            ("", 507, Kind::NoSpace),
            ("", 301, Kind::Invalid),
            ("", 400, Kind::Failed),
        ];
        for (code, status, kind) in table {
            let error = told(code, status);
            assert_eq!(error.kind(), kind, "{code} {status}");
            assert!(error.full().contains("s3:PutObject on b/k"), "{}", error.full());
            assert!(error.full().contains("what S3 said"), "{}", error.full());
        }
    }

    #[test]
    fn a_missing_right_is_named() {
        assert_eq!(told("AccessDenied", 403).advice(), Some("allow s3:PutObject to the role that this runs with"));
    }

    #[test]
    fn silence_and_broken_connections_are_passing_faults() {
        let asked = Asked { action: "s3:PutObject", of: "b/k" };
        let late = SdkError::<PutObjectError, HttpResponse>::timeout_error("late");
        assert_eq!(asked.refused_with(&late).kind(), Kind::Retry);
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let reset = aws_sdk_s3::error::ConnectorError::io(reset.into());
        assert_eq!(asked.refused_with(&SdkError::<PutObjectError, HttpResponse>::dispatch_failure(reset)).kind(), Kind::Retry);
        let nobody = aws_sdk_s3::error::ConnectorError::other("no credentials in the chain".into(), None);
        let error = asked.refused_with(&SdkError::<PutObjectError, HttpResponse>::dispatch_failure(nobody));
        assert_eq!(error.kind(), Kind::Denied);
    }
}
