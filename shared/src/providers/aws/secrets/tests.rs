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
fn a_field_is_text_or_a_number_and_nothing_of_the_value_is_ever_repeated() {
    let whole = Secret::new(r#"{"password": "f1eld-canary", "port": 5432, "on": true, "none": null, "deep": {"x": "d33p-canary"}}"#);
    assert_eq!(pick(&whole, "n", "password").unwrap().expose(), "f1eld-canary");
    assert_eq!(pick(&whole, "n", "port").unwrap().expose(), "5432");
    for (field, kind) in [("on", Kind::Invalid), ("deep", Kind::Invalid), ("none", Kind::NotFound), ("PASSWORD", Kind::NotFound)] {
        let error = pick(&whole, "n", field).unwrap_err();
        assert_eq!(error.kind(), kind, "{field}");
        let said = format!("{} {}", error.full(), error.advice().unwrap_or_default());
        assert!(!said.contains("canary"), "{said}");
    }
    for text in ["pl4in-canary", "[1, 2]", "\"pl4in-canary\""] {
        let error = pick(&Secret::new(text), "n", "x").unwrap_err();
        assert!(error.kind() == Kind::Invalid && !error.full().contains("canary"), "{}", error.full());
    }
}

#[test]
fn r45_every_text_in_a_json_secret_is_known_by_value_and_a_host_is_not() {
    remember(
        &serde_json::json!({"username": "lastgood", "engine": "postgres", "password": "p4ss-canary-1", "more": [{"token": "t0ken-canary-2"}]}),
    );
    assert_eq!(redact::text("p4ss-canary-1 t0ken-canary-2 of postgres"), "*** *** of postgres");
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
