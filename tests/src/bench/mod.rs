//! What `make bench` measures with: whole processes, several interleaved runs, medians and ratios.
//!
//! Absolute times do not travel between machines; ratios from one run do.

pub mod clouds;
pub mod crowd;
pub mod shop;
pub mod year;

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// One measured run.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Wall time in seconds.
    pub wall: f64,
    /// The highest resident set of the process, in MiB; of a pipe, of its last process.
    pub rss: f64,
}

/// Runs a program to its end, its output as the caller arranged it. It must succeed.
pub fn run(command: &mut Command) -> Run {
    settle();
    let began = Instant::now();
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let peak = watch(child.id());
    let output = child.wait_with_output().expect("the program to end");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Run { wall: began.elapsed().as_secs_f64(), rss: peak.stop() }
}

/// Runs `first | second`, the second's output into `into` (or nowhere). Both must succeed.
pub fn pipe(first: &mut Command, second: &mut Command, into: Option<&Path>) -> Run {
    settle();
    let began = Instant::now();
    let mut producer = first.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the first program");
    let output = match into {
        Some(path) => Stdio::from(std::fs::File::create(path).expect("the output file")),
        None => Stdio::null(),
    };
    let stdin = producer.stdout.take().expect("the first program's output");
    let mut consumer = second.stdin(stdin).stdout(output).spawn().expect("the second program");
    let peak = watch(consumer.id());
    let ends = [consumer.wait().expect("an end"), producer.wait().expect("an end")];
    assert!(ends.iter().all(std::process::ExitStatus::success), "{first:?} | {second:?}");
    Run { wall: began.elapsed().as_secs_f64(), rss: peak.stop() }
}

/// Lets what earlier runs wrote reach the disk first: nobody pays for another's writes.
fn settle() {
    let _ = Command::new("sync").status();
}

struct Peak {
    kib: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

fn watch(pid: u32) -> Peak {
    let peak = Peak { kib: Arc::default(), over: Arc::default() };
    let (kib, over) = (peak.kib.clone(), peak.over.clone());
    std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok());
            kib.fetch_max(high.unwrap_or(0), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    peak
}

impl Peak {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred MiB are exact enough")]
    fn stop(self) -> f64 {
        self.over.store(true, Ordering::Relaxed);
        self.kib.load(Ordering::Relaxed) as f64 / 1024.0
    }
}

/// Two ways of doing the same, run in turn.
#[derive(Debug)]
pub struct Pair {
    /// What is done.
    pub what: String,
    /// How others do it.
    pub reference: String,
    /// Our runs.
    pub ours: Vec<Run>,
    /// Their runs, in seconds.
    pub theirs: Vec<f64>,
    /// What our time may be at most, as a multiple of theirs.
    pub bound: f64,
}

impl Pair {
    /// Prints one row: medians, ratio of pairs, bound; returns whether the bound was met.
    pub fn tell(&self) -> bool {
        let ours = median(self.ours.iter().map(|run| run.wall).collect());
        let theirs = median(self.theirs.clone());
        let ratio = median(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours.wall / theirs).collect());
        let rss = self.ours.iter().map(|run| run.rss).fold(0.0, f64::max);
        let met = ratio <= self.bound;
        println!(
            "{:<34} {ours:>8.2} s {theirs:>8.2} s   {ratio:>5.2} x  (at most {:.2} x) {:<5} peak {rss:>4.0} MiB   {}",
            self.what,
            self.bound,
            if met { "ok" } else { "MISSED" },
            self.reference
        );
        met
    }
}

/// The median of some numbers.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => numbers[n / 2],
        n => f64::midpoint(numbers[n / 2 - 1], numbers[n / 2]),
    }
}
