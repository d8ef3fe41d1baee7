//! Teams' runbooks, end to end.

mod cleaning;
mod rds;
mod rds_moment;
mod rds_restore;
mod transcripts;
