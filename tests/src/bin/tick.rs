//! `make bench`: a tick over a fleet of a thousand databases with a hundred backups each. Prints how much is asked, how long it
//! takes when every answer takes 20 ms, how much of that is ours, and how much memory it takes at its peak.
//!
//! Each tick is a process of its own, as a Lambda's is, and what it writes goes to a folder: its memory is the function's,
//! with the answers that the crowd is making up meanwhile, and with nothing that a vault would hold.
//!
//! `tick s3 [MEMBERS [BACKUPS]]` lets the checker look at a vault behind the S3 protocol, which another process serves without
//! delay (`relist_every: 24h`), and ends with 1 when a look at what was well and untouched takes longer than 10 s or more than 200 MiB.
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
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

const LATENCY: Duration = Duration::from_millis(20);
/// What a light function's Lambda should do with, in MiB.
const MEMORY: u64 = 256;
const LONGEST: Duration = Duration::from_secs(900);
/// The argument that makes this the process of one row: its number, the folder and the two sizes follow.
const ROW: &str = "--row";

/// What a look over a fast S3 server may take.
const FAST: (Duration, u64) = (Duration::from_secs(10), 200);
/// The argument that makes this the process of one look over S3: the server's address and the two sizes follow.
const LOOK: &str = "--look";

const ROWS: [(&str, Tick); 4] = [
    ("freshness-checker, the first time", Tick::Check),
    ("freshness-checker, from then on", Tick::Check),
    ("snapshot-trigger, nothing due, the first time", Tick::Take),
    ("snapshot-trigger, nothing due, from then on", Tick::Take),
];

#[derive(Clone, Copy)]
enum Tick {
    Check,
    Take,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|arg| arg.parse::<usize>().ok());
    let met = if args.first().is_some_and(|arg| arg == ROW) {
        let (row, folder) = (number(1).expect("a row"), args.get(2).expect("a folder"));
        let (members, backups) = (number(3).expect("members"), number(4).expect("backups"));
        one(ROWS[row], Path::new(folder), members, backups).await
    } else if args.first().is_some_and(|arg| arg == LOOK) {
        let server = args.get(1).and_then(|address| address.parse().ok()).expect("an address");
        look(server, number(2).expect("members"), number(3).expect("backups")).await
    } else if args.first().is_some_and(|arg| arg == "s3") {
        over_s3(number(1).unwrap_or(1_000), number(2).unwrap_or(400)).await
    } else {
        all(number(0).unwrap_or(1_000), number(1).unwrap_or(100))
    };
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Looks at a vault that this process serves: each is a process of its own. All is well and nobody touches a record since this
/// process looked at all of it, without the protocol: so these looks are short.
async fn over_s3(members: usize, backups: usize) -> bool {
    let crowd = Crowd::of(members, backups, Duration::ZERO).relisted_every("24h");
    println!("looks at {members} databases with {backups} backups and {} records each, over S3\n", crowd.records());
    let began = Instant::now();
    let status = FreshnessChecker::default().run(&crowd.env().await).await.expect("a status");
    assert_eq!(status.assets.len(), members);
    let Counted { lists, gets, .. } = crowd.calls.take();
    println!("seen whole in {:.0} s: pages of listings {lists}, objects read {gets}\n", began.elapsed().as_secs_f64());
    let (calls, server) = (crowd.calls.clone(), crowd.served().await.to_string());
    let program = std::env::current_exe().expect("this program");
    let mut met = true;
    for _ in 0..3 {
        let sizes = [members, backups].map(|number| number.to_string());
        let status = tokio::process::Command::new(&program).arg(LOOK).arg(&server).args(sizes).status().await.expect("a process");
        let Counted { lists, gets, heads, puts, .. } = calls.take();
        println!("    pages of listings {lists}, objects read {gets}, looked at {heads}, written {puts}\n");
        met &= status.success();
    }
    met
}

async fn look(server: std::net::SocketAddr, members: usize, backups: usize) -> bool {
    lastgood_core::providers::tls::settle();
    let crowd = Crowd::of(members, backups, Duration::ZERO).relisted_every("24h");
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let env = crowd.env_over_s3(server).await;
    let status = FreshnessChecker::default().run(&env).await.expect("a status");
    assert_eq!(status.assets.len(), members);
    let urgent: Vec<_> = status.findings().into_iter().filter(|finding| finding.severity > Severity::Note).take(3).collect();
    assert!(urgent.is_empty(), "{urgent:?}");
    let (took, peak) = (began.elapsed(), peak_mebibytes());
    println!("freshness-checker: {:.1} s, of which {:.1} s ours, {peak} MiB", took.as_secs_f64(), cpu_seconds() - cpu);
    took <= FAST.0 && peak <= FAST.1
}

/// Every row, one process after the other.
fn all(members: usize, backups: usize) -> bool {
    println!(
        "a tick over {members} databases with {backups} backups and {} records each, {} ms an answer\n",
        Crowd::of(members, backups, LATENCY).records(),
        LATENCY.as_millis()
    );
    println!("{:<44} {:>8} {:>7} {:>8} {:>7} {:>7} {:>9}", "what", "seconds", "cpu", "calls", "/asset", "gets", "peak MiB");
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::current_exe().expect("this program");
    let row = |row: usize| {
        let args = [row, members, backups].map(|number| number.to_string());
        let mut command = Command::new(&program);
        command.args([ROW, &args[0]]).arg(folder.path()).args(&args[1..]);
        command.status().expect("a process").success()
    };
    (0..ROWS.len()).map(row).fold(true, |met, row| met & row)
}

async fn one((what, tick): (&str, Tick), folder: &Path, members: usize, backups: usize) -> bool {
    let crowd = Crowd::of(members, backups, LATENCY).kept_in(folder);
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let env = crowd.env().await;
    match tick {
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
    took < LONGEST && peak <= MEMORY
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
