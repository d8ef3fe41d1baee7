//! Continuous backups: what keeps them begins with a copy of its data and ships its WAL from then on. A restore to a moment
//! replays that WAL over the copy up to then, by Postgres' own recovery.

use super::{Certificates, Frozen, Socket};
use crate::pg::Cluster;
use lastgood_core::clock::{Timestamp, before};
use std::{sync::Arc, time::Duration};

/// The continuous backups of a server.
#[derive(Debug, Clone)]
pub struct Continuous {
    first: Arc<Frozen>,
    since: Timestamp,
}

impl Continuous {
    /// Begins them, where the server ships its WAL.
    pub async fn begin(server: &Socket, now: Timestamp) -> Option<Self> {
        if !server.ships().await {
            return None;
        }
        Some(Self { first: Arc::new(server.freeze().await), since: now })
    }

    /// The moments that can be restored, where so many days are kept and the cloud lags so far behind.
    pub fn window(&self, days: u64, now: Timestamp, lag: Duration) -> Option<(Timestamp, Timestamp)> {
        let (from, to) = (self.since.max(before(now, Duration::from_hours(24 * days))), before(now, lag));
        (days > 0 && from <= to).then_some((from, to))
    }

    /// Starts a server with the data as they were at a moment of the machine's clock.
    pub async fn replayed(
        &self,
        source: &Socket,
        certificates: &Certificates,
        until: Timestamp,
        besides: &[(&'static str, &str)],
    ) -> Cluster {
        let shipped = source.ship().await;
        certificates.restored_to(&self.first, &shipped, until, besides).await
    }
}
