//! Proves backups by restoring them.
use lastgood_core::host;
use restore_drill::RestoreDrill;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    host::main::<RestoreDrill>().await
}
