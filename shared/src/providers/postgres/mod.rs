//! Postgres: connections, its own programs as our children, and what a snapshot of it holds.
//!
//! The dumping is done by `pg_dump` and its kin; ours is the pipe around them, the snapshot they share and the judgement
//! whether they may begin and whether they succeeded. A server is only ever read here.

pub mod account;
pub mod child;
pub mod connect;
mod said;
mod tls;
pub mod tools;
pub mod url;

pub use connect::{connect, sql_error};
pub use tools::{Tool, Tools};
pub use url::PgUrl;
