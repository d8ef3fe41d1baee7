//! When something is due: 5-field cron in UTC, and which slot of it is open.

use crate::{
    clock::Timestamp,
    error::{Error, invalid},
};
use croner::{Cron, parser::CronParser};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// A schedule: five cron fields, in UTC, so that no change of clocks skips or doubles it.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule(Parsed);

#[derive(Debug, Clone)]
struct Parsed {
    text: String,
    cron: Cron,
}

impl Schedule {
    /// Returns the schedule as it is written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Returns the newest moment of the schedule at or before `now`.
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let zoned = now.to_zoned(TimeZone::UTC);
        self.0.cron.find_previous_occurrence(&zoned, true).ok().map(|found| found.timestamp())
    }

    /// Returns the first moment of the schedule after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let zoned = now.to_zoned(TimeZone::UTC);
        self.0.cron.find_next_occurrence(&zoned, false).ok().map(|found| found.timestamp())
    }

    /// Returns the longest pause between the moments around `now`: the last few and the next few.
    pub fn interval(&self, now: Timestamp) -> Duration {
        let mut longest = Duration::ZERO;
        let Some(mut at) = self.last(now) else { return longest };
        for _ in 0..32 {
            let Some(next) = self.next(at) else { break };
            longest = longest.max(crate::clock::since(next, at));
            at = next;
        }
        longest
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: String| {
            invalid(format!("{:?} is not a schedule: {why}", crate::redact::clip(text, 60)))
                .hint("write five cron fields in UTC, such as \"0 2 * * *\" for every day at 02:00")
        };
        if text.split_whitespace().count() != 5 {
            return Err(refuse("it has not five fields".to_owned()));
        }
        let cron = CronParser::new().parse(text).map_err(|error| refuse(error.to_string()))?;
        let schedule = Self(Parsed { text: text.to_owned(), cron });
        let probe = Timestamp::from_second(1_767_225_600).unwrap_or_default();
        if schedule.next(probe).is_none() {
            return Err(refuse("it never comes round".to_owned()));
        }
        Ok(schedule)
    }
}

impl TryFrom<String> for Schedule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.0.text
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_open_slot_is_the_last_one() {
        let nightly: Schedule = "0 2 * * *".parse().unwrap();
        assert_eq!(nightly.last(at("2026-11-20T02:00:00Z")), Some(at("2026-11-20T02:00:00Z")));
        assert_eq!(nightly.last(at("2026-11-20T01:59:59Z")), Some(at("2026-11-19T02:00:00Z")));
        assert_eq!(nightly.next(at("2026-11-20T02:00:00Z")), Some(at("2026-11-21T02:00:00Z")));
        assert_eq!(nightly.interval(at("2026-11-20T02:00:00Z")), Duration::from_hours(24));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "daily", "0 2 * *", "0 2 * * * *", "61 2 * * *", "0 2 30 2 *", "@reboot"] {
            assert!(text.parse::<Schedule>().is_err(), "{text:?}");
        }
    }
}
