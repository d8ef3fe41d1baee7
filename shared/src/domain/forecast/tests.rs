use super::*;
use crate::domain::history::{Copied, PastBackup, PastDrill};

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn ago(days: u64) -> Timestamp {
    before(now(), Duration::from_hours(24 * days))
}

/// A history of daily exports over so many days, whose size `days` ago is `bytes`, with drills that took as long as `seconds`.
fn history(days: u64, bytes: impl Fn(u64) -> u64, drills: &[u64], seconds: impl Fn(u64) -> f64) -> History {
    let backups = (0..days).map(|day| PastBackup {
        data_time: ago(day),
        form: Form::Export,
        bytes: bytes(day),
        took: None,
        standing: Standing::Kept,
        copies: Copied::Unasked,
    });
    let drills = drills.iter().map(|day| PastDrill {
        id: "01KAFYV7R0ENSV9ZHHSMG8BXWQ".parse().unwrap(),
        at: ago(*day),
        verdict: Verdict::Proven,
        what: Drilled::Backup(Form::Export),
        bytes: bytes(*day),
        took: Some(Duration::from_secs_f64(seconds(bytes(*day)))),
    });
    History { backups: backups.collect(), failures: Vec::new(), drills: drills.collect() }.bounded(now())
}

fn of(history: &History, rto: &str) -> Forecast {
    forecast(history, rto.parse().unwrap(), now())
}

const GB: u64 = 1_000_000_000;
const WEEKLY: [u64; 8] = [0, 7, 14, 21, 28, 35, 42, 49];

#[test]
fn the_day_is_where_the_line_of_the_restores_meets_the_target() {
    // 200 GB now and 1 GB more a day; 60 s and 10 s for each GB: 2,060 s now, 3,600 s after 154 days.
    let growing = history(90, |day| (200 - day) * GB, &WEEKLY, |bytes| 60.0 + 10.0 * exact(bytes / GB));
    let forecast = of(&growing, "1h");
    assert_eq!((forecast.outlook, forecast.misses_on.as_deref()), (Outlook::Near, Some("2027-04-23")), "{forecast:?}");
    let said = "growing by 30.0 GB a month, a restore will take longer than 1h from about 2027-04-23 on (about 34m 20s now)";
    assert_eq!(forecast.sentence, said);
    let missed = of(&growing, "30m");
    assert_eq!((missed.outlook, missed.misses_on), (Outlook::Missed, None));
    assert_eq!(of(&growing, "3600d").outlook, Outlook::Far);
}

#[test]
fn one_odd_backup_and_one_odd_drill_move_nothing() {
    let mut growing = history(90, |day| (200 - day) * GB, &WEEKLY, |bytes| 60.0 + 10.0 * exact(bytes / GB));
    growing.backups[40].bytes = 20;
    growing.drills[3].took = Some(Duration::from_hours(20));
    assert_eq!(of(&growing, "1h").misses_on.as_deref(), Some("2027-04-23"));
}

#[test]
fn what_is_not_known_is_said_and_never_guessed() {
    let few = history(90, |day| (200 - day) * GB, &[0, 7], |_| 60.0);
    let said = of(&few, "1h");
    assert_eq!(said.outlook, Outlook::TooFewDrills);
    assert_eq!(said.sentence, "not enough drills to tell when the target will be missed (2 of 3)");
    let mut failed = history(90, |day| (200 - day) * GB, &WEEKLY, |_| 60.0);
    failed.drills.iter_mut().for_each(|drill| drill.verdict = Verdict::Failed);
    assert_eq!(of(&failed, "1h").outlook, Outlook::TooFewDrills, "a drill that failed measured nothing");
    let mut moments = history(90, |day| (200 - day) * GB, &WEEKLY, |_| 60.0);
    moments.drills.iter_mut().for_each(|drill| drill.what = Drilled::Moment);
    assert_eq!(of(&moments, "1h").outlook, Outlook::TooFewDrills);
    let young = history(10, |_| GB, &[0, 1, 2], |_| 60.0);
    assert_eq!(of(&young, "1h").outlook, Outlook::TooFewBackups);
    assert_eq!(of(&History::default(), "1h").outlook, Outlook::TooFewDrills);
}

#[test]
fn data_that_do_not_grow_never_miss_and_one_size_alone_is_taken_to_cost_by_the_byte() {
    let steady = history(90, |_| 100 * GB, &WEEKLY, |_| 1_800.0);
    let said = of(&steady, "1h");
    assert_eq!((said.outlook, said.misses_on), (Outlook::Steady, None));
    assert_eq!(said.sentence, "the data do not grow: a restore stays at about 30m, policy allows 1h");
    let shrinking = history(90, |day| (100 + day) * GB, &WEEKLY, |bytes| 10.0 * exact(bytes / GB));
    assert_eq!(of(&shrinking, "1h").outlook, Outlook::Steady);
    // 100 GB that were always drilled at 1,800 s: at 1 GB a day, all of it taken to grow, 3,600 s are reached after 100 days.
    let mut one_size = history(90, |day| (100 - day) * GB, &[0, 1, 2], |_| 1_800.0);
    one_size.drills.iter_mut().for_each(|drill| drill.bytes = 100 * GB);
    assert_eq!(of(&one_size, "1h").misses_on.as_deref(), Some("2027-02-28"));
}
