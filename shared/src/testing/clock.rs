//! A clock that a test turns by hand.

use crate::clock::{Clock, Timestamp, after};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// A clock whose sleepers do not wait: sleeping moves the time on. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: Arc<watch::Sender<Timestamp>>,
    sleepers: Sleepers,
}

#[derive(Debug, Clone, Copy)]
enum Sleepers {
    /// They move the time on by themselves.
    MoveTime,
    /// They wait until somebody else does.
    Wait,
}

impl ManualClock {
    /// Shows `at`; sleeping moves it on.
    pub fn at(at: Timestamp) -> Self {
        Self { time: Arc::new(watch::Sender::new(at)), sleepers: Sleepers::MoveTime }
    }

    /// Returns the same clock for code whose sleeping must wait for [`ManualClock::advance`]: a lease being renewed beside
    /// the work, a timeout.
    #[must_use]
    pub fn held(&self) -> Self {
        Self { time: self.time.clone(), sleepers: Sleepers::Wait }
    }

    /// Moves the time on.
    pub fn advance(&self, duration: Duration) {
        self.time.send_modify(|time| *time = after(*time, duration));
    }

    /// Sets the time, forwards or backwards.
    pub fn set(&self, at: Timestamp) {
        self.time.send_replace(at);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.time.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        match self.sleepers {
            Sleepers::MoveTime => {
                self.advance(duration);
                tokio::task::yield_now().await;
            }
            Sleepers::Wait => {
                let until = after(self.now(), duration);
                // The sender lives in `self`, so this ends only when the time has come.
                let _ = self.time.subscribe().wait_for(|now| *now >= until).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeping_moves_the_time_and_a_held_sleeper_waits_for_it() {
        let clock = ManualClock::at("2026-11-20T02:00:00Z".parse().unwrap());
        let held = clock.held();
        let sleeper = tokio::spawn(async move { held.sleep(Duration::from_mins(1)).await });
        tokio::task::yield_now().await; // it falls asleep now
        clock.sleep(Duration::from_secs(59)).await;
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.sleep(Duration::from_secs(1)).await;
        sleeper.await.unwrap();
        assert_eq!(clock.now().to_string(), "2026-11-20T02:01:00Z");
    }
}
