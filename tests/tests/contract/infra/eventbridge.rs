//! When an expression of `EventBridge` Scheduler fires, as its documentation has it (six fields, Sunday is 1), held against
//! when our own schedules are due.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use lastgood_core::domain::due::Schedule;
use lastgood_tests::terraform::Terraform;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An expression: `cron(0 2 ? * 2,3 *)`.
#[derive(Debug)]
struct Expression {
    minutes: Vec<i8>,
    hours: Vec<i8>,
    day: String,
    months: Vec<i8>,
    weekday: String,
}

impl Expression {
    fn parse(text: &str) -> Self {
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
    fn of_day(&self, date: Date) -> Vec<Timestamp> {
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

/// A field of a schedule, as people write them.
fn field(chance: &mut StdRng, least: u8, most: u8) -> String {
    let one = |chance: &mut StdRng| chance.random_range(least..=most);
    match chance.random_range(0..8) {
        0..=2 => "*".to_owned(),
        3 => format!("*/{}", chance.random_range(1..=most)),
        4 => one(chance).to_string(),
        5 => {
            let (a, b) = (one(chance), one(chance));
            format!("{}-{}", a.min(b), a.max(b))
        }
        6 => {
            let (a, b) = (one(chance), one(chance));
            format!("{}-{}/{}", a.min(b), a.max(b), chance.random_range(1..=7))
        }
        _ => (0..3).map(|_| one(chance).to_string()).collect::<Vec<_>>().join(","),
    }
}

#[test]
fn eventbridge_fires_exactly_when_our_schedules_do() {
    let Some(terraform) = Terraform::ready("eventbridge_fires_exactly_when_our_schedules_do") else { return };
    let mut chance = StdRng::seed_from_u64(20_261_120);
    let special =
        ["0 4 L * *", "0 4 15W * *", "0 4 1W * *", "0 4 31W * *", "0 4 * * 2#2", "0 4 * * 0L", "0 4 * * 7#1", "5 4 * JAN,jul sun-tue"];
    let mut schedules: Vec<String> = special.map(str::to_owned).into();
    while schedules.len() < 250 {
        let minute = *["0", "30", "7,37", "*/20"].choose(&mut chance).unwrap();
        let (hour, day) = (field(&mut chance, 0, 23), field(&mut chance, 1, 31));
        let (month, weekday) = (field(&mut chance, 1, 12), field(&mut chance, 0, 7));
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        if text.parse::<Schedule>().is_ok() {
            schedules.push(text);
        }
    }
    let named: serde_json::Map<_, _> = schedules.iter().enumerate().map(|(n, text)| (format!("s{n}"), text.as_str().into())).collect();
    std::fs::write(terraform.folder("cron/terraform.tfvars.json"), json!({ "schedules": named }).to_string()).unwrap();
    terraform.begin("cron");
    terraform.done("cron", &["apply", "-auto-approve", "-no-color", "-input=false"]);
    let told: Value = serde_json::from_str(&terraform.done("cron", &["output", "-json", "expressions"])).unwrap();

    let from: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let first = from.to_zoned(jiff::tz::TimeZone::UTC).date();
    for (n, text) in schedules.iter().enumerate() {
        let expressions = told[format!("s{n}")].as_array().unwrap();
        let expressions: Vec<_> = expressions.iter().map(|text| Expression::parse(text.as_str().unwrap())).collect();
        let mut fires: BTreeSet<Timestamp> = BTreeSet::new();
        let mut day = first;
        // Two years hold every combination but leap days; a few dozen moments of a frequent schedule are enough.
        while fires.len() < 400 && day < first.saturating_add(jiff::Span::new().days(731)) {
            fires.extend(expressions.iter().flat_map(|expression| expression.of_day(day)));
            day = day.tomorrow().unwrap();
        }
        let end = day.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        let schedule: Schedule = text.parse().unwrap();
        let mut at = lastgood_core::clock::before(from, std::time::Duration::from_secs(1));
        let mut due = BTreeSet::new();
        while let Some(next) = schedule.next(at).filter(|next| *next < end) {
            due.insert(next);
            at = next;
        }
        assert_eq!(fires, due, "{text} became {:?}", told[format!("s{n}")]);
    }
}
