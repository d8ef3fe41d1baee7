//! Progress on stderr: bars on a terminal, a plain line at the start and end of each piece of work elsewhere.

use super::remark;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lastgood_core::env::{Gauge, Progress};
use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Returns what shows progress here.
pub fn shown() -> Arc<dyn Progress> {
    if std::io::stderr().is_terminal() { Arc::new(Bars::default()) } else { Arc::new(Lines) }
}

#[derive(Debug, Default)]
struct Bars {
    all: MultiProgress,
}

impl Progress for Bars {
    fn begin(&self, what: &str, total: Option<u64>) -> Box<dyn Gauge> {
        let bar = self.all.add(match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        });
        let template = match total {
            Some(_) => "{msg:<34!} {bar:28} {decimal_bytes:>10}/{decimal_total_bytes:<10} {decimal_bytes_per_sec:>12} eta {eta}",
            None => "{msg:<34!} {spinner} {decimal_bytes:>10} {decimal_bytes_per_sec:>12} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Box::new(Bar(bar))
    }
}

struct Bar(ProgressBar);

impl Gauge for Bar {
    fn add(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[derive(Debug)]
struct Lines;

impl Progress for Lines {
    fn begin(&self, what: &str, _: Option<u64>) -> Box<dyn Gauge> {
        remark(&format!("{what} …"));
        Box::new(Line { what: what.to_owned(), moved: AtomicU64::new(0) })
    }
}

struct Line {
    what: String,
    moved: AtomicU64,
}

impl Gauge for Line {
    fn add(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        remark(&format!("{}: {}", self.what, super::table::bytes(self.moved.load(Ordering::Relaxed))));
    }
}
