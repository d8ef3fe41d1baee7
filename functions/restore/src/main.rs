//! Restores a backup for real, beside what is there.
use lastgood_core::host;
use restore::Restore;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    host::main::<Restore>().await
}
