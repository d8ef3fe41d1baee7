//! Thinned-out series: the median of each stretch of days, so that one odd night bends nothing and a year fits in a line.

use crate::clock::Timestamp;

const DAY: i64 = 86_400;

/// One point of a trend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// How many days before the present.
    pub days_ago: i64,
    /// The value.
    pub value: f64,
}

/// Returns the medians of each stretch, oldest first: about `points` of them at most. Stretches are as short as that allows.
pub fn trend(now: Timestamp, values: impl Iterator<Item = (Timestamp, f64)>, points: i64) -> Vec<Point> {
    let today = now.as_second().div_euclid(DAY);
    let mut dated: Vec<(i64, f64)> = values.map(|(at, value)| ((today - at.as_second().div_euclid(DAY)).max(0), value)).collect();
    dated.sort_by_key(|(days_ago, _)| std::cmp::Reverse(*days_ago));
    let Some(oldest) = dated.first().map(|(days_ago, _)| *days_ago) else { return Vec::new() };
    let stretch = (oldest + points.max(1)) / points.max(1);
    let of = |days_ago: i64| days_ago / stretch;
    dated.chunk_by(|a, b| of(a.0) == of(b.0)).filter_map(|chunk| Some(Point { days_ago: chunk.last()?.0, value: median(chunk)? })).collect()
}

fn median(chunk: &[(i64, f64)]) -> Option<f64> {
    let mut values: Vec<f64> = chunk.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::before;
    use std::time::Duration;

    #[test]
    fn a_year_becomes_a_line_and_one_odd_night_bends_nothing() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let values = |days: u64| {
            (0..days).map(move |day| {
                let value = if day == 180 { 1e12 } else { 100.0 };
                (before(now, Duration::from_hours(24 * day)), value)
            })
        };
        let year = trend(now, values(365), 53);
        assert!((50..=53).contains(&year.len()), "{}", year.len());
        assert!(year.iter().all(|point| (point.value - 100.0).abs() < 0.1));
        assert!(year.is_sorted_by(|a, b| a.days_ago > b.days_ago) && year.last().unwrap().days_ago == 0);
        assert_eq!(trend(now, values(10), 53).len(), 10, "a short history is shown day by day");
        assert!(trend(now, values(0), 53).is_empty());
    }
}
