//! What RDS says, as what the caller does next. One table, with a test for every row.

use crate::{
    error::{Error, Kind},
    providers::aws::error::{Answer, Asked, Meaning},
};
use aws_sdk_rds::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use std::error::Error as StdError;

/// Tells an error of RDS as ours: what was asked (`rds:CreateDBSnapshot`), and of what.
pub(super) fn told<E>(action: &str, of: &str, error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    Asked { action, of }.refused_by(table, error)
}

/// The code of an error reply, the same with and without the ending that some have on the wire.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    plain(crate::providers::aws::error::code(error))
}

fn plain(code: &str) -> &str {
    code.strip_suffix("Fault").unwrap_or(code)
}

/// Whether it says that what was asked for is not there.
pub(super) fn is_absent<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(code(error), "DBInstanceNotFound" | "DBClusterNotFound" | "DBSnapshotNotFound" | "DBClusterSnapshotNotFound")
}

/// Whether it says that the name is taken.
pub(super) fn is_taken<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(
        code(error),
        "DBSnapshotAlreadyExists"
            | "DBClusterSnapshotAlreadyExists"
            | "DBInstanceAlreadyExists"
            | "DBClusterAlreadyExists"
            | "ExportTaskAlreadyExists"
    )
}

/// Whether it says that RDS is at work on the thing and takes no orders for it now.
pub(super) fn is_busy<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(code(error), "InvalidDBInstanceState" | "InvalidDBClusterState" | "InvalidDBSnapshotState" | "InvalidDBClusterSnapshotState")
}

fn table(answer: Answer<'_>) -> Option<Meaning> {
    const KEY: Option<&str> = Some(
        "check that the key is enabled in that region, that its policy lets this role use it, and that a copy's key is not the default key aws/rds of another account",
    );
    const NETWORK: Option<&str> = Some("check `drill.into.rds`: subnet group and security groups of this region's drill network");
    const CLASS: Option<&str> = Some("name another class under `drill.into.rds.class`, or try again later");
    const SNAPSHOTS: Option<&str> =
        Some("nothing is deleted to make room: let go of snapshots by hand, shorten `retention`, or ask AWS for a larger quota");
    const EXTRACT: &str =
        "check `analytics`: a bucket of that region, and a role that export.rds.amazonaws.com may take and that may write to it";
    const QUOTA: Option<&str> = Some("remove what nobody needs, or ask AWS for a larger quota");
    Some(match plain(answer.code) {
        "DBInstanceNotFound" | "DBClusterNotFound" => (Kind::NotFound, "there is no such instance or cluster", None),
        "DBSnapshotNotFound" | "DBClusterSnapshotNotFound" => (Kind::NotFound, "there is no such snapshot", None),
        "DBParameterGroupNotFound" | "DBClusterParameterGroupNotFound" | "OptionGroupNotFound" => {
            (Kind::NotFound, "there is no such parameter or option group in that region", None)
        }
        "DBSnapshotAlreadyExists" | "DBClusterSnapshotAlreadyExists" | "DBInstanceAlreadyExists" | "DBClusterAlreadyExists" => {
            (Kind::Conflict, "the name is taken", None)
        }
        "InvalidDBInstanceState" | "InvalidDBClusterState" => (Kind::Retry, "it is busy or not available", None),
        "InvalidDBSnapshotState" | "InvalidDBClusterSnapshotState" => (Kind::Retry, "the snapshot is not available yet", None),
        // One code, two meanings: too many copies at once pass by themselves, a full quota does not.
        "SnapshotQuotaExceeded" if copies_at_once(answer.message) => {
            (Kind::Retry, "too many copies are under way at once", Some("the next wake-up tries again"))
        }
        "SnapshotQuotaExceeded" | "DBClusterSnapshotQuotaExceeded" => (Kind::NoSpace, "the quota of manual snapshots is full", SNAPSHOTS),
        "SharedSnapshotQuotaExceeded" => (Kind::NoSpace, "the snapshot is shared with as many accounts as RDS allows", QUOTA),
        "InstanceQuotaExceeded" | "DBClusterQuotaExceeded" | "StorageQuotaExceeded" => {
            (Kind::NoSpace, "the quota of instances or of their storage is full", QUOTA)
        }
        "InsufficientDBInstanceCapacity" | "InsufficientDBClusterCapacity" | "InsufficientStorageClusterCapacity" => {
            (Kind::Retry, "AWS has no capacity for it there now", CLASS)
        }
        "KMSKeyNotAccessible" => (Kind::Denied, "the KMS key cannot be used", KEY),
        "DBSubnetGroupNotFound"
        | "DBSubnetGroupDoesNotCoverEnoughAZs"
        | "InvalidSubnet"
        | "InvalidVPCNetworkState"
        | "DBSecurityGroupNotFound"
        | "NetworkTypeNotSupported" => (Kind::Invalid, "the network does not fit", NETWORK),
        "ExportTaskAlreadyExists" => (Kind::Conflict, "the name is taken", None),
        "ExportTaskNotFound" => (Kind::NotFound, "there is no such export task", None),
        "InvalidExportSourceState" => (Kind::Retry, "the snapshot cannot be extracted now", None),
        "InvalidS3Bucket" => (Kind::Invalid, "the bucket cannot be written to", Some(EXTRACT)),
        "IamRoleNotFound" | "IamRoleMissingPermissions" => (Kind::Denied, "RDS cannot write as the role", Some(EXTRACT)),
        "InvalidExportOnly" => (Kind::Invalid, "there is no such part of the database", Some("mend `analytics.only`")),
        "InvalidRestore" => (Kind::Failed, "it cannot be restored so", None),
        "PointInTimeRestoreNotEnabled" => (
            Kind::Invalid,
            "RDS keeps no continuous backups of it",
            Some("set its backup retention to a day at least; till then restore snapshots"),
        ),
        "DBInstanceAutomatedBackupNotFound" | "DBClusterAutomatedBackupNotFound" => {
            (Kind::NotFound, "there are no such continuous backups", None)
        }
        "StorageTypeNotSupported" | "ProvisionedIopsNotAvailableInAZ" => {
            (Kind::Invalid, "the class and the storage do not go together there", CLASS)
        }
        "InvalidParameterValue" | "InvalidParameterCombination" | "MissingParameter" | "ValidationError" | "InvalidInput" => {
            (Kind::Invalid, "RDS does not accept the request", None)
        }
        "InvalidAction" | "NotImplemented" => (Kind::Unsupported, "the service does not know this request", None),
        _ => return None,
    })
}

/// Whether a full quota is that of copies under way, and not that of snapshots: `Cannot copy more than 20 snapshots across
/// regions` against `Cannot create more than 100 manual snapshots`.
fn copies_at_once(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let of_copies = message.contains("copy more than") || message.contains("in progress") || message.contains("across regions");
    of_copies && !message.contains("manual snapshots")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_rds::{error::ErrorMetadata, operation::copy_db_snapshot::CopyDBSnapshotError};
    use aws_sdk_s3::primitives::SdkBody;

    fn answered(code: &str, status: u16, message: &str) -> Error {
        let reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        let meta = ErrorMetadata::builder().code(code).message(message).build();
        told("rds:CopyDBSnapshot", "orders at aws://us-east-1", &SdkError::service_error(CopyDBSnapshotError::generic(meta), reply))
    }

    #[test]
    fn every_answer_says_what_to_do_next() {
        let table = [
            ("DBInstanceNotFound", 404, Kind::NotFound),
            ("DBInstanceNotFoundFault", 404, Kind::NotFound),
            ("DBClusterNotFoundFault", 404, Kind::NotFound),
            ("DBSnapshotNotFound", 404, Kind::NotFound),
            ("DBClusterSnapshotNotFoundFault", 404, Kind::NotFound),
            ("DBParameterGroupNotFound", 404, Kind::NotFound),
            ("DBClusterParameterGroupNotFound", 404, Kind::NotFound),
            ("OptionGroupNotFoundFault", 404, Kind::NotFound),
            ("DBSnapshotAlreadyExists", 400, Kind::Conflict),
            ("DBClusterSnapshotAlreadyExistsFault", 400, Kind::Conflict),
            ("DBInstanceAlreadyExists", 400, Kind::Conflict),
            ("DBClusterAlreadyExistsFault", 400, Kind::Conflict),
            ("InvalidDBInstanceState", 400, Kind::Retry),
            ("InvalidDBClusterStateFault", 400, Kind::Retry),
            ("InvalidDBSnapshotState", 400, Kind::Retry),
            ("InvalidDBClusterSnapshotStateFault", 400, Kind::Retry),
            ("SharedSnapshotQuotaExceeded", 400, Kind::NoSpace),
            ("InstanceQuotaExceeded", 400, Kind::NoSpace),
            ("DBClusterQuotaExceededFault", 403, Kind::NoSpace),
            ("StorageQuotaExceeded", 400, Kind::NoSpace),
            ("InsufficientDBInstanceCapacity", 400, Kind::Retry),
            ("InsufficientDBClusterCapacityFault", 403, Kind::Retry),
            ("InsufficientStorageClusterCapacity", 400, Kind::Retry),
            ("KMSKeyNotAccessibleFault", 400, Kind::Denied),
            ("DBSubnetGroupNotFoundFault", 404, Kind::Invalid),
            ("DBSubnetGroupDoesNotCoverEnoughAZs", 400, Kind::Invalid),
            ("InvalidSubnet", 400, Kind::Invalid),
            ("InvalidVPCNetworkStateFault", 400, Kind::Invalid),
            ("DBSecurityGroupNotFound", 404, Kind::Invalid),
            ("NetworkTypeNotSupported", 400, Kind::Invalid),
            ("InvalidRestoreFault", 400, Kind::Failed),
            ("ExportTaskAlreadyExistsFault", 400, Kind::Conflict),
            ("ExportTaskNotFoundFault", 404, Kind::NotFound),
            ("InvalidExportSourceStateFault", 400, Kind::Retry),
            ("InvalidS3BucketFault", 400, Kind::Invalid),
            ("IamRoleNotFoundFault", 404, Kind::Denied),
            ("IamRoleMissingPermissionsFault", 400, Kind::Denied),
            ("InvalidExportOnlyFault", 400, Kind::Invalid),
            ("PointInTimeRestoreNotEnabled", 400, Kind::Invalid),
            ("DBInstanceAutomatedBackupNotFound", 404, Kind::NotFound),
            ("DBClusterAutomatedBackupNotFoundFault", 404, Kind::NotFound),
            ("StorageTypeNotSupported", 400, Kind::Invalid),
            ("ProvisionedIopsNotAvailableInAZFault", 400, Kind::Invalid),
            ("InvalidParameterValue", 400, Kind::Invalid),
            ("InvalidParameterCombination", 400, Kind::Invalid),
            ("MissingParameter", 400, Kind::Invalid),
            ("ValidationError", 400, Kind::Invalid),
            ("InvalidAction", 400, Kind::Unsupported),
            ("AccessDenied", 403, Kind::Denied),
            ("AccessDeniedException", 400, Kind::Denied),
            ("UnauthorizedOperation", 403, Kind::Denied),
            ("InvalidClientTokenId", 403, Kind::Denied),
            ("SignatureDoesNotMatch", 403, Kind::Denied),
            ("ExpiredToken", 403, Kind::Retry),
            ("RequestExpired", 400, Kind::Retry),
            ("Throttling", 400, Kind::Retry),
            ("RequestLimitExceeded", 503, Kind::Retry),
            ("InternalFailure", 500, Kind::Retry),
            ("ServiceUnavailable", 503, Kind::Retry),
            ("", 500, Kind::Retry),
            ("", 403, Kind::Denied),
            ("SomethingNew", 400, Kind::Failed),
        ];
        for (code, status, kind) in table {
            let error = answered(code, status, "what RDS said");
            assert_eq!(error.kind(), kind, "{code} {status}");
            assert!(error.full().contains("rds:CopyDBSnapshot on orders at aws://us-east-1"), "{}", error.full());
            assert!(error.full().contains("what RDS said"), "{}", error.full());
        }
    }

    #[test]
    fn r06_one_code_of_two_meanings_is_told_apart_by_its_words() {
        for copies in [
            "Cannot copy more than 5 snapshots across regions",
            "Cannot copy more than 20 snapshots across regions",
            "You have reached the maximum number of snapshot copies in progress to this region",
        ] {
            assert_eq!(answered("SnapshotQuotaExceeded", 400, copies).kind(), Kind::Retry, "{copies}");
        }
        for full in ["Cannot create more than 100 manual snapshots", "The request cannot be processed because it would exceed the quota"] {
            let error = answered("SnapshotQuotaExceeded", 400, full);
            assert_eq!(error.kind(), Kind::NoSpace, "{full}");
            assert!(error.advice().unwrap().contains("nothing is deleted"));
        }
    }

    #[test]
    fn r41_a_missing_right_is_named() {
        assert_eq!(answered("AccessDenied", 403, "no").advice(), Some("allow rds:CopyDBSnapshot to the role that this runs with"));
    }
}
