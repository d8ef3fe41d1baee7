//! A repository of WAL-G: what `wal-verify` says of its segments, and which base backups `backup-list` shows.

use super::{place, read};
use crate::{
    clock::Timestamp,
    config::WalG,
    domain::wal::RepositorySeen,
    error::{Result, failed},
    providers::postgres::child::Program,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Verified {
    integrity: Integrity,
    timeline: Timeline,
}

#[derive(Debug, Deserialize)]
struct Integrity {
    status: Verdict,
    #[serde(default)]
    details: Option<Vec<Range>>,
}

#[derive(Debug, Deserialize)]
struct Range {
    start_segment: String,
    end_segment: String,
    segments_count: u64,
    status: Standing,
}

#[derive(Debug, Deserialize)]
struct Timeline {
    status: Verdict,
    details: Option<Timelines>,
}

#[derive(Debug, Deserialize)]
struct Timelines {
    current_timeline_id: u32,
    highest_storage_timeline_id: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verdict {
    Ok,
    Warning,
    Failure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Standing {
    #[serde(rename = "FOUND")]
    There,
    #[serde(rename = "MISSING_DELAYED")]
    Delayed,
    #[serde(rename = "MISSING_UPLOADING")]
    Uploading,
    #[serde(rename = "MISSING_LOST")]
    Lost,
}

#[derive(Debug, Deserialize)]
struct Backup {
    finish_time: Option<String>,
    time: Option<String>,
    modified: Option<String>,
}

/// Asks WAL-G. It asks the server, too, what the current segment is.
pub(super) async fn seen(program: &Program, of: &WalG) -> Result<RepositorySeen> {
    let with = |arguments: &[&str]| program.clone().args(arguments).arg("--config").arg(of.config.as_path());
    let verified = with(&["wal-verify", "integrity", "timeline", "--json"]).run().await?;
    let listed = with(&["backup-list", "--json", "--detail"]).run().await?;
    understood(&verified, &listed)
}

fn understood(verified: &str, listed: &str) -> Result<RepositorySeen> {
    let verified: Verified = read("wal-g wal-verify", verified)?;
    // Where there is none, some versions print nothing.
    let backups: Option<Vec<Backup>> = if listed.trim().is_empty() { None } else { read("wal-g backup-list", listed)? };
    let ranges = verified.integrity.details.as_deref().unwrap_or_default();
    let found = ranges.iter().filter(|range| range.status == Standing::There).map(|range| &range.end_segment);
    let ended = backups.iter().flatten().map(ended).collect::<Result<Vec<_>>>()?;
    Ok(RepositorySeen {
        name: "WAL-G".to_owned(),
        newest: found.max_by_key(|name| place(name)).cloned(),
        base_at: ended.into_iter().max(),
        wrong: wrong(&verified, ranges),
    })
}

fn ended(backup: &Backup) -> Result<Timestamp> {
    let mut said = [&backup.finish_time, &backup.time, &backup.modified].into_iter().flatten();
    let read = |text: &String| text.parse::<Timestamp>().ok().filter(|at| at.as_second() > 0);
    said.find_map(read).ok_or_else(|| failed("wal-g backup-list names a backup without saying when it ended"))
}

fn wrong(verified: &Verified, ranges: &[Range]) -> Option<String> {
    if verified.integrity.status == Verdict::Failure {
        let mut lost = ranges.iter().filter(|range| range.status == Standing::Lost);
        let count: u64 = lost.clone().map(|range| range.segments_count).sum();
        let are = if count == 1 { "segment is" } else { "segments are" };
        return Some(match lost.next() {
            Some(first) => format!("{count} {are} lost, the first from {} to {}", first.start_segment, first.end_segment),
            None => "wal-verify says that it is not whole".to_owned(),
        });
    }
    match (&verified.timeline.status, &verified.timeline.details) {
        (Verdict::Failure, Some(of)) => Some(format!(
            "its highest timeline is {}, the server's is {}: two servers may be archiving into it",
            of.highest_storage_timeline_id, of.current_timeline_id
        )),
        (Verdict::Failure, None) => Some("its timelines are not those of the server".to_owned()),
        (Verdict::Ok | Verdict::Warning, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As WAL-G's documentation shows it.
    const WHOLE: &str = r#"{"integrity":{"status":"OK","details":[
        {"timeline_id":3,"start_segment":"00000003000000030000004D","end_segment":"0000000300000004000000F0","segments_count":420,"status":"FOUND"},
        {"timeline_id":4,"start_segment":"0000000400000004000000F1","end_segment":"000000040000000800000034","segments_count":836,"status":"FOUND"}]},
        "timeline":{"status":"OK","details":{"current_timeline_id":4,"highest_storage_timeline_id":4}}}"#;
    const LISTED: &str = r#"[{"backup_name":"base_0000000400000004000000F1","time":"2026-11-18T01:01:01Z","finish_time":"2026-11-18T01:00:00.5Z","is_permanent":false},
        {"backup_name":"base_000000040000000700000001","modified":"2026-11-19T01:00:00Z","wal_segment_backup_start":"000000040000000700000001"}]"#;

    #[test]
    fn what_it_holds_is_read_as_it_is_documented() {
        let seen = understood(WHOLE, LISTED).unwrap();
        assert_eq!(seen.newest.as_deref(), Some("000000040000000800000034"));
        assert_eq!(seen.base_at.unwrap().to_string(), "2026-11-19T01:00:00Z");
        assert_eq!(seen.wrong, None);
        assert_eq!(understood(WHOLE, "").unwrap().base_at, None);
        assert_eq!(understood(WHOLE, "[]").unwrap().base_at, None);
    }

    #[test]
    fn lost_segments_and_a_second_server_are_told_delays_are_not() {
        let delayed = WHOLE.replacen("OK", "WARNING", 1).replace("836,\"status\":\"FOUND\"", "836,\"status\":\"MISSING_DELAYED\"");
        let seen = understood(&delayed, LISTED).unwrap();
        assert_eq!((seen.wrong, seen.newest.as_deref()), (None, Some("0000000300000004000000F0")));
        let lost = WHOLE.replacen("OK", "FAILURE", 1).replace("836,\"status\":\"FOUND\"", "836,\"status\":\"MISSING_LOST\"");
        let wrong = understood(&lost, LISTED).unwrap().wrong.unwrap();
        assert_eq!(wrong, "836 segments are lost, the first from 0000000400000004000000F1 to 000000040000000800000034");
        let split = WHOLE
            .replace("\"timeline\":{\"status\":\"OK\"", "\"timeline\":{\"status\":\"FAILURE\"")
            .replace("\"current_timeline_id\":4", "\"current_timeline_id\":3");
        assert!(understood(&split, LISTED).unwrap().wrong.unwrap().contains("its highest timeline is 4, the server's is 3"));
        for (verified, listed) in
            [("", LISTED), ("{}", LISTED), (WHOLE, "[{}]"), (WHOLE, "oops"), (&WHOLE.replace("FOUND", "NEWER"), LISTED)]
        {
            assert!(understood(verified, listed).is_err(), "what is not understood is never taken for good");
        }
    }
}
