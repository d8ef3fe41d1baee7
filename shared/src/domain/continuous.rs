//! A provider's own continuous backups of an asset: every moment within a window can be brought back, at its home alone.
//!
//! No manifest of ours lies in any vault for them. A restore is handed one that is made on the spot, whose method says what
//! it is: it is never recorded, and proves no snapshot.

use super::{
    backup::{Expectations, Manifest, Method, Origin, Tier},
    held::Held,
};
use crate::{
    clock::Timestamp,
    id::{AssetName, BackupId, Slot},
};
use jiff::{RoundMode, TimestampRound, Unit};
use std::{collections::BTreeMap, fmt};

/// What ids of moments are derived from, beside asset and moment.
const NAME: &str = "point-in-time";

/// The moments that can be brought back, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The earliest.
    pub from: Timestamp,
    /// The latest: minutes behind the present.
    pub to: Timestamp,
}

impl Window {
    /// A window in whole seconds, rounded inwards: a moment that is offered must be one that there is. None where it is empty.
    pub fn between(from: Timestamp, to: Timestamp) -> Option<Self> {
        let whole = |at: Timestamp, mode| at.round(TimestampRound::new().smallest(Unit::Second).mode(mode)).unwrap_or(at);
        let (from, to) = (whole(from, RoundMode::Ceil), whole(to, RoundMode::Floor));
        (from <= to).then_some(Self { from, to })
    }

    /// Whether a moment lies in it.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }

    /// A moment, or the latest where it lies beyond that; none where it lies before the earliest.
    pub fn clip(&self, at: Timestamp) -> Option<Timestamp> {
        let clipped = at.min(self.to);
        self.covers(clipped).then_some(clipped)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {}", self.from, self.to)
    }
}

/// The continuous backups of an asset, as their provider describes them and the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuous {
    /// The moments that can be brought back.
    pub window: Window,
    /// What holds them: the source's place, name and full name, and how it is set up now.
    pub held: Held,
    /// The provider's lasting name of the source.
    pub identity: String,
    /// The source's address.
    pub address: String,
}

impl Continuous {
    /// What a restore to a moment is handed. The same moment always has the same id.
    pub fn at(&self, asset: &AssetName, moment: Timestamp) -> Manifest {
        let slot = Slot::at(moment);
        let origin = Origin {
            server: self.held.engine.clone(),
            system_identifier: Some(self.identity.clone()),
            address: self.address.clone(),
            ..Origin::default()
        };
        Manifest {
            id: BackupId::derive(NAME, asset, &slot),
            asset: asset.clone(),
            method: Method::PointInTime,
            tier: Tier::Daily,
            slot,
            data_time: slot.0,
            started_at: slot.0,
            finished_at: slot.0,
            source: origin,
            artifacts: Vec::new(),
            held: Some(self.held.clone()),
            expectations: Expectations::default(),
            tools: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::held::SnapshotName;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn r21_a_window_offers_only_moments_that_there_are() {
        let window = Window::between(at("2026-11-18T02:00:00.2Z"), at("2026-11-20T11:57:00.9Z")).unwrap();
        assert_eq!(window.to_string(), "from 2026-11-18T02:00:01Z to 2026-11-20T11:57:00Z");
        assert!(window.covers(window.from) && window.covers(window.to));
        assert!(!window.covers(at("2026-11-18T02:00:00Z")) && !window.covers(at("2026-11-20T11:57:01Z")));
        assert_eq!(window.clip(at("2026-11-20T11:59:00Z")), Some(window.to));
        assert_eq!(window.clip(at("2026-11-19T00:00:00Z")), Some(at("2026-11-19T00:00:00Z")));
        assert_eq!(window.clip(at("2026-11-17T00:00:00Z")), None);
        assert_eq!(Window::between(window.to, window.from), None, "the first backup is not there yet");
    }

    #[test]
    fn the_same_moment_always_has_the_same_id_and_another_one_another() {
        let continuous = Continuous {
            window: Window::between(at("2026-11-18T02:00:00Z"), at("2026-11-20T11:57:00Z")).unwrap(),
            held: Held {
                place: "aws://eu-west-1".parse().unwrap(),
                name: SnapshotName("orders-prod".into()),
                reference: "arn:aws:rds:eu-west-1:111122223333:db:orders-prod".into(),
                engine: "postgres 15.18".into(),
                bytes: 20 << 30,
                encrypted: true,
                key: None,
                members: Vec::new(),
                settings: BTreeMap::new(),
            },
            identity: "db-ABC".into(),
            address: "orders:5432".into(),
        };
        let of = |moment: &str| continuous.at(&"orders".parse().unwrap(), at(moment));
        assert_eq!(of("2026-11-19T12:00:00.9Z"), of("2026-11-19T12:00:00Z"), "a provider counts in seconds");
        assert_ne!(of("2026-11-19T12:00:01Z").id, of("2026-11-19T12:00:00Z").id);
        assert_eq!(
            (of("2026-11-19T12:00:00Z").data_time, of("2026-11-19T12:00:00Z").method),
            (at("2026-11-19T12:00:00Z"), Method::PointInTime)
        );
    }
}
