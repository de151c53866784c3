//! `Rest` over HTTP.
//!
//! Retrying asks two things: was it sent, and is repeating it harmless? What never left or
//! was turned away at the door (429, 401) is sent again whatever it is; what may have
//! arrived is sent again only when it is a read or says that it is repeatable.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::io::AsyncWriteExt;

use super::limiter::{Bounds, Limiter};
use super::reply;
use crate::adapters::host::Masker;
use crate::adapters::http::{Fault, KNOCKS};
use crate::adapters::retry::{Backoff, Pace, random, retry_after};
use crate::domain::{Failure, Reason, Secret};
use crate::ports::{Body, Clock, Identity, IdentityError, Method, Reply, Request, Rest, RestError};

/// A request's own time; uploads of big files set a longer one.
const TIMEOUT: Duration = Duration::from_secs(60);

pub struct Settings {
    /// `https://…`; a trailing slash is dropped.
    pub host: String,
    pub pace: Pace,
    pub bounds: Bounds,
    /// Nothing is sent after it.
    pub deadline: Option<Timestamp>,
    /// Sent along where one host serves several workspaces.
    pub workspace_id: Option<String>,
    pub jitter: fn() -> f64,
}

impl Settings {
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            pace: Pace::default(),
            bounds: Bounds::default(),
            deadline: None,
            workspace_id: None,
            jitter: random,
        }
    }
}

/// One workspace.
pub struct Workspace {
    host: String,
    http: reqwest::Client,
    identity: Arc<dyn Identity>,
    clock: Arc<dyn Clock>,
    masker: Arc<Masker>,
    limiter: Limiter,
    settings: Settings,
    sent: AtomicU64,
}

impl Workspace {
    pub fn new(
        settings: Settings,
        http: reqwest::Client,
        identity: Arc<dyn Identity>,
        clock: Arc<dyn Clock>,
        masker: Arc<Masker>,
    ) -> Result<Self, Failure> {
        let host = checked_host(&settings.host)?;
        if identity.host() != host {
            let message = format!("sign in to {host}: the identity is for {} alone", identity.host());
            return Err(Failure::new(Reason::HostNotAllowed, message).hint("no token was minted"));
        }
        let limiter = Limiter::new(settings.bounds);
        Ok(Self { host, http, identity, clock, masker, limiter, settings, sent: AtomicU64::new(0) })
    }

    /// How many requests have left, repeated ones counted.
    pub fn requests_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A workspace's address in the form we use: scheme and authority, nothing else. A bearer
/// token goes over TLS; only to this machine itself it may go without (stand-ins, proxies).
pub fn checked_host(host: &str) -> Result<String, Failure> {
    let bad = |why: &str| {
        Failure::new(Reason::InvalidInput, format!("use `{host}` as a workspace: {why}"))
            .hint("write it as `https://dbc-1234.cloud.databricks.com`")
    };
    let url = url::Url::parse(host.trim()).map_err(|_| bad("it is not an address"))?;
    let name = url.host_str().ok_or_else(|| bad("it is not an address"))?;
    let local = name == "localhost" || name == "[::1]" || name.starts_with("127.");
    if url.scheme() != "https" && !(url.scheme() == "http" && local) {
        return Err(bad("a token is only sent over https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("an address holds no user name or password"));
    }
    Ok(url.origin().ascii_serialization())
}

#[async_trait]
impl Rest for Workspace {
    fn host(&self) -> &str {
        &self.host
    }

    async fn call(&self, request: Request) -> Result<Reply, RestError> {
        Call::new(self, &request).run().await
    }

    async fn download(&self, request: Request, to: &Path) -> Result<Reply, RestError> {
        Call { into: Some(to), ..Call::new(self, &request) }.run().await
    }
}

/// One request with its repetitions.
struct Call<'a> {
    workspace: &'a Workspace,
    request: &'a Request,
    /// Where the body of a good answer goes.
    into: Option<&'a Path>,
    backoff: Backoff,
    /// An earlier attempt may have been applied; then no later answer makes it unsent.
    maybe_applied: bool,
    refreshed: bool,
    /// How often nobody opened.
    knocks: u32,
}

/// What an attempt asks for.
enum Next {
    Done(Result<Reply, RestError>),
    /// Again after a wait, if there is time; else this is the answer.
    Again {
        error: RestError,
        asked: Option<Duration>,
    },
    /// At once, with another token.
    Refresh,
}

impl<'a> Call<'a> {
    fn new(workspace: &'a Workspace, request: &'a Request) -> Self {
        let settings = &workspace.settings;
        let backoff = Backoff::new(settings.pace, workspace.clock.now(), settings.deadline, settings.jitter);
        Self { workspace, request, into: None, backoff, maybe_applied: false, refreshed: false, knocks: 0 }
    }

    async fn run(mut self) -> Result<Reply, RestError> {
        loop {
            let (error, asked) = match self.attempt().await {
                Next::Done(answer) => return answer.map_err(|error| self.honest(error)),
                Next::Refresh => continue,
                Next::Again { error, asked } => (error, asked),
            };
            let clock = &self.workspace.clock;
            match self.backoff.next(clock.now(), asked) {
                Some(wait) => {
                    let (method, path) = (self.request.method.name(), &self.request.path);
                    tracing::debug!("{method} {path}: {error}; again in {:.1} s", wait.as_secs_f32());
                    clock.sleep(wait).await;
                }
                None => return Err(self.honest(error)),
            }
        }
    }

    /// "Not sent" and "turned away" are true of the last attempt only.
    fn honest(&self, error: RestError) -> RestError {
        match error {
            RestError::NotSent(why) if self.maybe_applied => RestError::Lost(why),
            RestError::Status { status: 429, message, .. } if self.maybe_applied => RestError::Lost(message),
            other => other,
        }
    }

    fn is_read(&self) -> bool {
        matches!(self.request.method, Method::Get | Method::Head)
    }

    async fn attempt(&mut self) -> Next {
        let workspace = self.workspace;
        let timeout = match self.time_left() {
            Ok(timeout) => timeout,
            Err(error) => return Next::Done(Err(error)),
        };
        let place = workspace.limiter.enter(workspace.clock.as_ref()).await;
        let token = match workspace.identity.token().await {
            Ok(token) => token,
            Err(error) => {
                workspace.limiter.release(place);
                return Next::Done(Err(no_token(error)));
            }
        };
        let answer = self.send(&token, timeout).await;
        workspace.limiter.release(place);
        match answer {
            Ok(reply) => self.judge(reply, &token).await,
            Err(fault) => self.failed(fault),
        }
    }

    fn time_left(&self) -> Result<Duration, RestError> {
        let timeout = self.request.timeout.unwrap_or(TIMEOUT);
        let Some(deadline) = self.workspace.settings.deadline else { return Ok(timeout) };
        match Duration::try_from(deadline.duration_since(self.workspace.clock.now())) {
            Ok(left) if !left.is_zero() => Ok(left.min(timeout)),
            _ => Err(RestError::NotSent("the run's deadline is over".to_owned())),
        }
    }

    fn failed(&mut self, fault: Fault) -> Next {
        let again = !fault.is_final();
        let why = match fault {
            Fault::Lost(why) => return self.lost(why),
            Fault::NotSent(why) => why,
        };
        self.knocks += 1;
        let error = RestError::NotSent(why);
        if again && self.knocks < KNOCKS { Next::Again { error, asked: None } } else { Next::Done(Err(error)) }
    }

    fn lost(&mut self, why: String) -> Next {
        self.maybe_applied |= !self.is_read();
        let error = RestError::Lost(why);
        if self.request.repeatable { Next::Again { error, asked: None } } else { Next::Done(Err(error)) }
    }

    async fn send(&self, token: &Secret, timeout: Duration) -> Result<Reply, Fault> {
        let workspace = self.workspace;
        workspace.sent.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let fault = |error: reqwest::Error| Fault::of(&error, timeout);
        let mut response = self.build(token, timeout)?.send().await.map_err(fault)?;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers.filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()))).collect();
        let mut body = bytes::BytesMut::new();
        let mut file = match self.into.filter(|_| response.status().is_success()) {
            Some(path) => Some(tokio::fs::File::create(path).await.map_err(|e| unsaved(path, &e))?),
            None => None,
        };
        // Once there is a status, a body that breaks off is a lost answer, whatever broke it.
        while let Some(chunk) = response.chunk().await.map_err(|e| Fault::Lost(crate::adapters::http::cause(&e)))? {
            match (&mut file, self.into) {
                (Some(file), Some(path)) => file.write_all(&chunk).await.map_err(|e| unsaved(path, &e))?,
                _ => body.extend_from_slice(&chunk),
            }
        }
        if let (Some(mut file), Some(path)) = (file, self.into) {
            file.flush().await.map_err(|e| unsaved(path, &e))?;
        }
        let (method, path) = (self.request.method.name(), &self.request.path);
        tracing::trace!("{method} {path}: {status} in {} ms", started.elapsed().as_millis());
        Ok(Reply { status, headers, body: body.freeze() })
    }

    fn build(&self, token: &Secret, timeout: Duration) -> Result<reqwest::RequestBuilder, Fault> {
        let (workspace, request) = (self.workspace, self.request);
        let method = reqwest::Method::from_bytes(request.method.name().as_bytes()).expect("a method's name");
        let url = url::Url::parse(&format!("{}{}", workspace.host, request.path))
            .map_err(|error| Fault::NotSent(format!("`{}` is no path: {error}", request.path)))?;
        // A path that begins with `@` or `.` would lead to another host.
        if url.origin().ascii_serialization() != workspace.host {
            return Err(Fault::NotSent(format!("`{}` leads to another host", request.path)));
        }
        let mut builder = workspace.http.request(method, url).timeout(timeout).bearer_auth(token.expose());
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        if let Some(id) = &workspace.settings.workspace_id {
            builder = builder.header("X-Databricks-Workspace-Id", id);
        }
        Ok(match &request.body {
            Body::None => builder,
            Body::Json(value) => builder.json(value),
            Body::Bytes(bytes) => builder.header("Content-Type", "application/octet-stream").body(bytes.clone()),
            Body::File(path) => {
                let (length, body) = file(path)?;
                let builder = builder.header("Content-Type", "application/octet-stream");
                builder.header("Content-Length", length).body(body)
            }
            Body::Multipart(parts) => builder.multipart(form(parts)),
        })
    }

    async fn judge(&mut self, reply: Reply, token: &Secret) -> Next {
        let workspace = self.workspace;
        if (200..300).contains(&reply.status) {
            workspace.limiter.went_well();
            return Next::Done(Ok(reply));
        }
        let error = self.redacted(reply::error(reply.status, reply.header("location"), &reply.body));
        let now = workspace.clock.now();
        let asked = reply.header("retry-after").and_then(|value| retry_after(value, now));
        match reply.status {
            429 => {
                workspace.limiter.too_many(now, asked);
                Next::Again { error, asked }
            }
            _ if means_bad_token(&error) && !self.refreshed => {
                self.refreshed = true;
                workspace.identity.refused(token).await;
                Next::Refresh
            }
            502..=504 if self.request.repeatable => {
                self.maybe_applied |= !self.is_read();
                Next::Again { error, asked }
            }
            _ => Next::Done(Err(error)),
        }
    }

    fn redacted(&self, error: RestError) -> RestError {
        match error {
            RestError::Status { status, error_code, message, details } => {
                let message = self.workspace.masker.redact(&message).into_owned();
                RestError::Status { status, error_code, message, details }
            }
            other => other,
        }
    }
}

/// 401; or 403 with one of the two sentences that older front ends use for a token that has
/// expired. Any other 403 is a missing grant, which no token of ours changes.
fn means_bad_token(error: &RestError) -> bool {
    match error {
        RestError::Status { status: 401, .. } => true,
        RestError::Status { status: 403, message, .. } => {
            let message = message.to_ascii_lowercase();
            message.starts_with("invalid access token") || message.starts_with("invalid token")
        }
        _ => false,
    }
}

/// Opened anew for each attempt. Its length goes along: not every server takes a body without.
fn file(path: &Path) -> Result<(u64, reqwest::Body), Fault> {
    let unreadable = |e: std::io::Error| Fault::NotSent(format!("{} cannot be read: {e}", path.display()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    Ok((length, tokio::fs::File::from_std(file).into()))
}

fn unsaved(path: &Path, error: &std::io::Error) -> Fault {
    Fault::NotSent(format!("{} cannot be written: {error}", path.display()))
}

fn form(parts: &[crate::ports::Part]) -> reqwest::multipart::Form {
    parts.iter().fold(reqwest::multipart::Form::new(), |form, part| {
        let length = part.bytes.len() as u64;
        let body = reqwest::Body::from(Bytes::clone(&part.bytes));
        let mut piece = reqwest::multipart::Part::stream_with_length(body, length);
        if let Some(filename) = &part.filename {
            piece = piece.file_name(filename.clone());
        }
        form.part(part.name.clone(), piece)
    })
}

fn no_token(IdentityError(failure): IdentityError) -> RestError {
    let mut message = failure.message.clone();
    let mut cause = std::error::Error::source(&failure);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    RestError::Identity { reason: failure.reason, message, hint: failure.hint }
}
