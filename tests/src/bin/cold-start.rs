//! Measures the cold start of Lambda functions: from exec to the first poll of the Runtime API, the median of many, and
//! beside it the size of the binary. `cold-start BINARY… [--runs N]`

use lastgood_tests::runtime_api::RuntimeApi;
use std::{
    path::Path,
    process::{ExitCode, Stdio},
    time::{Duration, Instant},
};

const RUNS: usize = 21;

#[tokio::main]
async fn main() -> ExitCode {
    let mut runs = RUNS;
    let mut binaries = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.len()) {
            ("--runs", 1..) => runs = args.next().and_then(|count| count.parse().ok()).unwrap_or(RUNS).max(1),
            _ => binaries.push(arg),
        }
    }
    if binaries.is_empty() {
        eprintln!("usage: cold-start BINARY… [--runs N]");
        return ExitCode::from(64);
    }
    println!("{:<24} {:>10} {:>10} {:>10} {:>12}", "function", "median", "best", "worst", "binary");
    for binary in &binaries {
        let path = Path::new(binary);
        let mut took = Vec::new();
        // The first start reads the binary from the disk: it warms the page cache and is not counted.
        for run in 0..=runs {
            match start(path).await {
                Some(time) if run > 0 => took.push(time),
                Some(_) => {}
                None => {
                    eprintln!("{binary} did not poll within 10 s");
                    return ExitCode::FAILURE;
                }
            }
        }
        took.sort_unstable();
        let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        let size = std::fs::metadata(path).map_or(0.0, |seen| seen.len() as f64 / 1e6);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        println!(
            "{name:<24} {:>10} {:>10} {:>10} {:>12}",
            millis(took[took.len() / 2]),
            millis(took[0]),
            millis(took[took.len() - 1]),
            format!("{size:.1} MB")
        );
    }
    ExitCode::SUCCESS
}

/// Starts the function once and returns how long it took to ask for work.
async fn start(binary: &Path) -> Option<Duration> {
    let api = RuntimeApi::start().await;
    let mut command = tokio::process::Command::new(binary);
    command.env_clear().envs(api.environment("cold-start")).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let begun = Instant::now();
    let _process = command.spawn().ok()?;
    tokio::time::timeout(Duration::from_secs(10), api.first_poll()).await.ok()?;
    Some(begun.elapsed())
}
