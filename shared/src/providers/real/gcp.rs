//! What of an invocation is Google's.

use super::{Real, holds_none};
use crate::{
    config::Asset,
    domain::place::Place,
    error::Result,
    ports::{Keys, Snapshots},
};
use std::sync::Arc;

impl Real {
    #[expect(clippy::unused_self, reason = "the first kind of Google's needs the way there")]
    pub(super) fn snapshots_at_google(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        Err(holds_none(asset, at))
    }

    /// Cloud KMS lets its services use a key for us; whether they may shows in what they hold.
    #[expect(clippy::unused_self, reason = "as for the other clouds")]
    pub(super) fn keys_at_google(&self, _: &Place) -> Option<Arc<dyn Keys>> {
        None
    }
}
