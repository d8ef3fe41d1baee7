//! The operator's command: every function by hand, and what an engineer on call asks for.

mod command;
mod configure;
mod list;
pub mod output;
mod prune;
mod report;
mod status;
