//! When an expression of EventBridge Scheduler fires, as its documentation has it: six fields, Sunday is 1.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// An expression: `cron(0 2 ? * 2,3 *)`.
#[derive(Debug)]
pub struct Expression {
    minutes: Vec<i8>,
    hours: Vec<i8>,
    day: String,
    months: Vec<i8>,
    weekday: String,
}

impl Expression {
    pub fn parse(text: &str) -> Self {
        let inside = text.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')')).unwrap_or_else(|| panic!("{text}"));
        let fields: Vec<_> = inside.split(' ').collect();
        let [minutes, hours, day, months, weekday, "*"] = fields[..] else { panic!("{text} has not six fields") };
        assert!((day == "?") != (weekday == "?"), "{text}: one of the two kinds of day is `?`, and one is not");
        Self {
            minutes: numbers(minutes, 0, 59),
            hours: numbers(hours, 0, 23),
            day: day.to_owned(),
            months: numbers(months, 1, 12),
            weekday: weekday.to_owned(),
        }
    }

    /// The moments of one day.
    pub fn of_day(&self, date: Date) -> Vec<Timestamp> {
        if !self.months.contains(&date.month()) || !self.day_fits(date) || !self.weekday_fits(date) {
            return Vec::new();
        }
        let at = |hour, minute| date.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
        self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| at(*hour, *minute))).collect()
    }

    fn day_fits(&self, date: Date) -> bool {
        match self.day.as_str() {
            "?" | "*" => true,
            "L" => date.day() == date.days_in_month(),
            text if text.ends_with('W') => nearest(date, text.trim_end_matches('W').parse().unwrap()) == Some(date.day()),
            text => numbers(text, 1, 31).contains(&date.day()),
        }
    }

    fn weekday_fits(&self, date: Date) -> bool {
        let today = date.weekday().to_sunday_one_offset();
        match self.weekday.as_str() {
            "?" | "*" => true,
            text if text.ends_with('L') => text.trim_end_matches('L').parse() == Ok(today) && date.day() + 7 > date.days_in_month(),
            text => match text.split_once('#') {
                Some((weekday, nth)) => weekday.parse() == Ok(today) && nth.parse() == Ok((date.day() - 1) / 7 + 1),
                None => numbers(text, 1, 7).contains(&today),
            },
        }
    }
}

fn numbers(text: &str, least: i8, most: i8) -> Vec<i8> {
    if text == "*" {
        return (least..=most).collect();
    }
    let numbers: Vec<i8> =
        text.split(',').map(|number| number.parse().unwrap_or_else(|_| panic!("{text} is no list of numbers"))).collect();
    assert!(numbers.iter().all(|number| (least..=most).contains(number)), "{text}: not within {least} to {most}");
    assert!(numbers.is_sorted_by(|a, b| a < b), "{text}: not in order");
    numbers
}

/// The working day nearest to a day of a month, in that month.
fn nearest(date: Date, day: i8) -> Option<i8> {
    if day > date.days_in_month() {
        return None;
    }
    let on = date.with().day(day).build().unwrap();
    Some(match on.weekday().to_monday_one_offset() {
        6 if day == 1 => day + 2,
        6 => day - 1,
        7 if day == date.days_in_month() => day - 2,
        7 => day + 1,
        _ => day,
    })
}
