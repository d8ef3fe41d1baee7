//! What every adapter and every stored format promises, whichever it is.

mod bucket;
mod evidence;
mod formats;
mod retention_records;
