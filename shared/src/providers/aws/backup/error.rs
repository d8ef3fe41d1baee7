//! What AWS Backup says, as what the caller does next. One table, with a test for every row.

use crate::{
    error::{Error, Kind},
    providers::aws::{
        call::CallError,
        error::{Answer, Asked, Meaning},
    },
};

/// Tells a refusal as ours: what was asked (`backup:ListRestoreJobs`), and of what.
pub(super) fn told(action: &str, of: &str, error: &CallError) -> Error {
    Asked { action, of }.refused_by(table, error)
}

/// Whether it says that what was asked for is not there.
pub(super) fn is_absent(error: &CallError) -> bool {
    crate::providers::aws::error::code(error) == "ResourceNotFoundException"
}

fn table(answer: Answer<'_>) -> Option<Meaning> {
    const JUDGED: Option<&str> = Some("a restore job is judged once, and only while AWS Backup waits for it");
    Some(match answer.code {
        "ResourceNotFoundException" => (Kind::NotFound, "there is no such restore job", None),
        "InvalidRequestException" => (Kind::Invalid, "AWS Backup does not accept it now", JUDGED),
        "InvalidParameterValueException" | "MissingParameterValueException" => {
            (Kind::Invalid, "AWS Backup does not accept the request", None)
        }
        "ServiceUnavailableException" => (Kind::Retry, "AWS Backup is in trouble", None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_says_what_the_caller_does_next() {
        let kind = |code| table(Answer { code, status: Some(400), message: "" }).map(|(kind, ..)| kind);
        for (code, expected) in [
            ("ResourceNotFoundException", Some(Kind::NotFound)),
            ("InvalidRequestException", Some(Kind::Invalid)),
            ("InvalidParameterValueException", Some(Kind::Invalid)),
            ("MissingParameterValueException", Some(Kind::Invalid)),
            ("ServiceUnavailableException", Some(Kind::Retry)),
            ("SomethingElse", None),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
