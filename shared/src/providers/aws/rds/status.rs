//! What the statuses of RDS mean. AWS adds new ones: what nobody here knows is taken for work that will end.

use crate::{domain::held::SnapshotState, ports::Readiness};

/// Whether a snapshot of an instance or cluster in this status can begin. RDS takes one only from `available` and
/// `storage-optimization`.
pub(super) fn readiness(status: &str) -> Readiness {
    match status {
        "available" | "storage-optimization" => Readiness::Ready,
        "stopped" | "deleting" | "deleted" => Readiness::Unfit(status.to_owned()),
        _ if broken(status).is_some() => Readiness::Unfit(status.to_owned()),
        "" => Readiness::Busy("in no status yet".to_owned()),
        _ => Readiness::Busy(status.to_owned()),
    }
}

/// How a snapshot in this status stands.
pub(super) fn of_snapshot(status: &str, percent: Option<i32>) -> SnapshotState {
    match status {
        "available" => SnapshotState::Available,
        "deleting" | "deleted" => SnapshotState::Leaving,
        _ if broken(status).is_some() || status == "error" => SnapshotState::Failed(format!("RDS says {status}")),
        _ => SnapshotState::Pending { percent: percent.and_then(|percent| u8::try_from(percent).ok()) },
    }
}

/// How far a replica's instance or cluster has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It answers.
    Up,
    /// RDS is at work on it.
    AtWork,
    /// It is being removed.
    Leaving,
    /// RDS gave it up.
    Broken(Cause),
}

/// Why RDS gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The snapshot, or the server that was made of it.
    Restore,
    /// What the drill was given: network, parameters, key, room.
    Surroundings,
}

/// How far an instance or cluster in this status has come. While its blocks are still fetched it answers already.
pub(super) fn stage(status: &str) -> Stage {
    match status {
        "available" | "storage-optimization" | "storage-initialization" => Stage::Up,
        "deleting" | "deleted" => Stage::Leaving,
        _ => broken(status).map_or(Stage::AtWork, Stage::Broken),
    }
}

fn broken(status: &str) -> Option<Cause> {
    match status {
        "failed" | "incompatible-restore" | "restore-error" | "migration-failed" | "cloning-failed" => Some(Cause::Restore),
        "storage-full" | "insufficient-capacity" => Some(Cause::Surroundings),
        _ if status.starts_with("incompatible-") || status.starts_with("inaccessible-encryption-credentials") => Some(Cause::Surroundings),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_begins_only_where_rds_takes_one_and_waits_where_it_soon_will() {
        for status in ["available", "storage-optimization"] {
            assert_eq!(readiness(status), Readiness::Ready, "{status}");
        }
        for status in ["backing-up", "modifying", "creating", "rebooting", "maintenance", "upgrading", "failing-over", "what-aws-adds-next"]
        {
            assert_eq!(readiness(status), Readiness::Busy(status.to_owned()));
        }
        for status in [
            "stopped",
            "failed",
            "deleting",
            "storage-full",
            "incompatible-parameters",
            "inaccessible-encryption-credentials",
            "inaccessible-encryption-credentials-recoverable",
        ] {
            assert_eq!(readiness(status), Readiness::Unfit(status.to_owned()));
        }
    }

    #[test]
    fn r08_a_snapshot_that_fails_late_is_seen_as_failed() {
        assert_eq!(of_snapshot("creating", Some(40)), SnapshotState::Pending { percent: Some(40) });
        assert_eq!(of_snapshot("copying", None), SnapshotState::Pending { percent: None });
        assert_eq!(of_snapshot("available", Some(100)), SnapshotState::Available);
        assert_eq!(of_snapshot("deleting", None), SnapshotState::Leaving);
        for status in ["failed", "incompatible-restore", "inaccessible-encryption-credentials"] {
            assert_eq!(of_snapshot(status, None), SnapshotState::Failed(format!("RDS says {status}")));
        }
    }

    #[test]
    fn a_broken_restore_condemns_the_backup_and_broken_surroundings_do_not() {
        assert_eq!(stage("incompatible-restore"), Stage::Broken(Cause::Restore));
        assert_eq!(stage("failed"), Stage::Broken(Cause::Restore));
        for status in ["incompatible-network", "incompatible-parameters", "storage-full", "inaccessible-encryption-credentials"] {
            assert_eq!(stage(status), Stage::Broken(Cause::Surroundings), "{status}");
        }
        for status in ["creating", "backing-up", "modifying", "resetting-master-credentials", "rebooting", ""] {
            assert_eq!(stage(status), Stage::AtWork, "{status}");
        }
        assert_eq!(stage("deleting"), Stage::Leaving);
        assert_eq!(stage("storage-initialization"), Stage::Up);
    }
}
