//! `make bench`: a tick over a fleet of a thousand databases with a hundred backups each. Prints how much is asked, how long it
//! takes when every answer takes 20 ms, how much of that is ours, and how much memory it takes at its peak.
//!
//! `tick [MEMBERS [BACKUPS]]`. Ends with 1 when it takes more than 256 MiB, or longer than an invocation may.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::finding::Severity,
    function::{Findings, Function},
};
use lastgood_tests::bench::crowd::{Counted, Crowd};
use snapshot_trigger::SnapshotTrigger;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

const LATENCY: Duration = Duration::from_millis(20);
/// What the checker's Lambda has, in MiB.
const MEMORY: u64 = 256;
const LONGEST: Duration = Duration::from_secs(900);

#[tokio::main]
async fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map_while(|arg| arg.parse().ok());
    let (members, backups) = (numbers.next().unwrap_or(1_000), numbers.next().unwrap_or(100));
    let crowd = Crowd::of(members, backups, LATENCY);
    println!(
        "a tick over {members} databases with {backups} backups and {} records each, {} ms an answer\n",
        crowd.records(),
        LATENCY.as_millis()
    );
    println!("{:<44} {:>8} {:>7} {:>8} {:>7} {:>7} {:>9}", "what", "seconds", "cpu", "calls", "/asset", "gets", "peak MiB");
    let mut met = true;
    for (what, function) in [
        ("freshness-checker, the first time", Tick::Check),
        ("freshness-checker, from then on", Tick::Check),
        ("snapshot-trigger, nothing due, the first time", Tick::Take),
        ("snapshot-trigger, nothing due, from then on", Tick::Take),
    ] {
        crowd.calls.take();
        let (began, cpu) = (Instant::now(), cpu_seconds());
        let env = crowd.env().await;
        match function {
            Tick::Check => {
                let status = FreshnessChecker::default().run(&env).await.expect("a status");
                let urgent = status.findings().into_iter().filter(|finding| finding.severity > Severity::Note).count();
                assert!(status.assets.len() == members && urgent == 0, "{urgent} findings");
            }
            Tick::Take => {
                let report = SnapshotTrigger::default().run(&env).await.expect("a report");
                assert!(report.entries.len() == members && report.findings().is_empty());
            }
        }
        let (took, counted, peak) = (began.elapsed(), crowd.calls.take(), peak_mebibytes());
        tell(what, took, cpu_seconds() - cpu, counted, members, peak);
        met &= took < LONGEST && peak <= MEMORY;
    }
    println!("\npeak is of the whole process so far, with what the functions wrote, which a vault would hold");
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Clone, Copy)]
enum Tick {
    Check,
    Take,
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls are exact enough")]
fn tell(what: &str, took: Duration, cpu: f64, counted: Counted, members: usize, peak: u64) {
    let each = counted.all() as f64 / members as f64;
    println!("{what:<44} {:>8.1} {cpu:>7.1} {:>8} {each:>7.1} {:>7} {peak:>9}", took.as_secs_f64(), counted.all(), counted.gets);
}

/// What the process has used of its processors, in seconds: 100 ticks each on every Linux that we know.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>()).unwrap_or_default();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    high.unwrap_or_default() / 1_024
}
