//! The commits that the checkout itself has.

use async_trait::async_trait;

use super::github::Ancestry;

#[async_trait]
pub trait History: Send + Sync {
    /// Unknown where the checkout has too few of them to tell.
    async fn compare(&self, base: &str, head: &str) -> Ancestry;
}
