//! Streams a logical export of every asset that is due into the vault.
use export_to_bucket::ExportToBucket;
use lastgood_core::host;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    host::main::<ExportToBucket>().await
}
