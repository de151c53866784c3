//! Who we are to a workspace.

use std::fmt;

use async_trait::async_trait;

use crate::domain::{Failure, Secret};

/// Why there is no token: already worded for people (the decoded claims beside what the
/// federation policy must match).
#[derive(Debug)]
pub struct IdentityError(pub Failure);

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for IdentityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

/// A source of bearer tokens that are good for at least another minute.
#[async_trait]
pub trait Identity: Send + Sync {
    /// The one workspace its tokens are for, as `https://…`: they are sent nowhere else.
    fn host(&self) -> &str;

    async fn token(&self) -> Result<Secret, IdentityError>;

    /// The workspace said 401 to this token: the next `token` must be another.
    async fn refused(&self, token: &Secret);
}
