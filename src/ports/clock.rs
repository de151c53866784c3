//! Time, so that tests need not wait for it.

use std::time::Duration;

use async_trait::async_trait;

#[async_trait]
pub trait Clock: Send + Sync {
    /// Seconds since 1970, UTC.
    fn now(&self) -> jiff::Timestamp;

    async fn sleep(&self, duration: Duration);
}
