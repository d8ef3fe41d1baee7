//! On which day a restore will take longer than it may: how long restores took, by size, against how fast the size grows.
//!
//! Promises: it says so when there are too few drills or backups to tell; it never claims a day more than five years ahead;
//! one odd backup or drill moves nothing, since both lines are medians of slopes (Theil and Sen). Where all drills restored
//! about the same size, what is fixed cannot be told from what grows, and all of it is taken to grow: the earlier day.

use super::{
    backup::Form,
    drill::Verdict,
    history::{Drilled, History, Standing},
    span::{Span, human},
};
use crate::clock::{Timestamp, UTC, after, before};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many measured drills of one form there must be.
const DRILLS: usize = 3;
/// How many backups, over how many days, tell a growth.
const BACKUPS: usize = 5;
const DAYS: f64 = 14.0;
/// Growth is taken of this long: what was a year ago says little of next month.
const RECENT: Duration = Duration::from_hours(120 * 24);
/// No day farther ahead is claimed.
const FARTHEST: f64 = 5.0 * 365.0;
const DAY: f64 = 86_400.0;
/// The most points that slopes are taken between.
const MOST: usize = 64;

/// When the time to restore will outgrow its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// What can be said.
    pub outlook: Outlook,
    /// The day on which the target will be missed, `2027-08-14`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misses_on: Option<String>,
    /// The same in a sentence.
    pub sentence: String,
}

/// What can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outlook {
    /// Not enough drills to tell.
    TooFewDrills,
    /// Not enough backups to tell how it grows.
    TooFewBackups,
    /// It is missed already.
    Missed,
    /// It does not grow.
    Steady,
    /// It grows, and the target holds for five years and longer.
    Far,
    /// The target will be missed on a certain day.
    Near,
}

/// Foretells it for one asset.
pub fn forecast(history: &History, rto: Span, now: Timestamp) -> Forecast {
    let say = |outlook, sentence: String| Forecast { outlook, misses_on: None, sentence };
    let form = drilled_most(history);
    let measured = form.map(|form| measured(history, form)).unwrap_or_default();
    if measured.len() < DRILLS {
        let sentence = format!("not enough drills to tell when the target will be missed ({} of {DRILLS})", measured.len());
        return say(Outlook::TooFewDrills, sentence);
    }
    let Some(growth) = form.and_then(|form| growth(history, form, now)) else {
        return say(Outlook::TooFewBackups, "not enough backups to tell how fast it grows".to_owned());
    };
    let target = rto.duration().as_secs_f64();
    let cost = Cost::of(&measured);
    let expected = cost.seconds(growth.bytes);
    let today = human(Duration::from_secs_f64(expected.clamp(0.0, 1e9)));
    if expected > target {
        return say(Outlook::Missed, format!("a restore of what there is now takes about {today}, policy allows {rto}"));
    }
    if growth.per_day <= 0.0 {
        return say(Outlook::Steady, format!("the data do not grow: a restore stays at about {today}, policy allows {rto}"));
    }
    let days = (target - expected) / (cost.per_byte * growth.per_day);
    let monthly = bytes(growth.per_day * 30.0);
    if !days.is_finite() || days > FARTHEST {
        let sentence = format!("growing by {monthly} a month, a restore keeps within {rto} for five years and longer");
        return say(Outlook::Far, sentence);
    }
    let on = after(now, Duration::from_secs_f64(days * DAY)).to_zoned(UTC).date().to_string();
    let sentence = format!("growing by {monthly} a month, a restore will take longer than {rto} from about {on} on (about {today} now)");
    Forecast { outlook: Outlook::Near, misses_on: Some(on), sentence }
}

/// The form whose restores were measured most often, the later one of two that are even.
fn drilled_most(history: &History) -> Option<Form> {
    [Form::Export, Form::Snapshot].into_iter().max_by_key(|form| measured(history, *form).len())
}

/// Size and time of every proven restore of a form.
fn measured(history: &History, form: Form) -> Vec<(f64, f64)> {
    let proven = history.drills.iter().filter(|drill| drill.verdict == Verdict::Proven && drill.what == Drilled::Backup(form));
    let newest = proven.rev().filter_map(|drill| Some((exact(drill.bytes), drill.took?.as_secs_f64())));
    newest.filter(|(size, _)| *size > 0.0).take(MOST).collect()
}

/// How large the data are now, and how fast they grow.
struct Growth {
    bytes: f64,
    per_day: f64,
}

fn growth(history: &History, form: Form, now: Timestamp) -> Option<Growth> {
    let recent = before(now, RECENT);
    let kept = history.backups.iter().filter(|backup| backup.form == form && backup.standing != Standing::Damaged);
    let points: Vec<(f64, f64)> = kept
        .filter(|backup| backup.data_time >= recent && backup.bytes > 0)
        .map(|backup| (crate::clock::since(now, backup.data_time).as_secs_f64() / -DAY, exact(backup.bytes)))
        .collect();
    let length = points.last()?.0 - points.first()?.0;
    if points.len() < BACKUPS || length < DAYS {
        return None;
    }
    let points = thinned(&points);
    let per_day = slope(&points)?;
    let at_present = points.iter().map(|(days, bytes)| bytes - per_day * days).collect();
    Some(Growth { bytes: median(at_present)?.max(0.0), per_day })
}

/// What a restore costs: something fixed, and something for each byte.
struct Cost {
    fixed: f64,
    per_byte: f64,
}

impl Cost {
    fn of(measured: &[(f64, f64)]) -> Self {
        let sizes = || measured.iter().map(|(size, _)| *size);
        let (least, most) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
        let sloped = slope(measured).filter(|per_byte| most > least * 1.1 && *per_byte > 0.0);
        let line = sloped.and_then(|per_byte| {
            let fixed = median(measured.iter().map(|(size, seconds)| seconds - per_byte * size).collect())?;
            (fixed >= 0.0).then_some(Self { fixed, per_byte })
        });
        line.unwrap_or_else(|| Self {
            fixed: 0.0,
            per_byte: median(measured.iter().map(|(size, seconds)| seconds / size).collect()).unwrap_or_default(),
        })
    }

    fn seconds(&self, bytes: f64) -> f64 {
        self.fixed + self.per_byte * bytes
    }
}

/// The median of the slopes between any two points.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let pairs = points.iter().enumerate().flat_map(|(index, a)| points[index + 1..].iter().map(move |b| (a, b)));
    median(pairs.filter(|(a, b)| (b.0 - a.0).abs() > f64::EPSILON).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect())
}

fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().rev().step_by(points.len().div_ceil(MOST)).copied().collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[expect(clippy::cast_precision_loss, reason = "a forecast is not exact to the byte")]
const fn exact(bytes: u64) -> f64 {
    bytes as f64
}

/// Bytes for people.
fn bytes(count: f64) -> String {
    let unit = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)].into_iter().find(|(_, size)| count >= *size);
    unit.map_or_else(|| format!("{count:.0} B"), |(name, size)| format!("{:.1} {name}", count / size))
}

#[cfg(test)]
mod tests;
