//! Whether the write-ahead log of a self-managed Postgres gets out of the house in time: by what the server says of its archiver,
//! and by what the repository really holds. A server that is quiet is not late.

use super::{Case, allowed, old};
use crate::{
    clock::{Timestamp, since},
    config::WalPolicy,
    domain::{
        bytes,
        finding::{Finding, FindingKind, Severity},
        wal::{ArchiveMode, ArchiverSeen, Means, RepositorySeen, Segment},
    },
};
use std::time::Duration;

/// What a quiet server writes into a segment by itself (a checkpoint, who is running) are some hundreds of bytes; the first change
/// after a checkpoint takes a whole page of 8 KiB.
const QUIET: u64 = 4 << 10;

/// What is wrong: how bad, and a sentence.
type Told = (Severity, String);

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let (Some(seen), Some(policy)) = (&case.seen.wal, &case.asset.policy.wal) else { return Vec::new() };
    let said = seen.archiver.as_ref().and_then(|archiver| archiving(archiver, policy));
    let held = seen.repository.as_ref().and_then(|held| holding(case.now, held, seen.archiver.as_ref(), policy));
    let tell = |(severity, sentence)| case.finding(FindingKind::WalStale, severity, sentence, "check");
    said.into_iter().chain(held).map(tell).collect()
}

/// What the server says.
fn archiving(seen: &ArchiverSeen, policy: &WalPolicy) -> Option<Told> {
    if seen.standby && seen.mode != ArchiveMode::Always {
        return None;
    }
    let lost = |what: &str| Some((Severity::Critical, format!("{what}: nothing after the newest base backup can be restored")));
    match (seen.mode, seen.means) {
        (ArchiveMode::Off, _) => return lost("archive_mode is off, no WAL is archived"),
        (_, Means::Unset) => return lost("archive_command is empty, WAL piles up on the server and is archived nowhere"),
        (_, Means::Discards) => return lost("archive_command keeps nothing and says that it did"),
        (ArchiveMode::On | ArchiveMode::Always, Means::Set | Means::Hidden) => {}
    }
    let (late, failing) = (behind(seen), failing(seen));
    let over = late.as_ref().filter(|(age, _)| *age > policy.archive_within.duration());
    match (over, failing) {
        (None, None) => None,
        (Some((_, what)), None) => Some((Severity::Critical, format!("{what}, policy allows {}", allowed(policy.archive_within)))),
        (Some((_, what)), Some(failing)) => {
            Some((Severity::Critical, format!("{what}, policy allows {}; {failing}", allowed(policy.archive_within))))
        }
        (None, Some(failing)) => {
            Some((Severity::Warning, format!("{failing}; policy allows WAL to wait for {}", allowed(policy.archive_within))))
        }
    }
}

/// How long the oldest WAL waits that is archived nowhere, and in what words; none where none does, or nobody knows.
fn behind(seen: &ArchiverSeen) -> Option<(Duration, String)> {
    let last = seen.archived.as_ref().map_or(seen.since, |(_, at)| *at);
    if let Some(waiting) = seen.waiting {
        if let Some(oldest) = waiting.oldest.filter(|_| waiting.count > 0) {
            let (age, files) = (since(seen.at, oldest), if waiting.count == 1 { "file waits" } else { "files wait" });
            return Some((age, format!("{} {files} to be archived, the oldest for {}", waiting.count, old(age))));
        }
    } else if let Some((name, at)) = &seen.archived
        && let Some(archived) = Segment::named(name, seen.segment_size)
        && archived.number + 1 < seen.current.number
    {
        let (age, count) = (since(seen.at, *at), seen.current.number - archived.number - 1);
        return Some((age, format!("{count} segments are written and not archived, the last that was is {name}, {} ago", old(age))));
    }
    in_the_making(seen, last)
}

/// The segment that is being written, where nothing makes the server hand it over before it is full.
fn in_the_making(seen: &ArchiverSeen, last: Timestamp) -> Option<(Duration, String)> {
    if seen.written < QUIET || seen.standby {
        return None;
    }
    // With a timeout, it is handed over so long after the first change; what is older than that and a little was not.
    let age = since(seen.at, last);
    let waits = if seen.timeout.is_zero() { age } else { age.min(seen.timeout) };
    let when = if seen.timeout.is_zero() { "0, so it stays until it is full".to_owned() } else { old(seen.timeout) };
    Some((
        waits,
        format!("{} of WAL are on the server alone, for up to {}: archive_timeout is {when}", bytes::human(seen.written), old(waits)),
    ))
}

/// That the archiver fails now: a failure that no success followed.
fn failing(seen: &ArchiverSeen) -> Option<String> {
    let (file, at) = seen.failed.as_ref()?;
    let ours = seen.archived.as_ref().is_none_or(|(_, archived)| archived < at);
    let times = if seen.failures == 1 { "once".to_owned() } else { format!("{} times", seen.failures) };
    ours.then(|| format!("the archiver fails ({times} so far, last {} ago at {file})", old(since(seen.at, *at))))
}

/// What the repository holds, beside what the server says that it handed over.
fn holding(now: Timestamp, held: &RepositorySeen, server: Option<&ArchiverSeen>, policy: &WalPolicy) -> Option<Told> {
    let name = &held.name;
    if let Some(wrong) = &held.wrong {
        return Some((Severity::Critical, format!("the repository ({name}) is not as it should be: {wrong}")));
    }
    let Some(newest) = &held.newest else {
        return Some((Severity::Critical, format!("the repository ({name}) holds no WAL")));
    };
    let handed_over = server.filter(|server| !server.standby).and_then(|server| {
        let (file, _) = server.archived.as_ref()?;
        let (said, there) = (Segment::named(file, server.segment_size)?, Segment::named(newest, server.segment_size)?);
        (there.number < said.number)
            .then(|| format!("the server says that {file} is archived, the newest in the repository ({name}) is {newest}"))
    });
    if let Some(lacking) = handed_over {
        return Some((Severity::Critical, lacking));
    }
    let Some(base_at) = held.base_at else {
        return Some((Severity::Critical, format!("the repository ({name}) holds no base backup: WAL alone restores nothing")));
    };
    let age = since(now, base_at);
    (age > policy.base_within.duration()).then(|| {
        let sentence =
            format!("the newest base backup in the repository ({name}) is {} old, policy allows {}", old(age), allowed(policy.base_within));
        (Severity::Warning, sentence)
    })
}

#[cfg(test)]
mod tests;
