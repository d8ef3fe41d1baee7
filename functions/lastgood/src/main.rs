//! The operator's command.
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    lastgood::main().await
}
