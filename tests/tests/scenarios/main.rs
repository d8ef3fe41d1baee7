//! Teams' runbooks, end to end.

mod cleaning;
mod transcripts;
