//! The workspace's clock. It can be moved forward, so that a token expires in a test without anybody waiting for it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Default)]
pub(crate) struct Clock {
    ahead: AtomicI64,
}

impl Clock {
    /// Milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        i64::try_from(real).unwrap_or(i64::MAX) + self.ahead.load(Ordering::Relaxed)
    }

    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead.fetch_add(by, Ordering::Relaxed);
    }
}

/// `2026-01-31T10:00:00.000Z`, as the APIs write it.
pub(crate) fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |t| format!("{t:.3}"))
}
