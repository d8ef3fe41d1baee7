//! What a server says of its archiver: `pg_stat_archiver`, its settings, and the files that wait.

use super::super::{PgUrl, connect::connect, inspect::one};
use crate::{
    clock::Timestamp,
    domain::wal::{ArchiveMode, ArchiverSeen, Means, Segment, Waiting},
    error::{Result, failed},
};
use std::time::Duration;
use tokio_postgres::Row;

/// Everything at one moment. Which settings may be seen, the view decides by itself; a server older than 15 has no library.
const SERVER: &str = "
    select (extract(epoch from clock_timestamp()) * 1000000)::int8 as at,
           pg_is_in_recovery() as standby,
           current_setting('archive_mode') as mode,
           (select setting from pg_catalog.pg_settings where name = 'archive_command') as command,
           current_setting('archive_library', true) as library,
           (select setting::int8 from pg_catalog.pg_settings where name = 'archive_timeout') as timeout,
           pg_size_bytes(current_setting('wal_segment_size')) as segment_size,
           (select timeline_id from pg_control_checkpoint())::int8 as timeline,
           (case when pg_is_in_recovery() then coalesce(pg_last_wal_replay_lsn(), '0/0') else pg_current_wal_insert_lsn() end - '0/0'::pg_lsn)::int8 as position,
           a.last_archived_wal as archived, (extract(epoch from a.last_archived_time) * 1000000)::int8 as archived_at,
           a.last_failed_wal as failed, (extract(epoch from a.last_failed_time) * 1000000)::int8 as failed_at,
           a.failed_count as failures,
           (extract(epoch from greatest(a.stats_reset, pg_postmaster_start_time())) * 1000000)::int8 as since,
           coalesce(has_function_privilege(to_regprocedure('pg_catalog.pg_ls_archive_statusdir()'), 'EXECUTE'), false) as may_look
    from pg_catalog.pg_stat_archiver a";

const WAITING: &str = "
    select count(*) as count, (extract(epoch from min(modification)) * 1000000)::int8 as oldest
    from pg_catalog.pg_ls_archive_statusdir() where name like '%.ready'";

/// Asks a server.
pub(super) async fn seen(url: &PgUrl) -> Result<ArchiverSeen> {
    let client = connect(url).await?;
    let server = one(&client, SERVER).await?;
    let waiting = if server.get("may_look") {
        let waiting = one(&client, WAITING).await?;
        Some(Waiting { count: unsigned(waiting.get("count")), oldest: moment(waiting.get("oldest"))? })
    } else {
        None
    };
    let (segment_size, position) = (unsigned(server.get("segment_size")), unsigned(server.get("position")));
    if segment_size == 0 {
        return Err(failed("the server says that its segments have no bytes"));
    }
    let mode = mode(server.get("mode"))?;
    Ok(ArchiverSeen {
        at: moment(server.get("at"))?.ok_or_else(|| failed("the server does not say what time it is"))?,
        mode,
        means: means(server.get("command"), server.get("library")),
        standby: server.get("standby"),
        archived: file(&server, "archived", "archived_at")?,
        failed: file(&server, "failed", "failed_at")?,
        failures: unsigned(server.get("failures")),
        since: moment(server.get("since"))?.ok_or_else(|| failed("the server does not say since when it counts"))?,
        waiting,
        current: Segment::of(u32::try_from(server.get::<_, i64>("timeline")).unwrap_or(1), position, segment_size),
        written: position % segment_size,
        segment_size,
        timeout: Duration::from_secs(unsigned(server.get("timeout"))),
    })
}

fn unsigned(number: Option<i64>) -> u64 {
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

fn moment(microseconds: Option<i64>) -> Result<Option<Timestamp>> {
    let read = microseconds.map(Timestamp::from_microsecond).transpose();
    read.map_err(|error| failed("the server names a moment that is none").because(error))
}

fn file(row: &Row, name: &str, at: &str) -> Result<Option<(String, Timestamp)>> {
    let (name, at): (Option<String>, _) = (row.get(name), moment(row.get(at))?);
    Ok(name.zip(at))
}

fn mode(said: &str) -> Result<ArchiveMode> {
    match said {
        "off" => Ok(ArchiveMode::Off),
        "on" => Ok(ArchiveMode::On),
        "always" => Ok(ArchiveMode::Always),
        other => Err(failed(format!("archive_mode is {:?}", crate::redact::clip(other, 20)))),
    }
}

/// The command itself is never repeated: it may hold what nobody should read.
fn means(command: Option<&str>, library: Option<&str>) -> Means {
    if library.is_some_and(|library| !library.is_empty()) {
        return Means::Set;
    }
    match command.map(str::trim) {
        None => Means::Hidden,
        Some("") => Means::Unset,
        Some("true" | "/bin/true" | "/usr/bin/true" | ":" | "exit 0") => Means::Discards,
        Some(_) => Means::Set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_nothing_is_known_by_its_words() {
        for (command, library, wanted) in [
            (Some(""), None, Means::Unset),
            (Some("  "), Some(""), Means::Unset),
            (Some(""), Some("basic_archive"), Means::Set),
            (Some("/bin/true"), Some(""), Means::Discards),
            (Some("pgbackrest --stanza=main archive-push %p"), Some(""), Means::Set),
            (None, Some(""), Means::Hidden),
        ] {
            assert_eq!(means(command, library), wanted, "{command:?}");
        }
    }
}
