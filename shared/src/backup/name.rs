//! What a new backup's objects are called, **contract**: `<asset>_<tier>_<YYYYMMDD>_<HHMMSS>.<ext>`.

use crate::{
    clock::Timestamp,
    domain::backup::{Form, Manifest, Tier},
    id::{AssetName, Slot},
};
use jiff::tz::TimeZone;

/// The common beginning of all names of one backup.
pub(super) fn stem(asset: &AssetName, tier: Tier, slot: Slot) -> String {
    format!("{asset}_{}_{}", tier.as_str(), slot.stamp())
}

/// Returns the tier of a backup that is taken at `now`: the first of its form in its month, in its ISO week, or any other.
pub(super) fn tier(earlier: &[Manifest], form: Form, now: Timestamp) -> Tier {
    let month = |at: Timestamp| {
        let date = at.to_zoned(TimeZone::UTC).date();
        (date.year(), date.month())
    };
    let week = |at: Timestamp| {
        let date = at.to_zoned(TimeZone::UTC).date().iso_week_date();
        (date.year(), date.week())
    };
    let of_form = || earlier.iter().filter(|backup| backup.form() == form).map(|backup| backup.data_time);
    if !of_form().any(|at| month(at) == month(now)) {
        Tier::Monthly
    } else if !of_form().any(|at| week(at) == week(now)) {
        Tier::Weekly
    } else {
        Tier::Daily
    }
}
