//! A personal access token: the fallback, warned about by whoever chose it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::client::checked_host;
use crate::adapters::host::Masker;
use crate::domain::{Failure, Reason, Secret};
use crate::ports::{Identity, IdentityError};

pub struct PersonalToken {
    host: String,
    token: Secret,
    /// There is no other token to go on with.
    refused: AtomicBool,
}

impl PersonalToken {
    pub fn new(host: &str, token: Secret, masker: &Arc<Masker>) -> Result<Self, Failure> {
        masker.mask(&token);
        Ok(Self { host: checked_host(host)?, token, refused: AtomicBool::new(false) })
    }
}

#[async_trait]
impl Identity for PersonalToken {
    fn host(&self) -> &str {
        &self.host
    }

    async fn token(&self) -> Result<Secret, IdentityError> {
        if !self.refused.load(Ordering::SeqCst) {
            return Ok(self.token.clone());
        }
        let message = format!("sign in to {}: the workspace does not accept the personal token", self.host);
        Err(IdentityError(
            Failure::new(Reason::Unauthorized, message)
                .hint("it is expired, revoked or of another workspace; make a new one, or let the job sign in by OIDC"),
        ))
    }

    async fn refused(&self, token: &Secret) {
        if token.expose() == self.token.expose() {
            self.refused.store(true, Ordering::SeqCst);
        }
    }
}
