//! Drawings as paths: a run of equal days is one stroke, a trend one line of relative steps. Every number is a whole pixel.

use lastgood_core::domain::history::{DAYS, Day, Point, Timeline};
use maud::{Markup, PreEscaped, html};
use std::fmt::Write;

/// Pixels of a day.
const DAY: usize = 3;
/// Pixels of a trend.
const WIDE: f64 = 180.0;
const HIGH: f64 = 40.0;

/// The last days in three lines: backups, copies, drills.
pub fn days(line: &Timeline, spoken: &str) -> Markup {
    let lanes = [(&line.backups, 6), (&line.copies, 20), (&line.drills, 34)];
    let path = |wanted: Day| lanes.iter().fold(String::new(), |path, (days, y)| path + &runs(days, wanted, *y));
    html! {
        svg.days role="img" aria-label=(spoken) {
            @for (class, wanted) in [("g", Day::Good), ("o", Day::Open), ("b", Day::Bad)] {
                @let path = path(wanted);
                @if !path.is_empty() { (stroke(Some(class), &path)) }
            }
        }
    }
}

/// One path. It holds nothing but what is written here, and is closed in itself: a thousand of them are some kilobytes less.
fn stroke(class: Option<&str>, path: &str) -> Markup {
    let class = class.map(|class| format!(" class={class}")).unwrap_or_default();
    PreEscaped(format!("<path{class} d=\"{path}\"/>"))
}

/// A stroke for each run of days of one kind.
fn runs(days: &[Day; DAYS], wanted: Day, y: usize) -> String {
    let (mut path, mut x) = (String::new(), 0);
    for run in days.chunk_by(|a, b| a == b) {
        if run[0] == wanted {
            // A string takes whatever is written to it.
            let _ = write!(path, "M{} {y}h{}", x * DAY, run.len() * DAY);
        }
        x += run.len();
    }
    path
}

/// A trend from zero up, with a line where the target is.
pub fn curve(points: &[Point], target: Option<f64>) -> Markup {
    let most = points.iter().map(|point| point.value).chain(target).fold(f64::MIN_POSITIVE, f64::max);
    let y = |value: f64| whole((HIGH - 2.0) * (1.0 - value / most) + 1.0);
    let oldest = points.first().map_or(1, |point| point.days_ago.max(1));
    #[expect(clippy::cast_precision_loss, reason = "days of a year")]
    let x = |point: &Point| whole(WIDE * (oldest - point.days_ago) as f64 / oldest as f64);
    let places: Vec<(i64, i64)> = points.iter().map(|point| (x(point), y(point.value))).collect();
    html! {
        svg.curve aria-hidden="true" {
            @if let Some(target) = target { (stroke(Some("x"), &format!("M0 {}h{WIDE}", y(target)))) }
            (stroke(None, &steps(&places)))
        }
    }
}

/// A line of relative steps, without what a reader of paths does not need.
fn steps(places: &[(i64, i64)]) -> String {
    let mut path = String::new();
    for (index, pair) in places.windows(2).enumerate() {
        let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        if index == 0 {
            let _ = write!(path, "M{} {}l", pair[0].0, pair[0].1);
        } else if dx >= 0 {
            path.push(' ');
        }
        let _ = write!(path, "{dx}{}{dy}", if dy < 0 { "" } else { " " });
    }
    path
}

#[expect(clippy::cast_possible_truncation, reason = "a pixel")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_days_is_one_stroke_and_a_gap_is_none() {
        let mut days = [Day::Good; DAYS];
        days[40] = Day::Nothing;
        days[41] = Day::Bad;
        assert_eq!(runs(&days, Day::Good, 6), "M0 6h120M126 6h144");
        assert_eq!(runs(&days, Day::Bad, 6), "M123 6h3");
        assert_eq!(runs(&days, Day::Open, 6), "");
    }

    #[test]
    fn a_trend_is_one_path_of_whole_steps() {
        assert_eq!(steps(&[(0, 20), (3, 18), (7, 18), (10, 25)]), "M0 20l3-2 4 0 3 7");
        let flat = [Point { days_ago: 10, value: 0.0 }, Point { days_ago: 0, value: 0.0 }];
        assert!(
            curve(&flat, None).into_string().contains("M0 39l180 0"),
            "nothing is divided by nothing: {}",
            curve(&flat, None).into_string()
        );
    }
}
