//! Roles and other globals, which no dump of a database holds, as SQL beside it.
//!
//! Passwords are left out: their digests would be secrets in a vault, and a drill must not know production's.

use super::{child::Whole, tools::Found, url::PgUrl};
use crate::error::{Error, Kind, Result, failed};
use bytes::Bytes;
use tokio::io::AsyncReadExt;

/// No cluster has more roles than fit in here.
const MOST: u64 = 64 << 20;

/// What became of the globals.
#[derive(Debug)]
pub(super) enum Globals {
    /// They are here.
    Sql(Bytes),
    /// The server keeps them to itself, as managed ones may.
    Refused(Error),
}

/// Dumps the globals. A server that withholds them is no failure, but it is recorded.
pub(super) async fn dump(pg_dumpall: &Found, url: &PgUrl) -> Result<Globals> {
    let program = pg_dumpall
        .program()
        .args(["--globals-only", "--no-role-passwords", "--no-password", "--database"])
        .arg(&url.database)
        .watchful()
        .connected_to(url);
    let mut sql = Vec::new();
    let read = program.stream(Whole::Cluster)?.take(MOST).read_to_end(&mut sql).await.map_err(Error::from);
    match read {
        Ok(count) if count as u64 == MOST => Err(failed("the globals are larger than any cluster's")),
        Ok(_) => Ok(Globals::Sql(sql.into())),
        Err(error) if error.kind() == Kind::Denied => Ok(Globals::Refused(error)),
        Err(error) => Err(error),
    }
}
