//! From the snapshots of single volumes to one snapshot of the asset, which counts as a whole or not at all: every volume of
//! it, all of one moment, each complete.

use super::wire::Snapshot;
use crate::{
    clock::{Timestamp, since},
    domain::{
        held::{Held, Member, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
    },
    id::AssetName,
    providers::aws::marks,
};
use std::{collections::BTreeMap, time::Duration};

/// Parts that begin this far apart were not begun by one request. EC2 dates those of one request alike.
const TOGETHER: Duration = Duration::from_secs(2);
/// What was begun may take this long to be seen: EC2 tells of new things a little late.
const APPEARS: Duration = Duration::from_mins(10);

/// Returns what bears a name: ours, or else a stranger's.
pub(super) fn seen(place: &Place, asset: &AssetName, name: &SnapshotName, all: &[Snapshot], now: Timestamp) -> Option<SnapshotSeen> {
    let backup = all.iter().find_map(|part| marks::backup(&part.tags(), asset));
    let Some(backup) = backup else {
        let first = all.first()?;
        let (held, state) = (held(place, name, &[first], 1), SnapshotState::Available);
        return Some(SnapshotSeen { name: name.clone(), backup: None, state, held, data_time: moment(first) });
    };
    let ours: Vec<_> = all.iter().filter(|part| marks::backup(&part.tags(), asset) == Some(backup)).collect();
    let expected = ours.iter().filter_map(|part| marks::members(&part.tags())).max().unwrap_or(1);
    let take = take(&ours, expected);
    let state = state(&take, &ours, expected, now);
    let data_time = take.iter().filter_map(|part| moment(part)).min();
    Some(SnapshotSeen { name: name.clone(), backup: Some(backup), state, held: held(place, name, &take, expected), data_time })
}

/// The parts of one moment that stand for the asset. A request whose answer was lost may have been repeated: then the first
/// that is whole stands, and the other goes with it when it is let go.
fn take<'a>(ours: &[&'a Snapshot], expected: usize) -> Vec<&'a Snapshot> {
    let mut sorted = ours.to_vec();
    sorted.sort_by_key(|part| (moment(part), part.snapshot_id.clone()));
    let mut takes: Vec<Vec<&Snapshot>> = Vec::new();
    for part in sorted {
        let joins = takes.last().is_some_and(|take| {
            let apart = take.first().and_then(|first| Some(since(moment(part)?, moment(first)?)));
            let known = take.iter().any(|other| volume(other) == volume(part));
            !known && apart.is_none_or(|apart| apart <= TOGETHER)
        });
        match takes.last_mut().filter(|_| joins) {
            Some(take) => take.push(part),
            None => takes.push(vec![part]),
        }
    }
    let whole = |take: &&Vec<&Snapshot>| take.len() == expected && take.iter().all(|part| part.status != "error");
    let chosen = takes.iter().find(whole).or_else(|| takes.iter().max_by_key(|take| take.len()));
    let mut chosen = chosen.cloned().unwrap_or_default();
    chosen.sort_by_cached_key(|part| volume(part));
    chosen
}

fn state(take: &[&Snapshot], ours: &[&Snapshot], expected: usize, now: Timestamp) -> SnapshotState {
    if let Some(broken) = take.iter().find(|part| part.status == "error") {
        let why = broken.status_message.as_deref().filter(|why| !why.is_empty()).unwrap_or("EBS does not say why");
        return SnapshotState::Failed(format!("{} of {} is in error: {why}", broken.snapshot_id, volume(broken)));
    }
    if take.len() > expected {
        return SnapshotState::Failed(format!("it has {} parts, and {expected} volumes were meant", take.len()));
    }
    if take.len() < expected {
        let mut volumes: Vec<_> = ours.iter().map(|part| volume(part)).collect();
        volumes.sort();
        volumes.dedup();
        if volumes.len() >= expected {
            return SnapshotState::Failed("its parts are not of one moment".to_owned());
        }
        let newest = ours.iter().filter_map(|part| part.start_time).max();
        if newest.is_some_and(|newest| since(now, newest) < APPEARS) {
            return SnapshotState::Pending { percent: None };
        }
        return SnapshotState::Failed(format!("only {} of its {expected} volumes are there", take.len()));
    }
    let strange = take.iter().find(|part| !matches!(part.status.as_str(), "completed" | "pending" | ""));
    match strange {
        Some(part) => SnapshotState::Failed(format!("EBS says {} of {}", part.status, part.snapshot_id)),
        None if take.iter().all(|part| part.status == "completed") => SnapshotState::Available,
        None => SnapshotState::Pending { percent: take.iter().map(|part| percent(part)).min().flatten() },
    }
}

fn percent(part: &Snapshot) -> Option<u8> {
    part.progress.as_deref()?.trim_end_matches('%').parse().ok()
}

fn held(place: &Place, name: &SnapshotName, parts: &[&Snapshot], expected: usize) -> Held {
    let member = |part: &&Snapshot| Member {
        of: volume(part),
        reference: part.snapshot_id.clone(),
        bytes: part.volume_size << 30,
        encrypted: part.encrypted,
    };
    let members: Vec<_> = parts.iter().map(member).collect();
    Held {
        place: place.clone(),
        name: name.clone(),
        reference: members.iter().map(|member| member.reference.as_str()).collect::<Vec<_>>().join(","),
        engine: if expected == 1 { "volume".to_owned() } else { format!("{expected} volumes") },
        bytes: members.iter().map(|member| member.bytes).sum(),
        encrypted: !members.is_empty() && members.iter().all(|member| member.encrypted),
        key: parts.iter().find_map(|part| part.kms_key_id.clone()).filter(|key| !key.is_empty()),
        members,
        settings: BTreeMap::new(),
    }
}

/// The volume that a snapshot is of. A copy names an arbitrary one, and bears the true one as a tag.
pub(super) fn volume(part: &Snapshot) -> String {
    marks::volume(&part.tags()).map_or_else(|| part.volume_id.clone(), str::to_owned)
}

/// The moment whose data a snapshot holds: when it was ordered. That of a copy is its original's.
pub(super) fn moment(part: &Snapshot) -> Option<Timestamp> {
    let tags = part.tags();
    marks::volume(&tags).and_then(|_| marks::data_time(&tags)).or(part.start_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKUP: &str = "01KAFYF000B5M1Y0Z9P4T1D3QK";

    fn part(id: &str, of: &str, status: &str, at: &str, members: usize) -> Snapshot {
        let tags = [("lastgood:asset", "data"), ("lastgood:backup", BACKUP), ("lastgood:members", &members.to_string())]
            .map(|(key, value)| format!("<item><key>{key}</key><value>{value}</value></item>"));
        quick_xml::de::from_str(&format!(
            "<item><snapshotId>{id}</snapshotId><volumeId>{of}</volumeId><status>{status}</status><statusMessage>no key</statusMessage>\
             <startTime>2026-11-20T{at}Z</startTime><volumeSize>8</volumeSize><tagSet>{}</tagSet></item>",
            tags.concat()
        ))
        .unwrap()
    }

    fn look(parts: &[Snapshot], at: &str) -> SnapshotSeen {
        let now = format!("2026-11-20T{at}Z").parse().unwrap();
        let name = SnapshotName("lastgood-data-20261120t040000z".into());
        seen(&"aws://eu-west-1".parse().unwrap(), &"data".parse().unwrap(), &name, parts, now).unwrap()
    }

    #[test]
    fn a_set_is_there_once_every_part_of_it_is() {
        let both = |second: &str| [part("snap-2", "vol-2", second, "04:00:01", 2), part("snap-1", "vol-1", "completed", "04:00:00.5", 2)];
        assert!(matches!(look(&both("pending"), "04:01:00").state, SnapshotState::Pending { .. }));
        let whole = look(&both("completed"), "05:00:00");
        assert_eq!((whole.state, whole.held.reference.as_str(), whole.held.bytes), (SnapshotState::Available, "snap-1,snap-2", 16 << 30));
        assert_eq!(whole.data_time.unwrap().to_string(), "2026-11-20T04:00:00.5Z");
        assert_eq!(whole.held.engine, "2 volumes");
    }

    #[test]
    fn r47_a_set_that_lacks_one_is_waited_for_a_little_and_then_rejected_as_a_unit() {
        let one = [part("snap-1", "vol-1", "completed", "04:00:00", 2)];
        assert!(matches!(look(&one, "04:05:00").state, SnapshotState::Pending { .. }));
        assert_eq!(look(&one, "04:10:00").state, SnapshotState::Failed("only 1 of its 2 volumes are there".into()));
        let three: Vec<_> = ["1", "2", "3"].map(|n| part(n, &format!("vol-{n}"), "completed", "04:00:00", 2)).into();
        assert_eq!(look(&three, "05:00:00").state, SnapshotState::Failed("it has 3 parts, and 2 volumes were meant".into()));
    }

    #[test]
    fn r47_a_set_that_is_not_of_one_moment_is_rejected_as_a_unit() {
        let apart = [part("snap-1", "vol-1", "completed", "04:00:00", 2), part("snap-2", "vol-2", "completed", "04:00:09", 2)];
        assert_eq!(look(&apart, "04:01:00").state, SnapshotState::Failed("its parts are not of one moment".into()));
    }

    #[test]
    fn r47_one_part_in_error_breaks_all_of_it_and_says_why() {
        let parts = [part("snap-1", "vol-1", "completed", "04:00:00", 2), part("snap-2", "vol-2", "error", "04:00:00", 2)];
        assert_eq!(look(&parts, "04:01:00").state, SnapshotState::Failed("snap-2 of vol-2 is in error: no key".into()));
    }

    #[test]
    fn r03_of_a_request_that_was_repeated_the_first_that_is_whole_stands() {
        let twice = [
            part("snap-3", "vol-1", "completed", "04:00:30", 1),
            part("snap-2", "vol-1", "completed", "04:00:00", 1),
            part("snap-1", "vol-1", "error", "03:59:50", 1),
        ];
        let seen = look(&twice, "05:00:00");
        assert_eq!((seen.state, seen.held.reference.as_str()), (SnapshotState::Available, "snap-2"));
    }

    #[test]
    fn r04_what_only_bears_the_name_is_a_strangers() {
        let stranger = part("snap-9", "vol-1", "completed", "04:00:00", 1);
        let name = SnapshotName("x".into());
        let of = |asset: &str| {
            seen(
                &"aws://eu-west-1".parse().unwrap(),
                &asset.parse().unwrap(),
                &name,
                std::slice::from_ref(&stranger),
                Timestamp::UNIX_EPOCH,
            )
        };
        assert_eq!(of("other").unwrap().backup, None);
        assert!(of("data").unwrap().backup.is_some());
    }
}
