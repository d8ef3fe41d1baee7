//! Teams' runbooks, end to end.

mod cleaning;
mod rds;
mod transcripts;
