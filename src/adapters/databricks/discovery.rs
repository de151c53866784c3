//! Where a workspace exchanges tokens, and for which audience: what it says about itself.

use serde::Deserialize;

/// `/.well-known/databricks-config`. Older workspaces do not have it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HostConfig {
    pub oidc_endpoint: Option<String>,
    pub account_id: Option<String>,
    pub token_federation_default_oidc_audiences: Vec<String>,
}

impl HostConfig {
    /// Where the authorization server describes itself.
    pub fn metadata_url(&self, host: &str) -> String {
        let endpoint = match self.oidc_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) {
            Some(endpoint) => endpoint
                .replace("{account_id}", self.account_id.as_deref().unwrap_or_default())
                .trim_end_matches('/')
                .to_owned(),
            None => format!("{host}/oidc"),
        };
        format!("{endpoint}/.well-known/oauth-authorization-server")
    }
}

/// RFC 8414, as far as we need it.
#[derive(Clone, Debug, Deserialize)]
pub struct AuthorizationServer {
    pub token_endpoint: String,
}

/// Where to exchange, and what the ID token must be made out to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub token_endpoint: String,
    pub audience: String,
}

/// GitHub's answer.
#[derive(Deserialize)]
pub struct IdToken {
    pub value: String,
}

/// RFC 8693's answer.
#[derive(Deserialize)]
pub struct AccessToken {
    pub access_token: String,
    /// Absent: as long as an ID token lives.
    pub expires_in: Option<i64>,
}
