//! `make bench`: the status page of 500 assets with a year of nightly backups, two copies and weekly drills each: how large it
//! is, how long it takes to write, and how long Chromium takes from asking for it to showing it.
//!
//! `page [ASSETS [DAYS]]`. Ends with 1 when it is larger than a megabyte, or is shown later than after a second.

use freshness_checker::page::{Evidence, page};
use lastgood_tests::{
    bench::{median, year},
    browser::{Browser, VIEWS},
};
use std::{process::ExitCode, time::Instant};

const RUNS: usize = 7;
const BYTES: usize = 1_000_000;
const SHOWN: f64 = 1.0;

#[tokio::main]
async fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map_while(|arg| arg.parse().ok());
    let (assets, days) = (numbers.next().unwrap_or(500), numbers.next().unwrap_or(365));
    let looked = year::looked(assets, days);
    let began = Instant::now();
    let html = page(&looked, &Evidence::Beside);
    println!("the page of {assets} assets × {days} days: {} bytes, written in {:.0?}", html.len(), began.elapsed());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("index.html");
    std::fs::write(&file, &html).expect("the page");
    let mut browser = Browser::start().await;
    let mut met = html.len() < BYTES;
    for view in [VIEWS[0], VIEWS[2]] {
        let mut shown = Vec::new();
        for _ in 0..RUNS {
            browser.open(&file, view).await;
            // Since the navigation began, in milliseconds; the frames after the page was complete are drawn by then.
            shown.push(browser.evaluate("performance.now()").await.as_f64().expect("a number") / 1_000.0);
        }
        let worst = shown.iter().copied().fold(0.0, f64::max);
        let median = median(shown);
        println!("  shown at {:>4} px: {median:.2} s in the middle of {RUNS}, {worst:.2} s at worst", view.width);
        met &= median < SHOWN;
    }
    if !met {
        println!("  MISSED: less than {BYTES} bytes and {SHOWN} s are asked for");
    }
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
