//! How long to wait before asking again, and when to give up.

use std::time::Duration;

use jiff::Timestamp;

/// Everything scales with one interval, so that a test that shortens it shortens the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    pub first: Duration,
    pub longest: Duration,
    /// From the first attempt on; then the last error is the answer.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self::with_interval(Duration::from_secs(1))
    }
}

impl Pace {
    pub fn with_interval(first: Duration) -> Self {
        Self { first, longest: first * 20, patience: first * 120 }
    }

    /// `DATABRICKS_BUNDLE_RETRY_INTERVAL_MS`, as the official CLI has it, shortens waits in tests.
    pub fn from_env(milliseconds: Option<&str>) -> Self {
        match milliseconds.and_then(|text| text.trim().parse().ok()) {
            Some(ms) => Self::with_interval(Duration::from_millis(ms)),
            None => Self::default(),
        }
    }
}

/// The waits of one request.
pub struct Backoff {
    pace: Pace,
    give_up_at: Timestamp,
    tried: u32,
    jitter: fn() -> f64,
}

impl Backoff {
    pub fn new(pace: Pace, now: Timestamp, deadline: Option<Timestamp>, jitter: fn() -> f64) -> Self {
        let patience = now.saturating_add(signed(pace.patience)).expect("a span of seconds");
        let give_up_at = deadline.map_or(patience, |deadline| deadline.min(patience));
        Self { pace, give_up_at, tried: 0, jitter }
    }

    /// None when waiting that long would be longer than we have. What the server asks for
    /// is obeyed to the second, and never cut short.
    pub fn next(&mut self, now: Timestamp, asked: Option<Duration>) -> Option<Duration> {
        let doubled = self.pace.first.saturating_mul(1 << self.tried.min(10)).min(self.pace.longest);
        self.tried += 1;
        // Between half and the whole: many runners that failed together must not come back together.
        let ours = doubled.mul_f64(0.5 + 0.5 * (self.jitter)());
        let wait = asked.unwrap_or(ours).max(Duration::from_millis(1));
        let then = now.saturating_add(signed(wait)).expect("a span of seconds");
        (then < self.give_up_at).then_some(wait)
    }
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

/// Between 0 and 1.
pub fn random() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(bits) / f64::from(u32::MAX)
}

/// `Retry-After`: seconds, or a date.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(then.duration_since(now).try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_patience() {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut backoff = Backoff::new(Pace::default(), now, None, || 1.0);
        let mut waits = Vec::new();
        while let Some(wait) = backoff.next(now, None) {
            waits.push(wait.as_secs());
            now += signed(wait);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 20, 20, 20, 20]);
    }

    #[test]
    fn what_the_server_asks_for_is_obeyed_or_we_give_up() {
        let now = Timestamp::UNIX_EPOCH;
        let mut backoff = Backoff::new(Pace::default(), now, None, || 0.0);
        assert_eq!(backoff.next(now, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(backoff.next(now, Some(Duration::from_secs(600))), None);
        let deadline = Some(now + signed(Duration::from_secs(3)));
        assert_eq!(Backoff::new(Pace::default(), now, deadline, || 0.0).next(now, Some(Duration::from_secs(7))), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        assert_eq!(retry_after(" 12 ", now), Some(Duration::from_secs(12)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 08:00:05 GMT", now), Some(Duration::from_secs(5)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 07:00:05 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
