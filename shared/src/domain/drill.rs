//! A restore drill as a state machine: restore, check, tear down, always.
//!
//! `next` decides from what was seen and never acts. Its promises: a passed deadline leads to teardown; a replica that
//! vanished is a failed drill; `Finished` follows only an observed absence; nothing but checks can prove a backup.

use super::{backup::Manifest, compare::CheckResult, place::Place, restore_test::RestoreTest};
use crate::{
    clock::Timestamp,
    id::{AssetName, BackupId, Slot},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// The derived name of a replica: `lastgood-drill-<asset>-<slot>`, so that ours are told from a stranger's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaName(pub String);

impl ReplicaName {
    /// The name that the drill of this asset in this slot always has.
    pub fn derive(asset: &AssetName, slot: &Slot) -> Self {
        Self(format!("lastgood-drill-{asset}-{}", slot.to_string().to_ascii_lowercase()))
    }
}

impl fmt::Display for ReplicaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How a drill ends. The third is a state of its own, never rounded to one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The backup was restored, and everything that was recorded of the source was found again.
    Proven,
    /// Whether the backup is good is not known: something else stood in the way.
    CouldNotVerify,
    /// The backup, or what it was restored to, is not what it must be.
    Failed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Proven => "proven",
            Self::CouldNotVerify => "could not verify",
            Self::Failed => "failed",
        })
    }
}

/// A drill. `Finished` is reached only from `TearingDown`, and only once the replica is seen to be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Drill {
    /// A replica is being made and filled. Saved before the first call that costs.
    Restoring {
        /// The replica.
        replica: ReplicaName,
    },
    /// The replica is whole and is being asked its questions.
    Checking {
        /// The replica.
        replica: ReplicaName,
    },
    /// The verdict stands; the replica is being removed.
    TearingDown {
        /// The replica.
        replica: ReplicaName,
        /// The verdict.
        verdict: Verdict,
    },
    /// The replica was seen to be gone.
    Finished {
        /// The verdict.
        verdict: Verdict,
    },
}

/// A drill under way, as its run remembers it: whoever takes it up knows all that the one before knew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenDrill {
    /// Where it stands.
    pub drill: Drill,
    /// The backup that is restored.
    pub backup: BackupId,
    /// The moment that is restored out of the provider's own continuous backups, where it is no backup of ours: with how the
    /// source was when the drill began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_in_time: Option<Box<Manifest>>,
    /// The restore of somebody else's that is tested, where it is no backup of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_test: Option<Box<RestoreTest>>,
    /// The place that it is read from.
    pub from: Place,
    /// How old the newest backup was when the drill began, in seconds, if it is the one that is drilled.
    pub age_seconds: Option<u64>,
    /// When the drill began.
    pub opened_at: Timestamp,
    /// When it is torn down, whatever came of it.
    pub deadline: Timestamp,
    /// When the present attempt at restoring began.
    pub restoring_since: Option<Timestamp>,
    /// When every check had ended.
    pub validated_at: Option<Timestamp>,
    /// What the checks found.
    #[serde(default)]
    pub checks: Vec<CheckResult>,
    /// Why it is not proven.
    pub reason: Option<String>,
    /// The tools that restored it.
    #[serde(default)]
    pub tools: BTreeMap<String, String>,
}

/// What is seen of a drill's replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// There is none.
    Absent,
    /// There is one, but no restore into it has ended well, or it does not answer.
    Unfinished,
    /// There is one that its provider is at work on: it goes on without us, and any invocation may wait for it.
    UnderWay,
    /// There is one, restored whole, and it answers.
    Restored,
}

impl Sighting {
    /// What is seen of a replica that nobody but us works on.
    pub const fn of(restored: bool) -> Self {
        if restored { Self::Restored } else { Self::Unfinished }
    }
}

/// What was seen since the last decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// The replica.
    pub replica: Sighting,
    /// What this invocation's restore or checks came to, once they did.
    pub concluded: Option<Verdict>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the replica and restore into it, or go on waiting for the provider that does.
    Restore,
    /// Remove the half-made replica that a lost invocation left, then restore from zero.
    StartOver,
    /// Compare with the recorded expectations and ask the policy's questions.
    Check,
    /// Remove the replica.
    Remove,
    /// Save this state, then decide again.
    Enter(Drill),
}

impl Drill {
    /// The replica that may exist in this state.
    pub fn replica(&self) -> Option<&ReplicaName> {
        match self {
            Self::Restoring { replica } | Self::Checking { replica } | Self::TearingDown { replica, .. } => Some(replica),
            Self::Finished { .. } => None,
        }
    }
}

/// Decides what a drill does next; none once it is finished.
pub fn next(drill: &Drill, seen: &Observed, now: Timestamp, deadline: Timestamp) -> Option<Step> {
    let late = now >= deadline;
    let tear_down = |replica: &ReplicaName, verdict: Verdict| Some(Step::Enter(Drill::TearingDown { replica: replica.clone(), verdict }));
    match drill {
        Drill::Restoring { replica } => match (seen.concluded, seen.replica) {
            (Some(verdict), _) => tear_down(replica, verdict.max(Verdict::CouldNotVerify)),
            (None, _) if late => tear_down(replica, Verdict::CouldNotVerify),
            (None, Sighting::Absent | Sighting::UnderWay) => Some(Step::Restore),
            (None, Sighting::Unfinished) => Some(Step::StartOver),
            (None, Sighting::Restored) => Some(Step::Enter(Drill::Checking { replica: replica.clone() })),
        },
        Drill::Checking { replica } => match (seen.concluded, seen.replica) {
            (_, Sighting::Absent) => tear_down(replica, Verdict::Failed),
            (Some(verdict), _) => tear_down(replica, verdict),
            (None, _) if late => tear_down(replica, Verdict::CouldNotVerify),
            (None, Sighting::Unfinished) => tear_down(replica, Verdict::CouldNotVerify),
            (None, Sighting::Restored | Sighting::UnderWay) => Some(Step::Check),
        },
        Drill::TearingDown { verdict, .. } => match seen.replica {
            Sighting::Absent => Some(Step::Enter(Drill::Finished { verdict: *verdict })),
            Sighting::Unfinished | Sighting::UnderWay | Sighting::Restored => Some(Step::Remove),
        },
        Drill::Finished { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn replica() -> ReplicaName {
        ReplicaName("lastgood-drill-orders-db-20261120t060000z".to_owned())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(replica: Sighting, concluded: Option<Verdict>) -> Observed {
        Observed { replica, concluded }
    }

    fn verdicts() -> impl Strategy<Value = Verdict> {
        prop_oneof![Just(Verdict::Proven), Just(Verdict::CouldNotVerify), Just(Verdict::Failed)]
    }

    fn drills() -> impl Strategy<Value = Drill> {
        prop_oneof![
            Just(Drill::Restoring { replica: replica() }),
            Just(Drill::Checking { replica: replica() }),
            verdicts().prop_map(|verdict| Drill::TearingDown { replica: replica(), verdict }),
        ]
    }

    fn sightings() -> impl Strategy<Value = Sighting> {
        prop_oneof![Just(Sighting::Absent), Just(Sighting::Unfinished), Just(Sighting::UnderWay), Just(Sighting::Restored)]
    }

    fn anything() -> impl Strategy<Value = Observed> {
        (sightings(), proptest::option::of(verdicts())).prop_map(|(replica, concluded)| Observed { replica, concluded })
    }

    #[test]
    fn names_are_derived_from_asset_and_slot() {
        let slot = Slot("2026-11-20T06:00:00Z".parse().unwrap());
        assert_eq!(ReplicaName::derive(&"orders-db".parse().unwrap(), &slot), replica());
    }

    #[test]
    fn a_good_drill_goes_all_the_way_and_only_checks_prove() {
        let (now, deadline) = (at(0), at(100));
        let mut drill = Drill::Restoring { replica: replica() };
        assert_eq!(next(&drill, &seen(Sighting::Absent, None), now, deadline), Some(Step::Restore));
        for (observed, expected) in [
            (seen(Sighting::Restored, None), Drill::Checking { replica: replica() }),
            (seen(Sighting::Restored, Some(Verdict::Proven)), Drill::TearingDown { replica: replica(), verdict: Verdict::Proven }),
            (seen(Sighting::Absent, None), Drill::Finished { verdict: Verdict::Proven }),
        ] {
            assert_eq!(next(&drill, &observed, now, deadline), Some(Step::Enter(expected.clone())));
            drill = expected;
        }
        assert_eq!(next(&drill, &seen(Sighting::Absent, None), now, deadline), None);
    }

    #[test]
    fn a_restore_alone_never_proves() {
        let step = next(&Drill::Restoring { replica: replica() }, &seen(Sighting::Restored, Some(Verdict::Proven)), at(0), at(1));
        assert_eq!(step, Some(Step::Enter(Drill::TearingDown { replica: replica(), verdict: Verdict::CouldNotVerify })));
    }

    #[test]
    fn what_a_lost_invocation_left_is_started_over_and_a_vanished_replica_is_a_failure() {
        let restoring = Drill::Restoring { replica: replica() };
        assert_eq!(next(&restoring, &seen(Sighting::Unfinished, None), at(0), at(1)), Some(Step::StartOver));
        let checking = Drill::Checking { replica: replica() };
        for concluded in [None, Some(Verdict::Proven)] {
            let step = next(&checking, &seen(Sighting::Absent, concluded), at(0), at(1));
            assert_eq!(step, Some(Step::Enter(Drill::TearingDown { replica: replica(), verdict: Verdict::Failed })));
        }
    }

    proptest! {
        #[test]
        fn a_passed_deadline_leads_to_teardown(drill in drills(), observed in anything(), late in 0..1_000i64) {
            let step = next(&drill, &observed, at(1_000 + late), at(1_000));
            let leads = matches!(step, Some(Step::Remove | Step::Enter(Drill::TearingDown { .. } | Drill::Finished { .. })));
            prop_assert!(leads, "{step:?}");
        }

        #[test]
        fn finished_follows_only_an_observed_absence_in_teardown(drill in drills(), observed in anything(), now in 0..2_000i64) {
            if let Some(Step::Enter(Drill::Finished { verdict })) = next(&drill, &observed, at(now), at(1_000)) {
                prop_assert_eq!(observed.replica, Sighting::Absent);
                prop_assert_eq!(drill, Drill::TearingDown { replica: replica(), verdict });
            }
        }

        #[test]
        fn whatever_is_seen_every_drill_ends_once_its_replica_can_be_removed(
            observations in proptest::collection::vec(anything(), 0..20),
        ) {
            let mut drill = Drill::Restoring { replica: replica() };
            for observed in observations {
                if let Some(Step::Enter(entered)) = next(&drill, &observed, at(0), at(10)) {
                    let jumped = matches!((&drill, &entered), (Drill::Restoring { .. }, Drill::Finished { .. }));
                    prop_assert!(!jumped, "teardown was skipped");
                    drill = entered;
                }
            }
            for _ in 0..3 {
                if let Some(Step::Enter(entered)) = next(&drill, &seen(Sighting::Absent, None), at(11), at(10)) {
                    drill = entered;
                }
            }
            let finished = matches!(drill, Drill::Finished { .. });
            prop_assert!(finished, "{drill:?}");
        }

        #[test]
        fn proven_needs_a_check_that_concluded_so(drill in drills(), observed in anything(), now in 0..2_000i64) {
            if let Some(Step::Enter(Drill::TearingDown { verdict: Verdict::Proven, .. })) = next(&drill, &observed, at(now), at(1_000)) {
                prop_assert_eq!(drill, Drill::Checking { replica: replica() });
                prop_assert_eq!(observed, seen(observed.replica, Some(Verdict::Proven)));
            }
        }
    }
}
