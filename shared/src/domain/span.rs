//! A length of time as an operator writes it: `90s`, `15m`, `26h`, `35d`, `2w`.

use crate::error::{Error, invalid};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A length of time, whole seconds, more than zero and at most ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[1-9][0-9]*[smhdw]$"))]
pub struct Span(Duration);

impl Span {
    /// A span of `hours` hours.
    pub const fn hours(hours: u64) -> Self {
        Self(Duration::from_secs(hours * 3_600))
    }

    /// A span of `minutes` minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(minutes * 60))
    }

    /// Returns the span as a duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = UNITS.iter().find_map(|(unit, seconds)| {
            let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
            count.checked_mul(*seconds).filter(|total| (1..=3_660 * 86_400).contains(total))
        });
        parsed.map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(|| {
            invalid(format!("{:?} is not a length of time", crate::redact::clip(text, 40)))
                .hint("write a whole number and a unit, such as 90s, 15m, 26h, 35d or 2w, up to ten years")
        })
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    /// The largest unit that says the span exactly, except that days are kept in hours up to 72h, as runbooks do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let exact = |(unit, size): &&(&str, u64)| seconds.is_multiple_of(*size) && (*unit != "w") && (*unit != "d" || seconds > 72 * 3_600);
        let (unit, size) = UNITS.iter().find(exact).unwrap_or(&("s", 1));
        f.pad(&format!("{}{unit}", seconds / size))
    }
}

/// Returns a duration for people: the two largest units, `2d 3h`, `4m 10s`, `0.8s`.
pub fn human(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        return format!("{:.1}s", duration.as_secs_f64());
    }
    let mut left = duration.as_secs();
    let mut said = Vec::new();
    for (unit, size) in &UNITS[1..] {
        if left >= *size || !said.is_empty() {
            said.push((left / size, unit));
            left %= size;
        }
    }
    let said: Vec<_> = said.into_iter().take(2).filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_write_as_operators_do() {
        for text in ["90s", "15m", "26h", "24h", "35d", "4h"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("2w".parse::<Span>().unwrap().to_string(), "14d");
        for text in ["", "0h", "-1h", "1", "h", "1.5h", "99999999999999999999d", "11000d", "1 h", "1H"] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn people_read_two_units() {
        assert_eq!(human(Duration::from_hours(51)), "2d 3h");
        assert_eq!(human(Duration::from_millis(812)), "0.8s");
        assert_eq!(human(Duration::from_hours(1)), "1h");
        assert_eq!(human(Duration::from_secs(250)), "4m 10s");
    }
}
