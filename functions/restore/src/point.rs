//! What is meant: a backup by id, a moment, or the newest. Never guessed, never the nearest, never something newer.

use crate::Restore;
use jiff::fmt::temporal::DateTimeParser;
use lastgood_core::{
    clock::{Timestamp, since},
    domain::{backup::Manifest, continuous::Continuous, span::human},
    error::{Result, invalid, not_found},
    id::AssetName,
};

/// What the provider's own continuous backups of the asset have to offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// They are no matter of this restore.
    NoMatter,
    /// Every moment of their window.
    Window(Box<Continuous>),
    /// Nothing: why.
    Nothing(String),
}

/// What is restored, and for people why it is that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The backup, or the moment as one.
    pub backup: Manifest,
    /// How it lies to the moment that was asked for.
    pub why: Option<String>,
}

/// Chooses among the backups that fit the target, and the moments that their provider can bring back: the very moment that
/// is asked for where one of those is it, else the newest backup before it.
pub fn choose(backups: &[Manifest], reach: &Reach, asked: &Restore, now: Timestamp) -> Result<Chosen> {
    let newest = backups.iter().max_by_key(|backup| (backup.data_time, backup.id));
    let window = || offered(backups, reach);
    let plain = |backup: &Manifest| Chosen { backup: backup.clone(), why: None };
    if newest.is_none() && !(asked.at.is_some() && matches!(reach, Reach::Window(_))) {
        let why = match reach {
            Reach::Nothing(why) => format!("; {why}"),
            Reach::NoMatter | Reach::Window(_) => String::new(),
        };
        return Err(not_found(format!("there is no backup of {} that could be restored there{why}", asked.asset))
            .hint(format!("`lastgood list {}` shows what there is; databases take exports, folders base backups", asked.asset)));
    }
    match (&asked.backup, &asked.at, asked.latest) {
        (Some(id), None, false) => backups.iter().find(|backup| backup.id == *id).map(plain).ok_or_else(|| {
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
            at_moment(backups, reach, &asked.asset, at).map_err(|error| match error.advice().map(str::to_owned) {
                Some(advice) => error.hint(format!("{advice}; {}", window())),
                None => error.hint(window()),
            })
        }
        (None, None, true) => newest.map(plain).ok_or_else(|| not_found("there is no backup")),
        (None, None, false) | (Some(_), ..) | (None, Some(_), true) => {
            Err(invalid("a restore needs one of --backup, --at and --latest").hint(window()))
        }
    }
}

/// The moment itself, or the newest backup before it.
fn at_moment(backups: &[Manifest], reach: &Reach, asset: &AssetName, at: Timestamp) -> Result<Chosen> {
    let before = backups.iter().filter(|backup| backup.data_time <= at).max_by_key(|backup| (backup.data_time, backup.id));
    let backup = |backup: &Manifest, more: &str| {
        let behind = human(since(at, backup.data_time));
        let why = format!("the newest backup that is not newer than {at}: its data are of {}, {behind} before{more}", backup.data_time);
        Chosen { backup: backup.clone(), why: Some(why) }
    };
    let missing = || not_found(format!("nothing that could be restored is as old as {at}"));
    match reach {
        Reach::NoMatter => before.map(|found| backup(found, "")).ok_or_else(missing),
        Reach::Nothing(why) => before.map(|found| backup(found, &format!("; {why}"))).ok_or_else(missing),
        Reach::Window(continuous) => {
            let window = continuous.window;
            let of_it = continuous.at(asset, at);
            if window.covers(of_it.data_time) {
                let why = format!("exactly {}: the provider's own continuous backups reach {window}", of_it.data_time);
                return Ok(Chosen { backup: of_it, why: Some(why) });
            }
            let more = format!("; the provider's own continuous backups reach {window} only");
            match before {
                // Minutes from now they reach there: an older backup instead would lose what lies between.
                found if at > window.to && found.is_none_or(|found| found.data_time < window.to) => {
                    Err(invalid(format!("{at} cannot be restored yet: the provider's continuous backups reach to {} by now", window.to))
                        .hint(format!("ask for --at {}, or again in some minutes; --backup restores an older backup", window.to)))
                }
                found => found.map(|found| backup(found, &more)).ok_or_else(missing),
            }
        }
    }
}

/// The moments that could be asked for, for people. Rounded inwards: a moment that is offered must be one that there is.
fn offered(backups: &[Manifest], reach: &Reach) -> String {
    let ceil = |at| whole(at, jiff::RoundMode::Ceil);
    let first = backups.iter().map(|backup| backup.data_time).min().map(ceil);
    let last = backups.iter().map(|backup| backup.data_time).max().map(ceil);
    let kept = first.zip(last).map(|(first, last)| format!("restorable moments lie from {first} to {last}"));
    let exact = match reach {
        Reach::Window(continuous) => Some(format!("any moment can be restored exactly {}", continuous.window)),
        Reach::NoMatter | Reach::Nothing(_) => None,
    };
    kept.into_iter().chain(exact).collect::<Vec<_>>().join("; ")
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
        domain::{
            backup::{Expectations, Method, Origin, Tier},
            continuous::Window,
            held::{Held, SnapshotName},
        },
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
            recall: lastgood_core::domain::archive::Haste::default(),
            apply: false,
            confirm: None,
        }
    }

    #[test]
    fn r21_a_moment_outside_the_window_in_the_future_or_without_an_offset_is_refused_with_the_window() {
        let backups = [backup("2026-11-20T02:00:00Z"), backup("2026-11-18T02:00:00Z"), backup("2026-11-19T02:00:00Z")];
        let now = at("2026-11-20T12:00:00Z");
        let chosen =
            |moment: &str| choose(&backups, &Reach::NoMatter, &asked(Some(moment), false), now).map(|chosen| chosen.backup.data_time);
        assert_eq!(chosen("2026-11-19T12:00:00Z").unwrap(), at("2026-11-19T02:00:00Z"));
        assert_eq!(chosen("2026-11-19T03:00:00+01:00").unwrap(), at("2026-11-19T02:00:00Z"), "a moment includes its own backup");
        assert_eq!(chosen("2026-11-18T01:59:59Z").unwrap_err().kind(), Kind::NotFound, "missing, and no misuse");
        for bad in ["2026-11-18T01:59:59Z", "2026-11-20T12:00:01Z", "2026-11-19T12:00:00", "2026-11-19", "yesterday", ""] {
            let error = chosen(bad).unwrap_err();
            assert!(matches!(error.kind(), Kind::Invalid | Kind::NotFound), "{bad}");
            assert!(error.advice().unwrap().contains("from 2026-11-18T02:00:00Z to 2026-11-20T02:00:00Z"), "{bad}: {:?}", error.advice());
        }
        let none = Reach::NoMatter;
        assert_eq!(choose(&backups, &none, &asked(None, true), now).unwrap().backup.data_time, at("2026-11-20T02:00:00Z"));
        assert_eq!(choose(&backups, &none, &asked(None, false), now).unwrap_err().kind(), Kind::Invalid);
        assert_eq!(choose(&[], &none, &asked(None, true), now).unwrap_err().kind(), Kind::NotFound);
    }

    fn continuous(from: &str, to: &str) -> Reach {
        let held = Held {
            place: "aws://eu-west-1".parse().unwrap(),
            name: SnapshotName("orders-prod".into()),
            reference: "arn:aws:rds:eu-west-1:111122223333:db:orders-prod".into(),
            engine: "postgres 15.18".into(),
            bytes: 20 << 30,
            encrypted: true,
            key: None,
            members: Vec::new(),
            settings: std::collections::BTreeMap::new(),
        };
        let window = Window::between(at(from), at(to)).unwrap();
        Reach::Window(Box::new(Continuous { window, held, identity: "db-A".into(), address: "orders:5432".into() }))
    }

    #[test]
    fn r21_a_moment_is_restored_exactly_where_the_provider_can_and_else_what_lies_between_is_told() {
        let backups = [backup("2026-11-10T02:00:00Z"), backup("2026-11-19T02:00:00Z"), backup("2026-11-20T02:00:00Z")];
        let (now, reach) = (at("2026-11-20T12:00:00Z"), continuous("2026-11-13T02:00:05.5Z", "2026-11-20T11:55:00Z"));
        let chosen = |backups: &[Manifest], moment: &str| choose(backups, &reach, &asked(Some(moment), false), now);
        for moment in ["2026-11-20T11:55:00Z", "2026-11-20T01:30:00Z", "2026-11-13T02:00:06Z", "2026-11-20T02:00:00Z"] {
            let found = chosen(&backups, moment).unwrap();
            assert_eq!((found.backup.method, found.backup.data_time), (Method::PointInTime, at(moment)));
            assert!(found.why.unwrap().contains("exactly"), "{moment}");
            assert_eq!(chosen(&[], moment).unwrap().backup.data_time, at(moment), "without a single snapshot");
        }
        let older = chosen(&backups, "2026-11-12T02:00:00Z").unwrap();
        assert_eq!(older.backup.data_time, at("2026-11-10T02:00:00Z"));
        let why = older.why.unwrap();
        assert!(why.contains("2d") && why.contains("from 2026-11-13T02:00:06Z to 2026-11-20T11:55:00Z only"), "{why}");
        // What the provider will have in minutes is not swapped for what is ten hours older.
        let soon = chosen(&backups, "2026-11-20T11:57:00Z").unwrap_err();
        assert_eq!(soon.kind(), Kind::Invalid);
        assert!(soon.advice().unwrap().contains("ask for --at 2026-11-20T11:55:00Z"), "{soon:?}");
        let taken_since = [backup("2026-11-20T11:56:00Z")];
        assert_eq!(chosen(&taken_since, "2026-11-20T11:57:00Z").unwrap().backup.data_time, at("2026-11-20T11:56:00Z"));
        for bad in ["2026-11-09T00:00:00Z", "2026-11-20T12:00:01Z", "2026-11-19T12:00:00", "yesterday"] {
            for backups in [&backups[..], &[]] {
                let error = chosen(backups, bad).unwrap_err();
                assert!(matches!(error.kind(), Kind::Invalid | Kind::NotFound), "{bad}");
                assert!(error.advice().unwrap().contains("exactly from 2026-11-13T02:00:06Z to 2026-11-20T11:55:00Z"), "{bad}: {error:?}");
            }
        }
        // A backup that is named, and the newest, are meant as they are.
        assert_eq!(choose(&backups, &reach, &asked(None, true), now).unwrap().backup.method, Method::PgDumpCustom);
    }

    #[test]
    fn a_moment_that_no_provider_can_bring_back_is_told_with_what_is_lost() {
        let backups = [backup("2026-11-20T02:00:00Z")];
        let reach = Reach::Nothing("continuous backups are at aws://eu-west-1 only".to_owned());
        let found = choose(&backups, &reach, &asked(Some("2026-11-20T05:12:00Z"), false), at("2026-11-20T12:00:00Z")).unwrap();
        let why = found.why.unwrap();
        assert!(why.contains("3h") && why.contains("at aws://eu-west-1 only"), "{why}");
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
