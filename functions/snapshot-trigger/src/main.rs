//! Begins a snapshot of every asset that is due.
use lastgood_core::host;
use snapshot_trigger::SnapshotTrigger;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    host::main::<SnapshotTrigger>().await
}
