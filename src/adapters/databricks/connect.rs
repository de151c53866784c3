//! From an address and a way to sign in to a workspace: what every caller would otherwise
//! put together alike. One HTTP client for all workspaces of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::{Settings, Workspace};
use super::oidc::{GithubOidc, OidcSettings};
use super::personal::PersonalToken;
use crate::adapters::host::Masker;
use crate::adapters::http;
use crate::adapters::retry::Pace;
use crate::domain::{Failure, Secret};
use crate::ports::{Clock, Identity};

pub struct Connector {
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    masker: Arc<Masker>,
    pace: Pace,
    workspace_id: Option<String>,
    /// How the job asks GitHub for an ID token; absent without `id-token: write`.
    request_url: Option<String>,
    request_token: Option<Secret>,
}

/// A workspace, and who we are there: another engine signs in by itself.
#[derive(Clone)]
pub struct Connection {
    pub workspace: Arc<Workspace>,
    pub identity: Arc<dyn Identity>,
}

impl Connector {
    /// Masks the job's bearer for ID tokens at once. Nothing is sent before a call is made.
    pub fn from_env(
        env: &BTreeMap<String, String>,
        clock: Arc<dyn Clock>,
        masker: Arc<Masker>,
    ) -> Result<Self, Failure> {
        let var = |name: &str| env.get(name).filter(|value| !value.is_empty());
        let request_token = var("ACTIONS_ID_TOKEN_REQUEST_TOKEN").map(Secret::new);
        if let Some(token) = &request_token {
            masker.mask(token);
        }
        Ok(Self {
            http: http::client(&http::user_agent(var("GITHUB_ACTIONS").is_some()))?,
            clock,
            masker,
            pace: Pace::from_env(var("DATABRICKS_BUNDLE_RETRY_INTERVAL_MS").map(String::as_str)),
            workspace_id: var("DATABRICKS_WORKSPACE_ID").cloned(),
            request_url: var("ACTIONS_ID_TOKEN_REQUEST_URL").cloned(),
            request_token,
        })
    }

    /// As the service principal `client_id`; without one, by a policy of the account.
    pub fn by_oidc(&self, host: &str, client_id: Option<&str>, audience: Option<&str>) -> Result<Connection, Failure> {
        let settings = OidcSettings {
            host: host.to_owned(),
            client_id: client_id.map(str::to_owned),
            audience: audience.map(str::to_owned),
            request_url: self.request_url.clone(),
            request_token: self.request_token.clone(),
            pace: self.pace,
        };
        let (http, clock) = (self.http.clone(), Arc::clone(&self.clock));
        let identity = GithubOidc::new(settings, http, clock, Arc::clone(&self.masker))?;
        self.by(host, Arc::new(identity))
    }

    /// By a personal token, an input's or a profile's. The caller warns.
    pub fn by_token(&self, host: &str, token: Secret) -> Result<Connection, Failure> {
        self.by(host, Arc::new(PersonalToken::new(host, token, &self.masker)?))
    }

    fn by(&self, host: &str, identity: Arc<dyn Identity>) -> Result<Connection, Failure> {
        let mut settings = Settings::new(host);
        settings.pace = self.pace;
        settings.workspace_id.clone_from(&self.workspace_id);
        let (http, clock) = (self.http.clone(), Arc::clone(&self.clock));
        let workspace = Workspace::new(settings, http, Arc::clone(&identity), clock, Arc::clone(&self.masker))?;
        Ok(Connection { workspace: Arc::new(workspace), identity })
    }
}
