//! What a stage says to GitHub, and asks of it.
//!
//! GitHub being down never fails a finished deployment: callers turn these errors into
//! notices, except where a stage cannot decide without the answer.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub id: u64,
    pub author: String,
    pub body: String,
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    pub number: u64,
    pub head_sha: String,
    pub base_ref: String,
    pub merged: bool,
    pub url: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    Queued,
    InProgress,
    Success,
    Failure,
    Error,
    Inactive,
}

impl DeploymentState {
    pub fn name(self) -> &'static str {
        match self {
            DeploymentState::Queued => "queued",
            DeploymentState::InProgress => "in_progress",
            DeploymentState::Success => "success",
            DeploymentState::Failure => "failure",
            DeploymentState::Error => "error",
            DeploymentState::Inactive => "inactive",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewDeployment {
    pub git_ref: String,
    pub environment: String,
    pub description: String,
    pub production: bool,
    pub payload: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    pub id: u64,
    pub sha: String,
    pub environment: String,
    pub creator: String,
    pub payload: Value,
    /// RFC 3339.
    pub created_at: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentStatus {
    pub state: DeploymentState,
    /// Cut to 140 characters by the adapter.
    pub description: String,
    pub log_url: Option<String>,
    pub environment_url: Option<String>,
}

/// A status as GitHub lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenStatus {
    pub state: String,
    /// For a job's own deployment: the page of that job, which names its run.
    pub log_url: Option<String>,
}

/// How two commits relate, as the compare API says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ancestry {
    Identical,
    /// HEAD has commits that BASE lacks, and lacks none of its.
    Ahead,
    Behind,
    Diverged,
    /// Who was asked does not know one of them.
    Unknown,
}

#[derive(Debug)]
pub enum GitHubError {
    /// The token lacks a permission; which one the call needs.
    Forbidden {
        doing: String,
        needs: &'static str,
        message: String,
    },
    NotFound {
        doing: String,
    },
    RateLimited {
        doing: String,
        retry_after: Option<u64>,
    },
    Refused {
        doing: String,
        status: u16,
        message: String,
    },
    Unreachable {
        doing: String,
        message: String,
    },
}

impl GitHubError {
    /// A write whose answer did not come, or was a server's failure.
    pub fn may_have_been_applied(&self) -> bool {
        matches!(self, GitHubError::Unreachable { .. } | GitHubError::Refused { status: 500.., .. })
    }
}

impl fmt::Display for GitHubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GitHubError::Forbidden { doing, needs, message } => {
                write!(f, "{doing}: GitHub refused it ({message}); the job needs `permissions: {needs}`")
            }
            GitHubError::NotFound { doing } => write!(f, "{doing}: GitHub does not know it"),
            GitHubError::RateLimited { doing, .. } => write!(f, "{doing}: GitHub limits the rate of requests"),
            GitHubError::Refused { doing, status, message } => {
                write!(f, "{doing}: GitHub refused it: {message} ({status})")
            }
            GitHubError::Unreachable { doing, message } => write!(f, "{doing}: GitHub does not answer: {message}"),
        }
    }
}

impl std::error::Error for GitHubError {}

#[async_trait]
pub trait GitHub: Send + Sync {
    /// Who our token writes as, such as `github-actions[bot]`.
    fn login(&self) -> &str;

    /// All pages.
    async fn comments(&self, pull: u64) -> Result<Vec<Comment>, GitHubError>;

    async fn create_comment(&self, pull: u64, body: &str) -> Result<Comment, GitHubError>;

    async fn update_comment(&self, id: u64, body: &str) -> Result<Comment, GitHubError>;

    /// Pull requests that a commit belongs to or was merged by.
    async fn pulls_of_commit(&self, sha: &str) -> Result<Vec<PullRequest>, GitHubError>;

    async fn deployments(&self, sha: &str, environment: &str) -> Result<Vec<Deployment>, GitHubError>;

    /// Newest first; states we do not know are kept as text.
    async fn statuses(&self, deployment: u64) -> Result<Vec<SeenStatus>, GitHubError>;

    async fn create_deployment(&self, new: &NewDeployment) -> Result<Deployment, GitHubError>;

    async fn create_status(&self, deployment: u64, status: &DeploymentStatus) -> Result<(), GitHubError>;

    async fn compare(&self, base: &str, head: &str) -> Result<Ancestry, GitHubError>;

    /// Whether no job of this attempt of a workflow run works any more.
    async fn is_over(&self, run: &str, attempt: u32) -> Result<bool, GitHubError>;
}
