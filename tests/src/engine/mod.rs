//! What stands behind a managed database in tests, whichever cloud it is of: real Postgres.
//!
//! A server speaks TLS only and has an address of its own at the port that all have; its data can be frozen, and a frozen copy
//! really started again; a server that ships its WAL can be brought back to a moment by Postgres' own recovery. What a cloud
//! makes of that (its words, its states, its refusals) is the business of that cloud's double.

mod certificates;
mod continuous;
mod dated;
mod server;
mod street;

pub use certificates::Certificates;
pub use continuous::Continuous;
pub use dated::Dated;
pub use server::{Frozen, SHIPPING, Socket, identifier, literal};
pub use street::{Address, Street};

/// Which half of a call to a cloud is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The cloud never hears of it.
    Request,
    /// It takes effect, and the connection ends before the reply.
    Reply,
}
