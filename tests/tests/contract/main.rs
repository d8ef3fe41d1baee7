//! What every adapter and every stored format promises, whichever it is.

mod bucket;
mod cloudsql_double;
mod evidence;
mod findings;
mod formats;
mod infra;
mod monitoring;
mod readme;
mod records;
mod retention_records;
