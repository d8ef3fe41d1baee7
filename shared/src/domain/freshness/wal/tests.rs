use super::*;

const SIZE: u64 = 16 << 20;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn segment(number: u64) -> String {
    Segment { timeline: 1, number }.name(SIZE)
}

fn policy() -> WalPolicy {
    WalPolicy { archive_within: "15m".parse().unwrap(), base_within: "8d".parse().unwrap(), repository: None }
}

/// A server whose last full segment, number 9, was archived two hours ago, and that has been quiet since.
fn quiet() -> ArchiverSeen {
    ArchiverSeen {
        at: at(0),
        mode: ArchiveMode::On,
        means: Means::Set,
        standby: false,
        archived: Some((segment(9), at(-120))),
        failed: None,
        failures: 0,
        since: at(-10_000),
        waiting: Some(crate::domain::wal::Waiting { count: 0, oldest: None }),
        current: Segment { timeline: 1, number: 10 },
        written: 300,
        segment_size: SIZE,
        timeout: Duration::from_mins(5),
    }
}

fn said(seen: &ArchiverSeen) -> Option<(Severity, String)> {
    archiving(seen, &policy())
}

#[test]
fn a_quiet_server_is_not_late_however_long_ago_it_archived() {
    assert_eq!(said(&quiet()), None);
    assert_eq!(said(&ArchiverSeen { waiting: None, ..quiet() }), None, "nor where the backlog may not be asked");
    assert_eq!(said(&ArchiverSeen { archived: None, ..quiet() }), None, "nor one that never had to archive");
    assert_eq!(said(&ArchiverSeen { timeout: Duration::ZERO, ..quiet() }), None);
    let label = format!("{}.00000028.backup", segment(7));
    assert_eq!(
        said(&ArchiverSeen { archived: Some((label, at(-120))), waiting: None, ..quiet() }),
        None,
        "a label says nothing of segments"
    );
}

#[test]
fn what_waits_is_late_by_the_age_of_the_oldest() {
    let waiting =
        |minutes: i64| ArchiverSeen { waiting: Some(crate::domain::wal::Waiting { count: 3, oldest: Some(at(-minutes)) }), ..quiet() };
    assert_eq!(said(&waiting(15)), None);
    let (severity, sentence) = said(&waiting(16)).unwrap();
    assert_eq!((severity, sentence.as_str()), (Severity::Critical, "3 files wait to be archived, the oldest for 16m, policy allows 15m"));
    let unknown = ArchiverSeen { waiting: None, current: Segment { timeline: 1, number: 12 }, ..quiet() };
    assert!(
        said(&unknown)
            .unwrap()
            .1
            .starts_with("2 segments are written and not archived, the last that was is 000000010000000000000009, 2h ago")
    );
}

#[test]
fn a_segment_that_nothing_hands_over_is_lost_with_the_server() {
    let busy = ArchiverSeen { written: 1 << 20, timeout: Duration::ZERO, ..quiet() };
    let (severity, sentence) = said(&busy).unwrap();
    assert_eq!(severity, Severity::Critical);
    assert_eq!(
        sentence,
        "1 MiB of WAL are on the server alone, for up to 2h: archive_timeout is 0, so it stays until it is full, policy allows 15m"
    );
    assert_eq!(said(&ArchiverSeen { timeout: Duration::from_mins(5), ..busy.clone() }), None, "five minutes after a change it goes");
    assert!(said(&ArchiverSeen { timeout: Duration::from_mins(60), ..busy }).unwrap().1.contains("for up to 1h"));
}

#[test]
fn failures_warn_at_once_and_are_over_with_the_next_success() {
    let failed = ArchiverSeen { failed: Some((segment(10), at(-1))), failures: 4, ..quiet() };
    let (severity, sentence) = said(&failed).unwrap();
    assert_eq!(severity, Severity::Warning);
    assert!(sentence.starts_with("the archiver fails (4 times so far, last 1m ago at 00000001000000000000000A)"), "{sentence}");
    assert_eq!(said(&ArchiverSeen { archived: Some((segment(10), at(0))), ..failed.clone() }), None);
    let both = ArchiverSeen { waiting: Some(crate::domain::wal::Waiting { count: 1, oldest: Some(at(-20)) }), ..failed };
    let (severity, sentence) = said(&both).unwrap();
    assert!(severity == Severity::Critical && sentence.contains("1 file waits") && sentence.contains("the archiver fails"), "{sentence}");
}

#[test]
fn archiving_that_is_off_or_keeps_nothing_is_told_and_a_standby_is_judged_by_its_primary() {
    for (mode, means, word) in [
        (ArchiveMode::Off, Means::Set, "archive_mode is off"),
        (ArchiveMode::On, Means::Unset, "archive_command is empty"),
        (ArchiveMode::On, Means::Discards, "keeps nothing"),
    ] {
        let seen = ArchiverSeen { mode, means, ..quiet() };
        let (severity, sentence) = said(&seen).unwrap();
        assert!(severity == Severity::Critical && sentence.contains(word), "{sentence}");
        assert_eq!(said(&ArchiverSeen { standby: true, ..seen }).is_some(), mode == ArchiveMode::Always);
    }
}

#[test]
fn the_repository_is_believed_over_the_server() {
    let held = |newest: Option<String>, base: Option<i64>| RepositorySeen {
        name: "pgBackRest, stanza main".into(),
        newest,
        base_at: base.map(at),
        wrong: None,
    };
    let judge = |held: &RepositorySeen| holding(at(0), held, Some(&quiet()), &policy());
    assert_eq!(judge(&held(Some(segment(9)), Some(-60))), None);
    assert_eq!(judge(&held(Some(segment(10)), Some(-60))), None, "it may be ahead of what the server said a moment ago");
    assert!(judge(&held(Some(segment(8)), Some(-60))).unwrap().1.contains("says that 000000010000000000000009 is archived"));
    assert!(judge(&held(None, Some(-60))).unwrap().1.contains("holds no WAL"));
    assert!(judge(&held(Some(segment(9)), None)).unwrap().1.contains("no base backup"));
    let (severity, sentence) = judge(&held(Some(segment(9)), Some(-60 * 24 * 9))).unwrap();
    assert!(severity == Severity::Warning && sentence.contains("is 9d old, policy allows 8d"), "{sentence}");
    let wrong = RepositorySeen { wrong: Some("missing stanza path".into()), ..held(None, None) };
    assert!(judge(&wrong).unwrap().1.contains("missing stanza path"));
    assert_eq!(holding(at(0), &held(Some(segment(2)), Some(-60)), None, &policy()), None, "where the server cannot be asked");
}
