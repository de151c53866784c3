//! A length of time as people write it: `90s`, `15m`, `1h30m`.
//!
//! A bare number is refused: nobody remembers whether `30` was minutes or seconds.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Period(pub Duration);

impl Period {
    pub const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(minutes * 60))
    }

    /// Hours, minutes and seconds, in that order, each at most once; no longer than a week.
    pub fn parse(text: &str) -> Option<Self> {
        const WEEK: u64 = 7 * 24 * 3600;
        let mut rest = text;
        let mut seconds: u64 = 0;
        for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
            let Some(at) = rest.find(unit) else { continue };
            let number = &rest[..at];
            if number.is_empty() || number.len() > 6 || !number.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            seconds += number.parse::<u64>().ok()? * factor;
            rest = &rest[at + 1..];
        }
        let whole = rest.is_empty() && !text.is_empty() && seconds <= WEEK;
        whole.then_some(Self(Duration::from_secs(seconds)))
    }

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
        for (number, unit) in parts.iter().filter(|(number, _)| *number > 0) {
            write!(f, "{number}{unit}")?;
        }
        if seconds == 0 { f.write_str("0s") } else { Ok(()) }
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl TryFrom<String> for Period {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("is not a length of time, e.g. `15m`")
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "a length of time",
            "description": "hours, minutes, seconds, such as `1h30m`, `15m` or `90s`; at most a week",
            "type": "string",
            "pattern": "^(?=[0-9])([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$",
            "examples": ["15m"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_reads_back_as_it_is_written() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h30m", 5400), ("0s", 0), ("2h0m5s", 7205)] {
            let period = Period::parse(text).unwrap();
            assert_eq!(period.0.as_secs(), seconds, "{text}");
            assert_eq!(Period::parse(&period.to_string()), Some(period));
        }
        for text in ["", "15", "m", "1m1h", "1.5h", "-1m", "1m1m", "soon", "9999999s", "999h", "１m", " 1m"] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }
}
