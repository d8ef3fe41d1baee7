//! Postgres: connections, its own programs as our children, and what a snapshot of it holds.
//!
//! The dumping is done by `pg_dump` and its kin; ours is the pipe around them, the snapshot they share and the judgement
//! whether they may begin and whether they succeeded. A source is only ever read here; what is written to is a replica, or
//! a new database that a restore was asked for.

pub mod account;
pub(crate) mod ask;
pub mod child;
pub mod connect;
mod csv;
mod directory;
mod globals;
pub mod inspect;
mod logical;
mod physical;
mod preflight;
pub mod restore;
mod said;
pub mod scratch;
pub mod server;
mod snapshot;
mod spool;
mod tarball;
pub mod target;
mod tls;
pub mod tools;
pub mod url;
mod wal;

pub use connect::{connect, sql_error};
pub use logical::Logical;
pub use physical::Physical;
pub use scratch::Scratch;
pub use server::Server;
pub use tools::{Tool, Tools};
pub use url::PgUrl;
pub use wal::Archive;

use crate::{domain::backup::Form, ports::Exporter};
use std::sync::Arc;

/// Opens a Postgres as a source of backups of the given form.
pub fn exporter(url: PgUrl, form: Form, tools: Tools) -> Arc<dyn Exporter> {
    match form {
        Form::Export => Arc::new(Logical::new(url, tools)),
        Form::Snapshot => Arc::new(Physical::new(url, tools)),
    }
}
