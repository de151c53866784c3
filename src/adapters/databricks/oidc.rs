//! A workspace's token for a GitHub job: no stored secret, about five minutes of life.
//!
//! ID token, exchange, cache until a minute before the end. The ID token is asked for anew
//! each time: it lives no longer than what it is exchanged for, so a kept one would fail
//! exactly when it is needed. One lock around cache and exchange makes a hundred waiting
//! requests wait for one exchange instead of making a hundred.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, OnceCell};

use super::claims::UnverifiedClaims;
use super::client::checked_host;
use super::discovery::{AccessToken, AuthorizationServer, Exchange, HostConfig, IdToken};
use super::reply;
use crate::adapters::host::Masker;
use crate::adapters::http::{Fault, KNOCKS};
use crate::adapters::retry::{Backoff, Pace, random, retry_after};
use crate::domain::{Failure, Reason, Secret};
use crate::ports::{Clock, Identity, IdentityError, RestError};

/// A token is renewed this long before its end, or at half its life if that is shorter.
const MARGIN: i64 = 60;
const DEFAULT_LIFE: i64 = 300;
const TIMEOUT: Duration = Duration::from_secs(30);

pub struct OidcSettings {
    pub host: String,
    /// The service principal's application id; without it an account-wide policy is used.
    pub client_id: Option<String>,
    pub audience: Option<String>,
    /// `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub request_url: Option<String>,
    pub request_token: Option<Secret>,
    pub pace: Pace,
}

pub struct GithubOidc {
    host: String,
    settings: OidcSettings,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    masker: Arc<Masker>,
    exchange: OnceCell<Exchange>,
    cached: Mutex<Option<Cached>>,
}

struct Cached {
    token: Secret,
    renew_at: Timestamp,
}

/// An answer of any status.
struct Answer {
    status: u16,
    location: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn error(&self) -> RestError {
        reply::error(self.status, self.location.as_deref(), &self.body)
    }
}

impl GithubOidc {
    pub fn new(
        settings: OidcSettings,
        http: reqwest::Client,
        clock: Arc<dyn Clock>,
        masker: Arc<Masker>,
    ) -> Result<Self, Failure> {
        if let Some(token) = &settings.request_token {
            masker.mask(token);
        }
        let host = checked_host(&settings.host)?;
        Ok(Self { host, settings, http, clock, masker, exchange: OnceCell::new(), cached: Mutex::new(None) })
    }

    async fn mint(&self) -> Result<Cached, Failure> {
        let exchange = self.exchange.get_or_try_init(|| self.discover()).await?;
        let id_token = self.id_token(&exchange.audience).await?;
        let asked_at = self.clock.now();
        let answer = self.swap(&exchange.token_endpoint, &id_token).await?;
        if !answer.is_good() {
            return Err(self.refusal(&answer.error(), &id_token));
        }
        let reply: AccessToken = serde_json::from_slice(&answer.body).map_err(|error| {
            Failure::new(Reason::MalformedReply, format!("read the token that {} answered with", self.host))
                .because(without_values(&error))
        })?;
        let token = Secret::new(reply.access_token);
        self.masker.mask(&token);
        let life = reply.expires_in.unwrap_or(DEFAULT_LIFE).max(0);
        let good_for = life - MARGIN.min(life / 2);
        Ok(Cached { token, renew_at: asked_at + SignedDuration::from_secs(good_for) })
    }

    async fn discover(&self) -> Result<Exchange, Failure> {
        let doing = || format!("find where {} exchanges tokens", self.host);
        let url = format!("{}/.well-known/databricks-config", self.host);
        // Older workspaces lack this page; the standard one below is then at its usual place.
        let config: HostConfig = match self.get(&url, None).await {
            Ok(answer) if answer.is_good() => serde_json::from_slice(&answer.body).unwrap_or_default(),
            Ok(_) => HostConfig::default(),
            Err(error) => return Err(RestError::NotSent(error).into_failure(doing())),
        };
        let url = config.metadata_url(&self.host);
        self.only_this_host(&url)?;
        let answer = self.get(&url, None).await.map_err(|e| RestError::NotSent(e).into_failure(doing()))?;
        if !answer.is_good() {
            let hint = "`host` must be a workspace's own address, as in the browser up to the first `/`";
            return Err(answer.error().into_failure(doing()).hint(hint));
        }
        let server: AuthorizationServer = parse(&answer.body, doing)?;
        self.only_this_host(&server.token_endpoint)?;
        let audience = self.settings.audience.clone();
        let audience = audience.or_else(|| config.token_federation_default_oidc_audiences.first().cloned());
        let audience = audience.unwrap_or_else(|| server.token_endpoint.clone());
        Ok(Exchange { token_endpoint: server.token_endpoint, audience })
    }

    /// A page that a workspace serves must not send our ID token elsewhere.
    fn only_this_host(&self, url: &str) -> Result<(), Failure> {
        let origin = url::Url::parse(url).map(|url| url.origin().ascii_serialization());
        if origin.is_ok_and(|origin| origin == self.host) {
            return Ok(());
        }
        let message = format!("exchange tokens at {}: it points to another host", self.host);
        Err(Failure::new(Reason::HostNotAllowed, message)
            .hint("`host` must be the workspace's own address; no token was sent"))
    }

    async fn id_token(&self, audience: &str) -> Result<Secret, Failure> {
        let (Some(url), Some(bearer)) = (&self.settings.request_url, &self.settings.request_token) else {
            return Err(Failure::new(
                Reason::OidcUnavailable,
                "get an ID token from GitHub: the job may not ask for one".to_owned(),
            )
            .hint(
                "give the job `permissions: id-token: write`; jobs for forks and for Dependabot never have it, \
                 and on a laptop a profile or `DATABRICKS_TOKEN` is used instead",
            ));
        };
        let doing = || "get an ID token from GitHub".to_owned();
        let mut url = url::Url::parse(url).map_err(|error| {
            Failure::new(Reason::OidcUnavailable, doing())
                .because(error)
                .hint("the runner set no usable address for it")
        })?;
        url.query_pairs_mut().append_pair("audience", audience);
        let unavailable = |error: RestError| {
            let mut failure = error.into_failure(doing());
            failure.reason = Reason::OidcUnavailable;
            failure.hint("run the job again; if it stays so, see githubstatus.com")
        };
        let answer = self.get(url.as_str(), Some(bearer)).await.map_err(|e| unavailable(RestError::NotSent(e)))?;
        if !answer.is_good() {
            return Err(unavailable(answer.error()));
        }
        let reply: IdToken = parse(&answer.body, doing)?;
        let token = Secret::new(reply.value);
        self.masker.mask(&token);
        Ok(token)
    }

    async fn swap(&self, endpoint: &str, id_token: &Secret) -> Result<Answer, Failure> {
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("subject_token", id_token.expose()),
            ("scope", "all-apis"),
        ];
        if let Some(id) = &self.settings.client_id {
            form.push(("client_id", id));
        }
        let send = || self.http.post(endpoint).timeout(TIMEOUT).form(&form);
        let doing = || format!("exchange the GitHub ID token for a Databricks token at {}", self.host);
        self.patiently(send).await.map_err(|error| RestError::NotSent(error).into_failure(doing()))
    }

    fn refusal(&self, error: &RestError, id_token: &Secret) -> Failure {
        let principal = self.settings.client_id.as_deref();
        let doing = format!("exchange the GitHub ID token for a Databricks token at {}", self.host);
        if error.status().is_some_and(|status| status >= 500 || status == 429) {
            return error.clone().into_failure(doing);
        }
        let said = self.masker.redact(&error.to_string()).into_owned();
        let message = format!("{doing}: the workspace refused it: {said}");
        match UnverifiedClaims::of(id_token) {
            Some(claims) => Failure::new(Reason::TokenRefused, format!("{message}\n{}", claims.explain(principal)))
                .hint(claims.hint(principal)),
            None => Failure::new(Reason::TokenRefused, message).hint("GitHub's ID token cannot be decoded"),
        }
    }

    async fn get(&self, url: &str, bearer: Option<&Secret>) -> Result<Answer, String> {
        self.patiently(|| {
            let request = self.http.get(url).timeout(TIMEOUT).header("Accept", "application/json");
            match bearer {
                Some(token) => request.bearer_auth(token.expose()),
                None => request,
            }
        })
        .await
    }

    /// Each of these requests may be repeated: they only make tokens. Gives up after a minute.
    async fn patiently(&self, request: impl Fn() -> reqwest::RequestBuilder) -> Result<Answer, String> {
        let pace = Pace { patience: self.settings.pace.patience / 2, ..self.settings.pace };
        let mut backoff = Backoff::new(pace, self.clock.now(), None, random);
        let mut knocks = 0;
        loop {
            let (failed, asked) = match attempt(request()).await {
                Ok((answer, asked)) if matches!(answer.status, 429 | 502..=504) => (Ok(answer), asked),
                Ok((answer, _)) => return Ok(answer),
                Err(Fault::Lost(why)) => (Err(why), None),
                Err(Fault::NotSent(why)) => {
                    knocks += 1;
                    if knocks == KNOCKS || Fault::NotSent(why.clone()).is_final() {
                        return Err(why);
                    }
                    (Err(why), None)
                }
            };
            let now = self.clock.now();
            let asked = asked.and_then(|value| retry_after(&value, now));
            match backoff.next(now, asked) {
                Some(wait) => self.clock.sleep(wait).await,
                None => return failed,
            }
        }
    }
}

async fn attempt(request: reqwest::RequestBuilder) -> Result<(Answer, Option<String>), Fault> {
    let fault = |error: reqwest::Error| Fault::of(&error, TIMEOUT);
    let response = request.send().await.map_err(fault)?;
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (status, location, asked) = (response.status().as_u16(), header("location"), header("retry-after"));
    let body = response.bytes().await.map_err(fault)?.to_vec();
    Ok((Answer { status, location, body }, asked))
}

fn parse<T: DeserializeOwned>(body: &[u8], doing: impl Fn() -> String) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::new(Reason::MalformedReply, doing()).because(without_values(&error)))
}

/// serde's message may quote the value it stumbled over, and here values are tokens.
fn without_values(error: &serde_json::Error) -> String {
    format!("the answer is not the JSON that is documented (line {}, column {})", error.line(), error.column())
}

#[async_trait]
impl Identity for GithubOidc {
    fn host(&self) -> &str {
        &self.host
    }

    async fn token(&self) -> Result<Secret, IdentityError> {
        let mut cached = self.cached.lock().await;
        if let Some(cached) = cached.as_ref().filter(|cached| self.clock.now() < cached.renew_at) {
            return Ok(cached.token.clone());
        }
        *cached = None;
        let fresh = self.mint().await.map_err(IdentityError)?;
        let token = fresh.token.clone();
        *cached = Some(fresh);
        Ok(token)
    }

    async fn refused(&self, token: &Secret) {
        let mut cached = self.cached.lock().await;
        // Another request may have renewed it meanwhile.
        if cached.as_ref().is_some_and(|cached| cached.token.expose() == token.expose()) {
            *cached = None;
        }
    }
}
