//! Time as a parameter: nothing below the hosts reads the machine's clock by itself.

use async_trait::async_trait;
pub use jiff::{Timestamp, tz::TimeZone};
use std::{fmt::Debug, time::Duration};

/// Coordinated universal time: the only zone we think in.
pub const UTC: TimeZone = TimeZone::UTC;

/// Tells the time and lets it pass.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// Returns the present moment.
    fn now(&self) -> Timestamp;
    /// Returns once `duration` has passed on this clock.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Returns `from` − `earlier`, or zero when `earlier` lies in the future.
pub fn since(from: Timestamp, earlier: Timestamp) -> Duration {
    from.duration_since(earlier).try_into().unwrap_or_default()
}

/// Returns `at` + `duration`, held within what a timestamp can say.
pub fn after(at: Timestamp, duration: Duration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// Returns `at` − `duration`, held within what a timestamp can say.
pub fn before(at: Timestamp, duration: Duration) -> Timestamp {
    at.saturating_sub(duration).unwrap_or(Timestamp::MIN)
}

/// Returns a number below `below` that is always the same for a name: what many names wait for does not come due for all at once.
pub fn spread(name: &str, below: u64) -> u64 {
    name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))) % below.max(1)
}
