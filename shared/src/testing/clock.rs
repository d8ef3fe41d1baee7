//! A clock that a test turns by hand.

use crate::clock::{Clock, SystemClock, Timestamp, after};
use async_trait::async_trait;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// A clock whose sleepers do not wait: sleeping moves the time on. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: Arc<watch::Sender<Timestamp>>,
    turned: Arc<Mutex<Vec<Turn>>>,
    sleepers: Sleepers,
}

/// When, by the machine's clock, this one was turned, and to what.
#[derive(Debug, Clone, Copy)]
struct Turn {
    at: Timestamp,
    to: Timestamp,
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
        let turned = vec![Turn { at: SystemClock.now(), to: at }];
        Self { time: Arc::new(watch::Sender::new(at)), turned: Arc::new(Mutex::new(turned)), sleepers: Sleepers::MoveTime }
    }

    /// Returns the same clock for code whose sleeping must wait for [`ManualClock::advance`]: a lease being renewed beside
    /// the work, a timeout.
    #[must_use]
    pub fn held(&self) -> Self {
        Self { sleepers: Sleepers::Wait, ..self.clone() }
    }

    /// Moves the time on.
    pub fn advance(&self, duration: Duration) {
        self.turn(|time| after(time, duration));
    }

    /// Sets the time, forwards or backwards.
    pub fn set(&self, at: Timestamp) {
        self.turn(|_| at);
    }

    fn turn(&self, to: impl FnOnce(Timestamp) -> Timestamp) {
        let mut turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        let at = SystemClock.now();
        self.time.send_modify(|time| *time = to(*time));
        turned.push(Turn { at, to: *self.time.borrow() });
    }

    /// When, by the machine's clock, this one went beyond a moment for the last time: whatever the machine dates before that
    /// was done while it showed the moment or an earlier one. None while it has not.
    pub fn went_beyond(&self, moment: Timestamp) -> Option<Timestamp> {
        let turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        let beyond = turned.iter().rev().take_while(|turn| turn.to > moment).last();
        beyond.map(|turn| turn.at)
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

    #[test]
    fn what_was_done_before_it_went_beyond_a_moment_is_known_by_the_machines_clock() {
        let clock = ManualClock::at("2026-11-20T02:00:00Z".parse().unwrap());
        let moment = "2026-11-20T02:30:00Z".parse().unwrap();
        clock.advance(Duration::from_mins(10));
        let before = SystemClock.now();
        assert_eq!(clock.went_beyond(moment), None);
        clock.advance(Duration::from_mins(30));
        let after = SystemClock.now();
        clock.advance(Duration::from_mins(30));
        let beyond = clock.went_beyond(moment).unwrap();
        assert!(before <= beyond && beyond <= after);
    }

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
