//! Daily, weekly and monthly by promotion: a day is stood for by its newest sound backup, a week and a month by their
//! first that succeeded. So a missed 1st does not cost the monthly.

use super::{Held, Soundness, agrees, written};
use crate::{clock::Timestamp, config::Retention, id::BackupId};
use jiff::{civil::Date, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// Returns who stands for what among the backups of one form, with the reason; unsound ones that are too young to go are
/// named as well.
pub(super) fn stand(policy: Retention, held: &[&Held]) -> Vec<(BackupId, String)> {
    let mut standing = Vec::new();
    for agreeing in [true, false] {
        let mut sound: Vec<&Held> = held.iter().copied().filter(|b| b.soundness == Soundness::Sound && agrees(b) == agreeing).collect();
        sound.sort_by_key(|backup| (written(backup), backup.id));
        // Later entries overwrite earlier ones, so walking backwards leaves the first of each week and month.
        let days: BTreeMap<_, _> = sound.iter().map(|backup| (day(backup.data_time), *backup)).collect();
        let weeks: BTreeMap<_, _> = sound.iter().rev().map(|backup| (week(backup.data_time), *backup)).collect();
        let months: BTreeMap<_, _> = sound.iter().rev().map(|backup| (month(backup.data_time), *backup)).collect();
        let daily = days.iter().rev().take(count(policy.daily));
        standing.extend(daily.map(|(day, backup)| (backup.id, format!("day {day}"))));
        let weekly = weeks.iter().rev().take(count(policy.weekly));
        standing.extend(weekly.map(|((year, week), backup)| (backup.id, format!("week {year}-W{week:02}"))));
        let monthly = months.iter().rev().take(count(policy.monthly));
        standing.extend(monthly.map(|((year, month), backup)| (backup.id, format!("month {year}-{month:02}"))));
    }
    standing.extend(quarantined(policy, held));
    standing
}

/// An unsound backup stands for nothing, but is kept as evidence until as many days as the policy keeps have sound ones.
fn quarantined(policy: Retention, held: &[&Held]) -> Vec<(BackupId, String)> {
    let sound: BTreeSet<Date> =
        held.iter().filter(|backup| backup.soundness == Soundness::Sound).map(|backup| day(backup.data_time)).collect();
    let later_days = |backup: &Held| sound.range(day(backup.data_time)..).filter(|later| **later > day(backup.data_time)).count();
    held.iter()
        .filter(|backup| backup.soundness == Soundness::Unsound && later_days(backup) < count(policy.daily).max(1))
        .map(|backup| (backup.id, "not sound: kept as evidence".to_owned()))
        .collect()
}

fn count(asked: u32) -> usize {
    usize::try_from(asked).unwrap_or(usize::MAX)
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn week(at: Timestamp) -> (i16, i8) {
    let week = day(at).iso_week_date();
    (week.year(), week.week())
}

fn month(at: Timestamp) -> (i16, i8) {
    let day = day(at);
    (day.year(), day.month())
}
