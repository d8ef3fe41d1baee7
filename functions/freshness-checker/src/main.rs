//! Compares what is really there with what the policy asks for, and tells what is wrong.
use freshness_checker::FreshnessChecker;
use lastgood_core::host;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    host::main::<FreshnessChecker>().await
}
