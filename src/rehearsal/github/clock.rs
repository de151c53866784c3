//! The stand-in's clock. It can be moved forward, so that a token expires in a test without anybody waiting.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead: AtomicI64,
}

impl Clock {
    /// Seconds since the epoch.
    pub fn now(&self) -> i64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        i64::try_from(real).unwrap_or(i64::MAX) + self.ahead.load(Ordering::Relaxed)
    }

    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// `2026-01-31T10:00:00Z`, as the API writes it.
pub(super) fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}

/// The same, or null.
pub(super) fn maybe(seconds: Option<i64>) -> Value {
    seconds.map_or(Value::Null, |seconds| rfc3339(seconds).into())
}
