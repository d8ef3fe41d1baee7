//! The real adapters against managed databases that are slow, strict and moody: one text, told of every cloud. Real Postgres
//! stands behind each, so that what is proven is proven by restored rows.

mod drills;
mod moments;
mod nights;
mod rights;
mod strangers;

use lastgood_core::{
    env::Env,
    error::Kind,
    function::{Function, Outcome},
};
use lastgood_tests::managed::Managed;
use restore_drill::{DrillReport, RestoreDrill};
use snapshot_trigger::{SnapshotReport, SnapshotTrigger};
use std::time::Duration;

/// Longer than a lease: whoever died is known to be dead.
pub const A_WHILE: Duration = Duration::from_mins(5);

pub async fn snapshot(env: &Env) -> SnapshotReport {
    SnapshotTrigger::default().run(env).await.unwrap()
}

pub async fn drill(env: &Env) -> DrillReport {
    let asset = env.config.assets.keys().next().cloned();
    RestoreDrill { asset, now: true, ..RestoreDrill::default() }.run(env).await.unwrap()
}

pub fn failed<T: std::fmt::Debug>(outcome: &Outcome<T>) -> (Kind, &str, &str) {
    match outcome {
        Outcome::Failed { kind, reason, hint } => (*kind, reason, hint.as_deref().unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

pub fn done<T: std::fmt::Debug>(outcome: &Outcome<T>) -> &T {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("{other:?}"),
    }
}

/// A night that nobody disturbs.
pub async fn quiet_night(estate: &impl Managed) {
    let tonight = estate.tonight().0;
    done(&snapshot(estate.env()).await.entries[0].outcome);
    let copied = estate.copy().await;
    assert!(estate.has(&tonight).await, "{copied}");
}

/// Wakes the snapshot's function up a few times, a while apart, until it is done.
pub async fn woken_until_done(estate: &impl Managed) -> SnapshotReport {
    let mut report = snapshot(estate.env()).await;
    for _ in 0..4 {
        if matches!(report.entries[0].outcome, Outcome::Done(_) | Outcome::NotDue { .. }) {
            break;
        }
        estate.passes(A_WHILE);
        report = snapshot(estate.env()).await;
    }
    report
}

/// Wakes the drill's function up a few times, a while apart, until nothing but production runs.
pub async fn swept(estate: &impl Managed, moment: &str) {
    for _ in 0..4 {
        if estate.instances().await == [estate.production()] {
            return;
        }
        estate.passes(A_WHILE);
        RestoreDrill::default().run(&estate.another("janitor")).await.unwrap();
    }
    assert_eq!(estate.instances().await, [estate.production()], "{moment}: I7");
}
