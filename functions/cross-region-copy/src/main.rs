//! Makes every backup exist in every place that its policy names.
use cross_region_copy::CrossRegionCopy;
use lastgood_core::host;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    host::main::<CrossRegionCopy>().await
}
