//! One moment of a database, held open by a connection of our own, that every part of a backup is taken from.
//!
//! `repeatable read, read only` is what `pg_dump` itself uses. `serializable deferrable` would add freedom from
//! serialisation anomalies but may wait without end for a quiet moment, and a backup that does not begin protects nobody.

use super::{
    connect::{connect, connect_pinned, literal, sql_error},
    inspect::one,
    url::PgUrl,
};
use crate::{
    clock::Timestamp,
    error::{During, Error, Result, failed, retry},
};
use tokio_postgres::Client;

/// SQL for the moment up to which the server has everything, in microseconds since 1970. A standby that is not known to
/// have caught up with its primary is only as fresh as the last transaction that it replayed.
pub(super) const NOW: &str = "(extract(epoch from case
    when not pg_is_in_recovery() then clock_timestamp()
    when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() and exists (select from pg_catalog.pg_stat_wal_receiver where status = 'streaming')
        then clock_timestamp()
    else coalesce(pg_last_xact_replay_timestamp(), clock_timestamp()) end) * 1000000)::bigint";

/// A snapshot that is held. Dropping it lets it go.
#[derive(Debug)]
pub(super) struct Snapshot {
    holder: Client,
    /// The very server that it was taken on.
    pub url: PgUrl,
    /// Its name, for `pg_dump --snapshot`.
    pub name: String,
    /// Everything that was committed by then is in it.
    pub data_time: Timestamp,
    /// The position in the WAL at that moment.
    pub lsn: String,
}

impl Snapshot {
    /// Takes a snapshot and holds it.
    pub async fn take(url: &PgUrl) -> Result<Self> {
        let (holder, url) = connect_pinned(url).await?;
        // The clock is read before the snapshot is taken: what was committed by then is certainly in it.
        let clock = one(&holder, &format!("select {NOW}")).await?;
        holder
            .batch_execute("set statement_timeout = 0; begin transaction isolation level repeatable read read only")
            .await
            .map_err(|error| sql_error(&error))?;
        let row = one(
            &holder,
            "select pg_export_snapshot()::text,
                    case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text",
        )
        .await
        .during("exporting a snapshot")?;
        Ok(Self { url, name: row.get(0), data_time: timestamp(clock.get(0))?, lsn: row.get(1), holder })
    }

    /// Opens another connection that sees the same snapshot.
    pub async fn join(&self) -> Result<Client> {
        let client = connect(&self.url).await?;
        let sql = format!(
            "set statement_timeout = 0; begin transaction isolation level repeatable read read only; set transaction snapshot {}",
            literal(&self.name)
        );
        client.batch_execute(&sql).await.map_err(|error| gone(&error)).during("joining the snapshot")?;
        Ok(client)
    }

    /// Lets the snapshot go, and makes sure that it was held until now.
    pub async fn release(self) -> Result<()> {
        self.holder.batch_execute("commit").await.map_err(|error| sql_error(&error)).during("holding the snapshot")
    }
}

/// Reads microseconds since 1970.
pub(super) fn timestamp(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|_| failed("the server's clock is beyond all dates"))
}

/// The snapshot ends with the connection that holds it; Postgres then calls its name invalid (22023), or its source gone.
fn gone(error: &tokio_postgres::Error) -> Error {
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some(code @ ("22023" | "55000")) => retry(format!("the server ended the connection that held the snapshot (SQLSTATE {code})")),
        Some(_) | None => sql_error(error),
    }
}
