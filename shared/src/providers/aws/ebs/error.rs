//! What EC2 and the interface to the blocks of snapshots say, as what the caller does next. One table, with a test for every row.

use crate::{
    error::{Error, Kind},
    providers::aws::{
        call::CallError,
        error::{Answer, Asked, Meaning},
    },
};

/// Tells a refusal as ours: what was asked (`ec2:CreateSnapshot`), and of what.
pub(super) fn told(action: &str, of: &str, error: &CallError) -> Error {
    Asked { action, of }.refused_by(table, error)
}

/// Whether it says that what was asked for is not there.
pub(super) fn is_absent(error: &CallError) -> bool {
    matches!(crate::providers::aws::error::code(error), "InvalidVolume.NotFound" | "InvalidSnapshot.NotFound")
}

fn table(answer: Answer<'_>) -> Option<Meaning> {
    const KEY: Option<&str> =
        Some("check that the key is enabled in that region, and that its policy lets this role, and the account of a copy, use it");
    const SNAPSHOTS: Option<&str> =
        Some("nothing is deleted to make room: let go of snapshots by hand, shorten `retention`, or ask AWS for a larger quota");
    const QUOTA: Option<&str> = Some("remove what nobody needs, or ask AWS for a larger quota");
    const ZONE: Option<&str> = Some("check the availability zone, and which types of volume it has");
    Some(match answer.code {
        "InvalidVolume.NotFound" => (Kind::NotFound, "there is no such volume", None),
        "InvalidSnapshot.NotFound" | "ResourceNotFoundException" => (Kind::NotFound, "there is no such snapshot", None),
        "InvalidInstanceID.NotFound" => (Kind::NotFound, "there is no such instance", None),
        "IncorrectState" | "IncorrectInstanceState" => (Kind::Retry, "it is busy or not available", None),
        "VolumeInUse" => (Kind::Refused, "the volume is attached", Some("it was not touched: look at who attached it")),
        "InvalidSnapshot.InUse" => {
            (Kind::Refused, "an image or a volume still needs the snapshot", Some("deregister the image first, or keep the snapshot"))
        }
        // Of copies under way; the quota of snapshots has a code of its own.
        "ResourceLimitExceeded" | "PendingSnapshotCopyLimitExceeded" => {
            (Kind::Retry, "too many copies are under way at once", Some("the next wake-up tries again"))
        }
        "ConcurrentSnapshotLimitExceeded" | "SnapshotCreationPerVolumeRateExceeded" => {
            (Kind::Retry, "too many snapshots of it are being made at once", Some("the next wake-up tries again"))
        }
        "SnapshotLimitExceeded" => (Kind::NoSpace, "the quota of snapshots is full", SNAPSHOTS),
        "VolumeLimitExceeded" | "MaxIOPSLimitExceeded" | "ServiceQuotaExceededException" => {
            (Kind::NoSpace, "the quota of volumes is full", QUOTA)
        }
        "InvalidZone.NotFound" | "UnknownVolumeType" | "UnsupportedOperation" => (Kind::Invalid, "it does not fit there", ZONE),
        "InsufficientVolumeCapacity" => (Kind::Retry, "AWS has no room for it in that zone now", ZONE),
        "KmsKeyNotFound" | "InvalidKmsKey" | "InvalidKMSKey.InvalidState" | "KmsKeyInvalidState" => {
            (Kind::Denied, "the KMS key cannot be used", KEY)
        }
        "OperationNotPermitted" => (Kind::Denied, "EBS does not permit it for this snapshot or key", KEY),
        "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "InvalidParameterDependency"
        | "MissingParameter"
        | "InvalidParameter"
        | "InvalidVolumeID.Malformed"
        | "InvalidSnapshotID.Malformed"
        | "InvalidInstanceID.Malformed"
        | "ValidationException" => (Kind::Invalid, "EC2 does not accept the request", None),
        "InvalidAction" => (Kind::Unsupported, "the service does not know this request", None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::call::Refused;
    use aws_sdk_s3::{config::http::HttpResponse, error::SdkError, primitives::SdkBody};

    fn answered(code: &str, status: u16) -> Error {
        let reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        let body = format!("<Response><Errors><Error><Code>{code}</Code><Message>what EC2 said</Message></Error></Errors></Response>");
        told("ec2:CreateSnapshot", "vol-1 at aws://eu-west-1", &SdkError::service_error(Refused::read(None, body.as_bytes()), reply))
    }

    #[test]
    fn every_answer_says_what_to_do_next() {
        let table = [
            ("InvalidVolume.NotFound", 400, Kind::NotFound),
            ("InvalidSnapshot.NotFound", 400, Kind::NotFound),
            ("ResourceNotFoundException", 404, Kind::NotFound),
            ("InvalidInstanceID.NotFound", 400, Kind::NotFound),
            ("IncorrectState", 400, Kind::Retry),
            ("IncorrectInstanceState", 400, Kind::Retry),
            ("VolumeInUse", 400, Kind::Refused),
            ("InvalidSnapshot.InUse", 400, Kind::Refused),
            ("ResourceLimitExceeded", 400, Kind::Retry),
            ("PendingSnapshotCopyLimitExceeded", 400, Kind::Retry),
            ("ConcurrentSnapshotLimitExceeded", 400, Kind::Retry),
            ("SnapshotCreationPerVolumeRateExceeded", 400, Kind::Retry),
            ("SnapshotLimitExceeded", 400, Kind::NoSpace),
            ("VolumeLimitExceeded", 400, Kind::NoSpace),
            ("MaxIOPSLimitExceeded", 400, Kind::NoSpace),
            ("ServiceQuotaExceededException", 402, Kind::NoSpace),
            ("InvalidZone.NotFound", 400, Kind::Invalid),
            ("UnknownVolumeType", 400, Kind::Invalid),
            ("UnsupportedOperation", 400, Kind::Invalid),
            ("InsufficientVolumeCapacity", 500, Kind::Retry),
            ("KmsKeyNotFound", 400, Kind::Denied),
            ("InvalidKmsKey", 400, Kind::Denied),
            ("InvalidKMSKey.InvalidState", 400, Kind::Denied),
            ("KmsKeyInvalidState", 400, Kind::Denied),
            ("OperationNotPermitted", 400, Kind::Denied),
            ("InvalidParameterValue", 400, Kind::Invalid),
            ("InvalidParameterCombination", 400, Kind::Invalid),
            ("InvalidParameterDependency", 400, Kind::Invalid),
            ("MissingParameter", 400, Kind::Invalid),
            ("InvalidParameter", 400, Kind::Invalid),
            ("InvalidVolumeID.Malformed", 400, Kind::Invalid),
            ("InvalidSnapshotID.Malformed", 400, Kind::Invalid),
            ("InvalidInstanceID.Malformed", 400, Kind::Invalid),
            ("ValidationException", 400, Kind::Invalid),
            ("InvalidAction", 400, Kind::Unsupported),
            ("UnauthorizedOperation", 403, Kind::Denied),
            ("AuthFailure", 401, Kind::Denied),
            ("RequestLimitExceeded", 503, Kind::Retry),
            ("RequestExpired", 400, Kind::Retry),
            ("InternalError", 500, Kind::Retry),
            ("SomethingNew", 400, Kind::Failed),
        ];
        for (code, status, kind) in table {
            let error = answered(code, status);
            assert_eq!(error.kind(), kind, "{code} {status}");
            assert!(error.full().contains("ec2:CreateSnapshot on vol-1 at aws://eu-west-1"), "{}", error.full());
            assert!(error.full().contains("what EC2 said"), "{}", error.full());
        }
    }

    #[test]
    fn r06_too_many_copies_pass_by_themselves_and_a_full_quota_does_not() {
        assert_eq!(answered("ResourceLimitExceeded", 400).kind(), Kind::Retry);
        let full = answered("SnapshotLimitExceeded", 400);
        assert_eq!(full.kind(), Kind::NoSpace);
        assert!(full.advice().unwrap().contains("nothing is deleted"));
    }

    #[test]
    fn r41_a_missing_right_is_named() {
        let advice = answered("UnauthorizedOperation", 403);
        assert_eq!(advice.advice(), Some("allow ec2:CreateSnapshot to the role that this runs with"));
    }
}
