//! `make bench`: exports, verification and drills against the tools that everybody has, in one run, as ratios.
//!
//! `bench [LASTGOOD] [--runs N] [--clouds | --no-clouds]`; `LASTGOOD_BENCH_MB` is the size of the dump (1000). Pairs are interleaved and the ratio is
//! the median of pairs. Ends with 1 when a bound is missed; every row is printed either way.

use lastgood_tests::{
    bench::{
        Pair, Run,
        clouds::{self, Cloud},
        median, pipe, run,
        shop::{Format, Shop, pg_restore},
    },
    pg::program,
};
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

const RUNS: usize = 3;
const MEGABYTES: u64 = 1_000;
/// The most memory that our process may take, in MiB, whatever the size of the dump.
const MEMORY: f64 = 150.0;
/// The same where bytes go to a cloud: up to 64 MiB of parts are on their way besides.
const MEMORY_TO_A_CLOUD: f64 = 200.0;

#[tokio::main]
async fn main() -> ExitCode {
    let (lastgood, runs) = arguments();
    if !lastgood.is_file() {
        eprintln!("there is no {}: `cargo build --release -p lastgood` makes it", lastgood.display());
        return ExitCode::from(64);
    }
    #[expect(clippy::disallowed_methods, reason = "a bench is told its size where its user is")]
    let megabytes = std::env::var("LASTGOOD_BENCH_MB").ok().and_then(|text| text.parse().ok()).unwrap_or(MEGABYTES);
    println!("about {megabytes} MB of dump, {runs} interleaved runs each, medians\n");
    println!("{:<34} {:>10} {:>10}   {:>7}", "what", "ours", "theirs", "ratio");
    if said("--clouds") {
        return ended(&[clouds(&lastgood, megabytes, runs).await]);
    }
    let shop = Shop::open(&lastgood, megabytes).await;
    let met = [
        export(&shop, runs),
        verify(&shop, runs.max(5)),
        drill_custom(&shop, runs).await,
        export_directory(&shop, runs),
        drill_directory(&shop, runs).await,
        said("--no-clouds") || clouds(&lastgood, megabytes, runs).await,
    ];
    ended(&met)
}

fn ended(met: &[bool]) -> ExitCode {
    if met.iter().all(|met| *met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether nothing but the clouds is measured, or everything but them.
fn said(flag: &str) -> bool {
    std::env::args().any(|arg| arg == flag)
}

/// Up to the doubles of two clouds and down again, against rclone where it is installed.
async fn clouds(lastgood: &Path, megabytes: u64, runs: usize) -> bool {
    if !clouds::rclone() {
        println!("gs and az: not measured, for there is no rclone (tools/setup bench)");
        return true;
    }
    let (google, _server) = Cloud::google(lastgood, megabytes).await;
    let mut met = true;
    for pair in tokio::task::block_in_place(|| google.pairs(runs)) {
        met &= pair.tell() & within(&pair, MEMORY_TO_A_CLOUD);
    }
    let Some((azure, _azurite)) = Cloud::azure(lastgood, megabytes).await else {
        println!("az: not measured, for there is no Azurite (tools/setup test)");
        return met;
    };
    for pair in tokio::task::block_in_place(|| azure.pairs(runs)) {
        met &= pair.tell() & within(&pair, MEMORY_TO_A_CLOUD);
    }
    met
}

fn arguments() -> (PathBuf, usize) {
    let (mut lastgood, mut runs) = (None, RUNS);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.len()) {
            ("--runs", 1..) => runs = args.next().and_then(|count| count.parse().ok()).unwrap_or(RUNS).max(1),
            ("--clouds" | "--no-clouds", _) => {}
            _ => lastgood = Some(PathBuf::from(arg)),
        }
    }
    let beside = || {
        let own = std::env::current_exe().expect("the bench's own path");
        own.parent().and_then(Path::parent).expect("a target folder").join("release/lastgood")
    };
    (lastgood.unwrap_or_else(beside), runs)
}

fn pair(what: &str, reference: &str, bound: f64) -> Pair {
    Pair { what: what.to_owned(), reference: reference.to_owned(), ours: Vec::new(), theirs: Vec::new(), bound }
}

/// Exports with digest, manifest, read-back and sync against a bare pipe; then the pipes of the runbooks, once each.
fn export(shop: &Shop, runs: usize) -> bool {
    let file = shop.path("dump.zst");
    let zstd = || {
        let mut zstd = Command::new("zstd");
        zstd.args(["-1", "-q", "-c"]);
        zstd
    };
    let mut pair = pair("export custom, zstd, file vault", "pg_dump -Fc -Z0 | zstd -1 > file", 1.10);
    // Warms the server's cache and ours.
    pipe(shop.pg_dump().args(["-Fc", "-Z0"]), &mut zstd(), None);
    for _ in 0..runs {
        pair.theirs.push(pipe(shop.pg_dump().args(["-Fc", "-Z0"]), &mut zstd(), Some(&file)).wall);
        pair.ours.push(run(shop.lastgood(&["export", Format::Custom.asset()]).stdout(Stdio::null())));
    }
    let ours = median(pair.ours.iter().map(|run| run.wall).collect());
    let met = pair.tell() & small(&pair);
    let archive = run(shop.pg_dump().arg("-Fc").arg("--file").arg(shop.path("dump.gz"))).wall;
    let script = pipe(&mut shop.pg_dump(), &mut Command::new("gzip"), Some(&shop.path("sql.gz"))).wall;
    for (what, wall) in [("pg_dump -Fc", archive), ("pg_dump | gzip", script)] {
        println!("  {what:<32} {ours:>8.2} s {wall:>8.2} s   {:>5.1} times faster", wall / ours);
    }
    met
}

fn small(pair: &Pair) -> bool {
    within(pair, MEMORY)
}

fn within(pair: &Pair, most: f64) -> bool {
    let peak = pair.ours.iter().map(|run| run.rss).fold(0.0, f64::max);
    if peak > most {
        println!("  MISSED: it took {peak:.0} MiB of memory, at most {most:.0} MiB are allowed");
    }
    peak <= most
}

/// Reads every export back: all of them, so that starting a process does not count.
fn verify(shop: &Shop, runs: usize) -> bool {
    let files = shop.stored(Format::Custom);
    let mut pair = pair("verify every stored byte", "openssl dgst -sha256, same files", 1.25);
    for _ in 0..=runs {
        pair.theirs.push(run(Command::new("openssl").args(["dgst", "-sha256"]).args(&files).stdout(Stdio::null())).wall);
        pair.ours.push(run(shop.lastgood(&["verify", Format::Custom.asset(), "--all"]).stdout(Stdio::null())));
    }
    // The first pair warms the page cache.
    pair.theirs.remove(0);
    pair.ours.remove(0);
    pair.tell() & small(&pair)
}

async fn drill_custom(shop: &Shop, runs: usize) -> bool {
    let dump = shop.path("dump.zst");
    let mut pair = pair("drill custom, until validated *", "zstd -dc | pg_restore, same steps around it", 1.05);
    for _ in 0..runs {
        let theirs = shop.by_hand(|server| {
            pipe(Command::new("zstd").arg("-dc").arg(&dump), &mut pg_restore(server), None);
        });
        pair.theirs.push(theirs.await);
        pair.ours.push(shop.drill(Format::Custom));
    }
    pair.tell() & small(&pair)
}

/// Exports in the directory format: no slower than `pg_dump -j` as people run it, which compresses with gzip.
fn export_directory(shop: &Shop, runs: usize) -> bool {
    let folder = shop.path("dump.dir");
    let mut pair = pair("export directory, zstd, file vault", "pg_dump -Fd -j2 (gzip)", 1.0);
    for _ in 0..runs {
        let _ = std::fs::remove_dir_all(&folder);
        let dump: Run = run(shop.pg_dump().args(["-Fd", "-j2", "--no-sync"]).arg("--file").arg(&folder));
        pair.theirs.push(dump.wall);
        pair.ours.push(run(shop.lastgood(&["export", Format::Directory.asset()]).stdout(Stdio::null())));
    }
    pair.tell() & small(&pair)
}

async fn drill_directory(shop: &Shop, runs: usize) -> bool {
    let folder = shop.path("dump.dir");
    let mut pair = pair("drill directory, until validated *", "pg_restore -j2, same steps around it", 1.05);
    for _ in 0..runs {
        let theirs = shop.by_hand(|server| {
            run(pg_restore(server).arg("-j2").arg(&folder).stdout(Stdio::null()));
        });
        pair.theirs.push(theirs.await);
        pair.ours.push(shop.drill(Format::Directory));
    }
    let met = pair.tell() & small(&pair);
    println!("\n* from an empty folder: initdb, start, roles, restore, ANALYZE, a count of every row; ours also compares and checks");
    println!("  {}", version());
    met
}

fn version() -> String {
    let output = Command::new(program("pg_dump")).arg("--version").output().expect("pg_dump");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
