//! Which moment of the machine a moment of the test's clock is: real Postgres dates what it does by the machine's.

use lastgood_core::{
    clock::{Clock, SystemClock, Timestamp},
    testing::ManualClock,
};

/// A clock whose moments are known by the machine's clock too.
pub trait Dated: Clock {
    /// The end, by the machine's clock, of the time in which this one showed `moment` or an earlier one; none while that
    /// still goes on.
    fn end_of(&self, moment: Timestamp) -> Option<Timestamp>;
}

impl Dated for ManualClock {
    fn end_of(&self, moment: Timestamp) -> Option<Timestamp> {
        self.went_beyond(moment)
    }
}

impl Dated for SystemClock {
    fn end_of(&self, moment: Timestamp) -> Option<Timestamp> {
        (moment < self.now()).then_some(moment)
    }
}
