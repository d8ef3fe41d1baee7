//! Which backup is meant: by id, by moment, or the newest. Never guessed, never the nearest.

use crate::Restore;
use jiff::fmt::temporal::DateTimeParser;
use lastgood_core::{
    clock::Timestamp,
    domain::backup::Manifest,
    error::{Result, invalid, not_found},
};

/// Chooses among the backups that fit the target.
pub fn choose<'a>(backups: &'a [Manifest], asked: &Restore, now: Timestamp) -> Result<&'a Manifest> {
    let newest = backups.iter().max_by_key(|backup| (backup.data_time, backup.id));
    let oldest = backups.iter().min_by_key(|backup| (backup.data_time, backup.id));
    let (Some(newest), Some(oldest)) = (newest, oldest) else {
        return Err(not_found(format!("there is no backup of {} that could be restored there", asked.asset))
            .hint("an export goes into a database, a base backup into a folder"));
    };
    // Rounded inwards: a moment that is offered must be one that there is.
    let (first, last) = (whole(oldest.data_time, jiff::RoundMode::Ceil), whole(newest.data_time, jiff::RoundMode::Ceil));
    let window = || format!("restorable moments lie from {first} to {last}");
    match (&asked.backup, &asked.at, asked.latest) {
        (Some(id), None, false) => backups.iter().find(|backup| backup.id == *id).ok_or_else(|| {
            not_found(format!("backup {id} is not among those that could be restored there"))
                .hint(format!("`lastgood list {}` shows what there is", asked.asset))
        }),
        (None, Some(at), false) => {
            let at = moment(at).map_err(|error| {
                let advice = error.advice().unwrap_or_default().to_owned();
                error.hint(format!("{advice}; {}", window()))
            })?;
            if at > now {
                return Err(invalid(format!("{at} lies in the future")).hint(window()));
            }
            let fits = backups.iter().filter(|backup| backup.data_time <= at).max_by_key(|backup| (backup.data_time, backup.id));
            fits.ok_or_else(|| not_found(format!("no backup is as old as {at}")).hint(window()))
        }
        (None, None, true) => Ok(newest),
        (None, None, false) | (Some(_), ..) | (None, Some(_), true) => {
            Err(invalid("a restore needs one of --backup, --at and --latest").hint(window()))
        }
    }
}

fn whole(at: Timestamp, mode: jiff::RoundMode) -> Timestamp {
    at.round(jiff::TimestampRound::new().smallest(jiff::Unit::Second).mode(mode)).unwrap_or(at)
}

/// Reads a moment with its offset: without one, it could be any of a day's.
fn moment(text: &str) -> Result<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_timestamp(text.trim()).map_err(|_| {
        invalid(format!("{:?} is not a moment", lastgood_core::redact::clip(text, 40)))
            .hint("write RFC 3339 with an offset, such as 2026-11-20T02:00:00Z or 2026-11-20T03:00:00+01:00")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastgood_core::{
        domain::backup::{Expectations, Method, Origin, Tier},
        error::Kind,
        id::{BackupId, Slot},
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn backup(time: &str) -> Manifest {
        let slot = Slot(at(time));
        Manifest {
            id: BackupId::derive("export-to-bucket", &"shop".parse().unwrap(), &slot),
            asset: "shop".parse().unwrap(),
            method: Method::PgDumpCustom,
            tier: Tier::Daily,
            slot,
            data_time: at(time),
            started_at: at(time),
            finished_at: at(time),
            source: Origin::default(),
            artifacts: Vec::new(),
            held: None,
            expectations: Expectations::default(),
            tools: std::collections::BTreeMap::new(),
        }
    }

    fn asked(at: Option<&str>, latest: bool) -> Restore {
        Restore {
            asset: "shop".parse().unwrap(),
            backup: None,
            at: at.map(str::to_owned),
            latest,
            into: "env:X".parse().unwrap(),
            from: None,
            apply: false,
            confirm: None,
        }
    }

    #[test]
    fn r21_a_moment_outside_the_window_in_the_future_or_without_an_offset_is_refused_with_the_window() {
        let backups = [backup("2026-11-20T02:00:00Z"), backup("2026-11-18T02:00:00Z"), backup("2026-11-19T02:00:00Z")];
        let now = at("2026-11-20T12:00:00Z");
        let chosen = |moment: &str| choose(&backups, &asked(Some(moment), false), now).map(|backup| backup.data_time);
        assert_eq!(chosen("2026-11-19T12:00:00Z").unwrap(), at("2026-11-19T02:00:00Z"));
        assert_eq!(chosen("2026-11-19T03:00:00+01:00").unwrap(), at("2026-11-19T02:00:00Z"), "a moment includes its own backup");
        assert_eq!(chosen("2026-11-18T01:59:59Z").unwrap_err().kind(), Kind::NotFound, "missing, and no misuse");
        for bad in ["2026-11-18T01:59:59Z", "2026-11-20T12:00:01Z", "2026-11-19T12:00:00", "2026-11-19", "yesterday", ""] {
            let error = chosen(bad).unwrap_err();
            assert!(matches!(error.kind(), Kind::Invalid | Kind::NotFound), "{bad}");
            assert!(error.advice().unwrap().contains("from 2026-11-18T02:00:00Z to 2026-11-20T02:00:00Z"), "{bad}: {:?}", error.advice());
        }
        assert_eq!(choose(&backups, &asked(None, true), now).unwrap().data_time, at("2026-11-20T02:00:00Z"));
        assert_eq!(choose(&backups, &asked(None, false), now).unwrap_err().kind(), Kind::Invalid);
        assert_eq!(choose(&[], &asked(None, true), now).unwrap_err().kind(), Kind::NotFound);
    }

    #[test]
    fn r46_an_event_can_neither_apply_nor_confirm_nor_carry_an_address() {
        let read = serde_json::from_str::<Restore>;
        let planned = read(r#"{"asset": "shop", "latest": true, "into": "env:TARGET"}"#).unwrap();
        assert!(!planned.apply && planned.confirm.is_none());
        for event in [
            r#"{"asset": "shop", "latest": true, "into": "env:TARGET", "apply": true}"#,
            r#"{"asset": "shop", "latest": true, "into": "env:TARGET", "confirm": "shop"}"#,
            r#"{"asset": "shop", "latest": true, "into": "postgres://evil/x"}"#,
            r#"{"asset": "shop", "latest": true, "into": "file:///etc"}"#,
        ] {
            assert!(read(event).is_err(), "{event}");
        }
    }
}
