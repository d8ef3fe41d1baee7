//! What the continuous backups of an instance (point-in-time recovery) can bring back, in its own project and as a new instance.

use super::{
    seen::PORT,
    settings,
    wire::{Instance, Reach},
};
use crate::domain::{
    continuous::{Continuous, Window},
    held::{Held, SnapshotName},
    place::Place,
};

/// What they have to offer; none where that is nothing yet.
pub(super) fn of(place: &Place, instance: &Instance, reach: &Reach) -> Option<Continuous> {
    let window = Window::between(reach.earliest_recovery_time?, reach.latest_recovery_time?)?;
    let held = Held {
        place: place.clone(),
        name: SnapshotName(instance.name.clone()),
        reference: format!("projects/{}/instances/{}", place.bucket(), instance.name),
        engine: settings::engine(&instance.database_version),
        bytes: instance.number("/dataDiskSizeGb").unwrap_or_default() << 30,
        encrypted: true,
        key: instance.key().map(str::to_owned),
        members: Vec::new(),
        settings: settings::of(instance),
    };
    let address = instance.any_address().map(|address| format!("{address}:{PORT}")).unwrap_or_default();
    Some(Continuous { window, held, identity: instance.identity(), address })
}
