//! One workspace's REST interface: method, path, JSON to a reply or a typed error.
//!
//! Retrying asks two things: was it sent, and is repeating it harmless? The adapter repeats
//! reads and requests marked `repeatable`; a lost reply of any other write comes back as
//! `Lost`, and the change looks for what it may have made.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::domain::{Failure, Hushed, Reason};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// A part of a multipart form.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub name: String,
    pub filename: Option<String>,
    pub bytes: Bytes,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    None,
    Json(Value),
    Bytes(Bytes),
    /// A file of this machine, sent a piece at a time.
    File(PathBuf),
    Multipart(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: Method,
    /// Begins with `/`; already percent-encoded where a segment needs it.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub body: Body,
    /// Sending it twice does no more than sending it once.
    pub repeatable: bool,
    pub timeout: Option<Duration>,
}

impl Request {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let repeatable = !matches!(method, Method::Post | Method::Patch);
        Self { method, path: path.into(), query: Vec::new(), body: Body::None, repeatable, timeout: None }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::Post, path).json(body)
    }

    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// For a POST or PATCH that carries a key, or sets what it sets.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

/// A 2xx answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// An empty body is `{}`: several calls answer so.
    pub fn json(&self) -> Result<Value, RestError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(&self.body).map_err(|e| RestError::Malformed(e.to_string()))
    }
}

/// Stands for the code of a 404 that is a page or a text: something between has answered, and says nothing of what there is.
pub const NOT_THE_API: &str = "NOT_THE_API";

/// Never holds a token, a header or a query; bodies only as the workspace's own message.
#[derive(Clone, Debug, PartialEq)]
pub enum RestError {
    /// Nothing reached the workspace: no address, no connection, no token.
    NotSent(String),
    /// It was sent and no usable answer came: it may have been applied.
    Lost(String),
    /// The workspace answered with an error.
    Status { status: u16, error_code: String, message: String, details: Value },
    /// 2xx, but not what the API documents.
    Malformed(String),
    /// There is no token, worded for people: reason, message, hint.
    Identity { reason: Reason, message: String, hint: Option<String> },
}

impl RestError {
    pub fn status(&self) -> Option<u16> {
        match self {
            RestError::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Gone, by status or by any of the codes that mean it.
    pub fn is_not_found(&self) -> bool {
        match self {
            RestError::Status { status: 404, error_code, .. } => error_code != NOT_THE_API,
            // Jobs, their runs and clusters say it as an invalid value; Databricks' own SDKs know them by these words.
            RestError::Status { status: 400, error_code, message, .. } if error_code == "INVALID_PARAMETER_VALUE" => {
                let about = ["Job ", "Run ", "Cluster "].iter().any(|noun| message.starts_with(noun));
                about && message.contains(" does not exist")
            }
            RestError::Status { error_code, .. } => error_code.ends_with("DOES_NOT_EXIST"),
            _ => false,
        }
    }

    /// A write that may have been applied: a lost or malformed answer, or a server error.
    pub fn may_have_been_applied(&self) -> bool {
        match self {
            RestError::Lost(_) | RestError::Malformed(_) => true,
            RestError::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }

    pub fn reason(&self) -> Reason {
        match self {
            RestError::NotSent(_) | RestError::Lost(_) => Reason::WorkspaceUnreachable,
            RestError::Malformed(_) => Reason::MalformedReply,
            RestError::Identity { reason, .. } => *reason,
            RestError::Status { status, .. } => match status {
                401 => Reason::Unauthorized,
                403 => Reason::PermissionDenied,
                409 => Reason::Conflict,
                429 => Reason::RateLimited,
                _ if self.is_not_found() => Reason::NotFound,
                _ => Reason::WorkspaceError,
            },
        }
    }

    /// Without the values that are not printed: answers repeat what was sent.
    pub fn without(self, hushed: &Hushed) -> Self {
        match self {
            RestError::Status { status, error_code, message, details } => {
                RestError::Status { status, error_code, message: hushed.out_of(&message), details }
            }
            other => other,
        }
    }

    /// What we were doing, in front; this error as its cause.
    pub fn into_failure(self, doing: impl Into<String>) -> Failure {
        let hint = match &self {
            RestError::Identity { hint, .. } => hint.clone(),
            RestError::NotSent(_) => Some("check `host` in mlops-deploy.yml and the runner's network".to_owned()),
            RestError::Status { status: 401, .. } => {
                Some("the token is expired, revoked or of another workspace; run the job again".to_owned())
            }
            RestError::Status { status: 403, .. } => {
                Some("grant what the message names to the principal that deploys".to_owned())
            }
            RestError::Status { status: 429, .. } => {
                Some("the workspace limits the rate of requests; run again later".to_owned())
            }
            RestError::Status { error_code, .. } if error_code == NOT_THE_API => {
                Some("a proxy or another server has answered; is `host` the workspace's own address?".to_owned())
            }
            RestError::Status { .. } if self.reason() == Reason::NotFound => {
                Some("check that it exists in this workspace and that the principal may see it".to_owned())
            }
            RestError::Status { status: 409, .. } => {
                Some("somebody changed the same thing at the same moment; run again".to_owned())
            }
            RestError::Status { status: 500.., .. } => {
                Some("run again: what was applied is found and not made twice".to_owned())
            }
            RestError::Lost(_) | RestError::Malformed(_) => {
                Some("run again: what was applied is found and not made twice".to_owned())
            }
            _ => None,
        };
        let mut failure = Failure::new(self.reason(), doing).because(self);
        failure.hint = hint;
        failure
    }
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestError::NotSent(why) => write!(f, "the request was not sent: {why}"),
            RestError::Lost(why) => write!(f, "no answer came back: {why}"),
            RestError::Status { status, error_code, message, .. } if error_code.is_empty() => {
                write!(f, "{message} ({status})")
            }
            RestError::Status { status, error_code, message, .. } => write!(f, "{message} ({status} {error_code})"),
            RestError::Malformed(why) => write!(f, "the answer cannot be read: {why}"),
            RestError::Identity { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for RestError {}

#[async_trait]
pub trait Rest: Send + Sync {
    /// `https://…`, without a trailing slash.
    fn host(&self) -> &str;

    /// Authenticated, paced, and repeated where that is harmless. Not 2xx is an error.
    async fn call(&self, request: Request) -> Result<Reply, RestError>;

    /// The same, but the body of a good answer goes into the file `to`, a piece at a time.
    async fn download(&self, request: Request, to: &Path) -> Result<Reply, RestError>;
}
