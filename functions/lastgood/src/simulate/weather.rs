//! What is wrong at this moment.

use super::fault::{Fault, Kind};
use async_trait::async_trait;
use lastgood_core::{
    clock::{Clock, Timestamp, after, since},
    id::AssetName,
    testing::ManualClock,
};
use std::{sync::Arc, time::Duration};

/// How far a clock that jumped is ahead.
const AHEAD: Duration = Duration::from_hours(3 * 24);

/// The faults, and the time by which they come and go.
#[derive(Debug, Clone)]
pub struct Weather {
    faults: Arc<[Fault]>,
    start: Timestamp,
    clock: ManualClock,
}

impl Weather {
    /// Fair until the first fault.
    pub fn new(faults: &[Fault], clock: ManualClock) -> Self {
        Self { faults: faults.into(), start: clock.now(), clock }
    }

    /// How long it has been going on.
    pub fn elapsed(&self) -> Duration {
        since(self.clock.now(), self.start)
    }

    /// Whether a fault of this kind is on now that concerns everything, or this.
    pub fn is(&self, kind: Kind, about: &str) -> bool {
        let elapsed = self.elapsed();
        let concerns = |fault: &&Fault| fault.about.as_deref().is_none_or(|named| named == about);
        self.faults.iter().filter(concerns).any(|fault| fault.kind == kind && fault.lasts_at(elapsed))
    }

    /// The same for an asset.
    pub fn hits(&self, kind: Kind, asset: &AssetName) -> bool {
        self.is(kind, asset.as_str())
    }

    /// Whether one that concerns everything is on.
    pub fn everywhere(&self, kind: Kind) -> bool {
        self.is(kind, "")
    }

    /// Whether a fault came or went after the one moment and up to the other.
    pub fn turned(&self, from: Timestamp, to: Timestamp) -> bool {
        let between = |at: Duration| {
            let at = after(self.start, at);
            at > from && at <= to
        };
        self.faults.iter().any(|fault| between(fault.from) || fault.until.is_some_and(between))
    }

    /// The clock that the functions go by.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(Skewed(self.clone()))
    }
}

/// A clock that may be ahead of the store's.
#[derive(Debug)]
struct Skewed(Weather);

#[async_trait]
impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        let now = self.0.clock.now();
        if self.0.everywhere(Kind::ClockJumps) { after(now, AHEAD) } else { now }
    }

    async fn sleep(&self, duration: Duration) {
        self.0.clock.sleep(duration).await;
    }
}
