//! GitHub's answers, as far as we read them. Tolerant: a field or a state that we do not
//! know must not fail a page of things that we do.

use serde::Deserialize;
use serde_json::Value;

use crate::ports::github::{Comment, Deployment, PullRequest, SeenStatus};

/// An account that was deleted is null.
#[derive(Default, Deserialize)]
pub struct User {
    #[serde(default)]
    pub login: String,
}

fn login(user: Option<User>) -> String {
    user.unwrap_or_default().login
}

/// Of an attempt that is not the latest one nothing works any more.
#[derive(Deserialize)]
pub struct WireRun {
    status: Option<String>,
    #[serde(default)]
    run_attempt: u32,
}

impl WireRun {
    pub fn is_over(&self, attempt: u32) -> bool {
        self.run_attempt > attempt || (self.run_attempt == attempt && self.status.as_deref() == Some("completed"))
    }
}

#[derive(Deserialize)]
pub struct WireComment {
    id: u64,
    user: Option<User>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    html_url: String,
}

impl From<WireComment> for Comment {
    fn from(wire: WireComment) -> Self {
        Comment { id: wire.id, author: login(wire.user), body: wire.body.unwrap_or_default(), url: wire.html_url }
    }
}

#[derive(Deserialize)]
pub struct WirePull {
    number: u64,
    head: Side,
    base: Side,
    merged_at: Option<String>,
    #[serde(default)]
    html_url: String,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref", default)]
    name: String,
    #[serde(default)]
    sha: String,
}

impl From<WirePull> for PullRequest {
    fn from(wire: WirePull) -> Self {
        PullRequest {
            number: wire.number,
            head_sha: wire.head.sha,
            base_ref: wire.base.name,
            merged: wire.merged_at.is_some(),
            url: wire.html_url,
        }
    }
}

#[derive(Deserialize)]
pub struct WireDeployment {
    id: u64,
    #[serde(default)]
    sha: String,
    #[serde(default)]
    environment: String,
    creator: Option<User>,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    created_at: String,
}

impl From<WireDeployment> for Deployment {
    fn from(wire: WireDeployment) -> Self {
        // An object that was sent comes back as an object or as its text.
        let payload = match wire.payload {
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            other => other,
        };
        Deployment {
            id: wire.id,
            sha: wire.sha,
            environment: wire.environment,
            creator: login(wire.creator),
            payload,
            created_at: wire.created_at,
        }
    }
}

#[derive(Deserialize)]
pub struct WireStatus {
    state: String,
    #[serde(default)]
    log_url: Option<String>,
    #[serde(default)]
    target_url: Option<String>,
}

impl From<WireStatus> for SeenStatus {
    fn from(wire: WireStatus) -> Self {
        let url = wire.log_url.filter(|url| !url.is_empty()).or(wire.target_url).filter(|url| !url.is_empty());
        SeenStatus { state: wire.state, log_url: url }
    }
}

#[derive(Deserialize)]
pub struct Comparison {
    pub status: String,
}

#[derive(Deserialize)]
pub struct GraphQl {
    #[serde(default)]
    pub data: Option<Viewing>,
}

#[derive(Deserialize)]
pub struct Viewing {
    pub viewer: User,
}
