//! A history day by day: what was good, what was not, and of which day nothing is recorded. Days are UTC's.

use super::{Copied, History, Standing};
use crate::{
    clock::Timestamp,
    domain::{backup::Form, drill::Verdict},
};

/// How many days a timeline shows, today the last of them.
pub const DAYS: usize = 90;
const DAY: i64 = 86_400;

/// What is recorded of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Day {
    /// Nothing.
    #[default]
    Nothing,
    /// All went well.
    Good,
    /// It is under way, or could not be verified.
    Open,
    /// Something failed, is damaged, or is missing.
    Bad,
}

/// The last days of one asset, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Whether there is a backup of the day.
    pub backups: [Day; DAYS],
    /// Whether the backups of the day are where else the policy wants them.
    pub copies: [Day; DAYS],
    /// How the drills of the day ended.
    pub drills: [Day; DAYS],
}

impl History {
    /// Returns the last days.
    pub fn timeline(&self, now: Timestamp) -> Timeline {
        let index = |at: Timestamp| {
            let back = now.as_second().div_euclid(DAY) - at.as_second().div_euclid(DAY);
            usize::try_from(back).ok().and_then(|back| (DAYS - 1).checked_sub(back))
        };
        let mut timeline = Timeline { backups: [Day::Nothing; DAYS], copies: [Day::Nothing; DAYS], drills: [Day::Nothing; DAYS] };
        for form in [Form::Export, Form::Snapshot] {
            let mut of_form = [Day::Nothing; DAYS];
            for (at, _) in self.failures.iter().filter(|(_, failed)| *failed == form) {
                if let Some(day) = index(*at) {
                    of_form[day] = Day::Bad;
                }
            }
            // A later attempt that succeeded makes up for the one that failed.
            for backup in self.backups.iter().filter(|backup| backup.form == form) {
                if let Some(day) = index(backup.data_time) {
                    of_form[day] = match backup.standing {
                        Standing::Kept | Standing::LetGo => Day::Good,
                        Standing::Damaged => Day::Bad,
                    };
                }
            }
            worst(&mut timeline.backups, &of_form);
        }
        for backup in &self.backups {
            if let Some(day) = index(backup.data_time) {
                timeline.copies[day] = timeline.copies[day].max(match backup.copies {
                    Copied::Unasked => Day::Nothing,
                    Copied::Everywhere => Day::Good,
                    Copied::UnderWay => Day::Open,
                    Copied::Missing => Day::Bad,
                });
            }
        }
        for drill in &self.drills {
            if let Some(day) = index(drill.at) {
                timeline.drills[day] = timeline.drills[day].max(match drill.verdict {
                    Verdict::Proven => Day::Good,
                    Verdict::CouldNotVerify => Day::Open,
                    Verdict::Failed => Day::Bad,
                });
            }
        }
        timeline
    }
}

fn worst(days: &mut [Day; DAYS], others: &[Day; DAYS]) {
    days.iter_mut().zip(others).for_each(|(day, other)| *day = (*day).max(*other));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::history::{Drilled, PastBackup, PastDrill};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn backup(data_time: &str, form: Form, standing: Standing, copies: Copied) -> PastBackup {
        PastBackup { data_time: at(data_time), form, bytes: 1, took: None, standing, copies }
    }

    #[test]
    fn a_day_is_as_good_as_the_worst_of_its_forms_and_nothing_is_filled_in() {
        let history = History {
            backups: vec![
                backup("2026-08-22T23:59:59Z", Form::Export, Standing::Kept, Copied::Everywhere),
                backup("2026-08-23T00:00:00Z", Form::Export, Standing::LetGo, Copied::Unasked),
                backup("2026-11-17T02:00:00Z", Form::Export, Standing::Kept, Copied::Missing),
                backup("2026-11-18T02:00:00Z", Form::Export, Standing::Kept, Copied::Everywhere),
                backup("2026-11-19T05:00:00Z", Form::Export, Standing::Kept, Copied::Everywhere),
                backup("2026-11-20T02:00:00Z", Form::Export, Standing::Damaged, Copied::UnderWay),
            ],
            failures: vec![
                (at("2026-11-16T02:00:00Z"), Form::Export),
                (at("2026-11-18T03:00:00Z"), Form::Snapshot),
                (at("2026-11-19T02:00:00Z"), Form::Export),
            ],
            drills: [("2026-11-19T06:00:00Z", Verdict::CouldNotVerify), ("2026-11-19T08:00:00Z", Verdict::Proven)]
                .map(|(time, verdict)| PastDrill {
                    id: "01KAFYV7R0ENSV9ZHHSMG8BXWQ".parse().unwrap(),
                    at: at(time),
                    verdict,
                    what: Drilled::Nothing,
                    bytes: 0,
                    took: None,
                })
                .into(),
        };
        let line = history.timeline(at("2026-11-20T12:00:00Z"));
        assert_eq!(line.backups[0], Day::Good, "what was let go was a backup; the day before it is not shown");
        assert_eq!(line.backups[85..], [Day::Bad, Day::Good, Day::Bad, Day::Good, Day::Bad]);
        assert!(line.backups[1..85].iter().all(|day| *day == Day::Nothing));
        assert_eq!(line.copies[85..], [Day::Nothing, Day::Bad, Day::Good, Day::Good, Day::Open]);
        assert_eq!(line.copies[0], Day::Nothing, "whether what is gone was copied is not known");
        assert_eq!(line.drills[87..], [Day::Nothing, Day::Open, Day::Nothing]);
    }
}
