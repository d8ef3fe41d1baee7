//! What the service says and what a field is, row by row. The wire is tried in the stories, against moto.

use super::*;
use aws_sdk_s3::primitives::SdkBody;
use aws_sdk_secretsmanager::error::ErrorMetadata;

fn answer(code: &str, message: &str, status: u16) -> Error {
    let reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
    let meta = ErrorMetadata::builder().code(code).message(message).build();
    told("ops/db", &SdkError::service_error(GetSecretValueError::generic(meta), reply))
}

#[test]
fn every_refusal_says_what_to_do() {
    let table = [
        ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", Kind::NotFound, "another region"),
        (
            "ResourceNotFoundException",
            "can't find the specified secret value for staging label: AWSCURRENT",
            Kind::NotFound,
            "put-secret-value",
        ),
        ("InvalidRequestException", "because it was marked for deletion", Kind::NotFound, "restore-secret"),
        (
            "AccessDeniedException",
            "is not authorized to perform: secretsmanager:GetSecretValue",
            Kind::Denied,
            "secretsmanager:GetSecretValue",
        ),
        ("AccessDeniedException", "Access to KMS is not allowed", Kind::Denied, "kms:Decrypt"),
        ("DecryptionFailure", "can't decrypt", Kind::Denied, "kms:Decrypt"),
        ("UnrecognizedClientException", "The security token included in the request is invalid.", Kind::Denied, "account, role or key"),
        ("ValidationException", "Invalid name", Kind::Invalid, "mend its name"),
    ];
    for (code, message, kind, hint) in table {
        let error = answer(code, message, 400);
        assert_eq!(error.kind(), kind, "{code}");
        assert!(error.full().contains("ops/db") && error.full().contains(message), "{}", error.full());
        assert!(error.advice().unwrap().contains(hint), "{code}: {:?}", error.advice());
    }
    for (code, status) in [("InternalServiceError", 500), ("ThrottlingException", 400), ("", 503)] {
        assert_eq!(answer(code, "", status).kind(), Kind::Retry, "{code}");
    }
}

#[test]
fn an_arn_says_its_region_and_a_name_says_none() {
    assert_eq!(region_of("ops/db").unwrap(), None);
    let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ops/db-AbCdEf";
    assert_eq!(region_of(arn).unwrap(), Some("us-east-1"));
    for text in ["arn:aws:s3:::bucket", "arn:aws:secretsmanager::1:secret:x", "arn:"] {
        assert_eq!(region_of(text).unwrap_err().kind(), Kind::Invalid, "{text}");
    }
}
