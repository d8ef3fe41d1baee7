//! Pauses between looks at work that takes minutes.

use crate::clock::Clock;
use std::time::Duration;

/// The first look follows soon, later ones at most this far apart: providers work for minutes, and count calls.
const SOON: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(30);

/// Pauses that grow.
pub(in crate::providers) struct Pauses<'a>(&'a dyn Clock, Duration);

impl<'a> Pauses<'a> {
    pub(in crate::providers) fn new(clock: &'a dyn Clock) -> Self {
        Self(clock, SOON)
    }

    pub(in crate::providers) async fn wait(&mut self) {
        self.0.sleep(self.1).await;
        self.1 = (self.1 * 3 / 2).min(MOST);
    }
}
