//! Postgres: connections, its own programs as our children, and what a snapshot of it holds.
//!
//! The dumping is done by `pg_dump` and its kin; ours is the pipe around them, the snapshot they share and the judgement
//! whether they may begin and whether they succeeded. A source is only ever read here; what is written to is a replica, or
//! a new database that a restore was asked for.

pub mod account;
mod ask;
pub mod child;
pub mod connect;
mod inspect;
pub mod restore;
mod said;
pub mod scratch;
mod server;
mod tls;
pub mod tools;
pub mod url;

pub use connect::{connect, sql_error};
pub use scratch::Scratch;
pub use server::Server;
pub use tools::{Tool, Tools};
pub use url::PgUrl;
