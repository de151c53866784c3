//! A clock that stands still until somebody sleeps; then it is later at once.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use mlops_deploy::ports::Clock;

pub struct StillClock {
    now: Mutex<Timestamp>,
    slept: Mutex<Vec<Duration>>,
}

impl StillClock {
    pub fn new() -> Self {
        Self { now: Mutex::new("2026-11-21T08:00:00Z".parse().unwrap()), slept: Mutex::default() }
    }

    pub fn pass(&self, seconds: i64) {
        *self.now.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    pub fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

#[async_trait]
impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.now.lock().unwrap() += SignedDuration::try_from(duration).unwrap();
        self.slept.lock().unwrap().push(duration);
        tokio::task::yield_now().await;
    }
}
