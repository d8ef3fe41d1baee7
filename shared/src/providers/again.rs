//! How long to wait before something is tried again, and numbers by chance for it.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// What a server may make us wait at most by its `Retry-After`.
#[cfg(any(feature = "gcp", feature = "azure"))]
const LONGEST: Duration = Duration::from_secs(30);

/// A number that no other process is likely to have, for jitter and for telling our own writes from others'.
pub(super) fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Waits before try `number` (from 1): 0.2 s, doubled each time, half of it by chance, so that many do not come at once.
pub(super) async fn pause(number: u32) {
    let most = 200_u64 << number.min(6);
    tokio::time::sleep(Duration::from_millis(most / 2 + chance() % (most / 2))).await;
}

/// Waits as a server asked for by the seconds of its `Retry-After`, within bounds and never less than without it.
#[cfg(any(feature = "gcp", feature = "azure"))]
pub(super) async fn pause_as_told(number: u32, retry_after: Option<u64>) {
    if let Some(seconds) = retry_after {
        let jitter = Duration::from_millis(chance() % 250);
        tokio::time::sleep(Duration::from_secs(seconds).min(LONGEST) + jitter).await;
        if seconds > 0 {
            return;
        }
    }
    pause(number).await;
}

/// A mark that tells a write of ours from any other.
#[cfg(any(feature = "gcp", feature = "azure"))]
pub(super) fn mark() -> String {
    format!("{:016x}{:016x}", chance(), chance())
}
