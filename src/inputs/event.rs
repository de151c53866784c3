//! What started the run, and how far it is to be trusted.
//!
//! GitHub's variables alone do not tell: under `pull_request` the SHA is that of a merge commit
//! nobody wrote, under `workflow_run` it is the tip of the default branch. The event's own
//! document does, and a pull request without a readable one is refused rather than guessed at.

use serde_json::Value;

use crate::domain::{Failure, Reason};

/// How far the code that is checked out may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Merged, or started by somebody who may write to the repository.
    Own,
    /// A collaborator's pull request: not reviewed yet. Reads, with the read-only principal.
    PullRequest,
    /// A job that no workspace lets in: the offline part only, no comment. A pull request from a fork or by Dependabot
    /// gets no ID token; a merge queue's names a branch that is there for this one group.
    Offline(&'static str),
    /// Somebody else's code may be checked out while the job holds our permissions:
    /// no project command and no credential.
    Exposed(&'static str),
}

impl Trust {
    /// Whether a token may be minted.
    pub fn may_use_credentials(self) -> bool {
        matches!(self, Trust::Own | Trust::PullRequest)
    }

    /// Whether a command that the repository names may be run.
    pub fn may_run_project_commands(self) -> bool {
        !matches!(self, Trust::Exposed(_))
    }

    /// Whether the job's token can write a comment.
    pub fn may_comment(self) -> bool {
        matches!(self, Trust::Own | Trust::PullRequest)
    }

    /// Whether the deploy principal may be used without `plan: same`.
    pub fn may_deploy(self) -> bool {
        self == Trust::Own
    }

    /// Why trust is lowered, for people.
    pub fn because(self) -> Option<&'static str> {
        match self {
            Trust::Own => None,
            Trust::PullRequest => Some("a pull request is not reviewed yet"),
            Trust::Offline(why) | Trust::Exposed(why) => Some(why),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    pub number: u64,
    pub head_sha: String,
    pub base_ref: String,
    /// `None` when the fork it came from is deleted.
    pub head_repository: Option<String>,
    pub author: String,
    pub merged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    PullRequest(PullRequest),
    PullRequestTarget(PullRequest),
    /// The pull request it is about, unless it is a plain issue.
    IssueComment {
        pull: Option<u64>,
    },
    Push,
    MergeGroup {
        head_sha: String,
    },
    WorkflowDispatch,
    /// Another workflow's end; the repository its code came from.
    WorkflowRun {
        head_sha: String,
        head_repository: Option<String>,
        of: String,
    },
    Schedule,
    Other(String),
    /// No event: a person at a terminal.
    Laptop,
}

/// The run of a job. A re-run keeps the id and raises the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub id: u64,
    pub attempt: u32,
    /// The id of the job in the workflow's file.
    pub job: String,
    pub workflow: String,
    pub actor: String,
    pub triggering_actor: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    pub kind: Kind,
    pub trust: Trust,
    /// `owner/name`; absent on a laptop.
    pub repository: Option<String>,
    pub run: Option<Run>,
    /// What GitHub checked out by default, `GITHUB_SHA`.
    pub sha: Option<String>,
    pub git_ref: Option<String>,
    pub server_url: String,
    pub api_url: String,
}

/// Variables by name; blank counts as absent.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Occasion {
    pub fn laptop() -> Self {
        Self {
            kind: Kind::Laptop,
            trust: Trust::Own,
            repository: None,
            run: None,
            sha: None,
            git_ref: None,
            server_url: "https://github.com".to_owned(),
            api_url: "https://api.github.com".to_owned(),
        }
    }

    /// Reads `GITHUB_*` and the event's document, which lies at `GITHUB_EVENT_PATH`.
    pub fn read(variable: Lookup<'_>, document: Option<&[u8]>) -> Result<Self, Failure> {
        let text = |name: &str| variable(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let Some(event) = text("GITHUB_EVENT_NAME").filter(|_| text("GITHUB_ACTIONS").is_some()) else {
            return Ok(Self::laptop());
        };
        let document = document.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
        let repository = text("GITHUB_REPOSITORY");
        let kind = kind(&event, document.as_ref())?;
        let trust = trust(&kind, repository.as_deref(), text("GITHUB_ACTOR").as_deref());
        let run = text("GITHUB_RUN_ID").and_then(|id| id.parse().ok()).map(|id| Run {
            id,
            attempt: text("GITHUB_RUN_ATTEMPT").and_then(|n| n.parse().ok()).unwrap_or(1),
            job: text("GITHUB_JOB").unwrap_or_default(),
            workflow: text("GITHUB_WORKFLOW").unwrap_or_default(),
            actor: text("GITHUB_ACTOR").unwrap_or_default(),
            triggering_actor: text("GITHUB_TRIGGERING_ACTOR").or_else(|| text("GITHUB_ACTOR")).unwrap_or_default(),
        });
        let url =
            |name, default: &str| text(name).unwrap_or_else(|| default.to_owned()).trim_end_matches('/').to_owned();
        Ok(Self {
            kind,
            trust,
            repository,
            run,
            sha: text("GITHUB_SHA"),
            git_ref: text("GITHUB_REF"),
            server_url: url("GITHUB_SERVER_URL", "https://github.com"),
            api_url: url("GITHUB_API_URL", "https://api.github.com"),
        })
    }

    /// The pull request whose comment is ours to keep, when the event names one. A push finds
    /// its merged pull request by asking for the commit's.
    pub fn pull(&self) -> Option<u64> {
        match &self.kind {
            Kind::PullRequest(pull) | Kind::PullRequestTarget(pull) => Some(pull.number),
            Kind::IssueComment { pull } => *pull,
            _ => None,
        }
    }

    /// The commit that a person wrote: a pull request's head rather than its merge commit.
    pub fn head_sha(&self) -> Option<&str> {
        match &self.kind {
            Kind::PullRequest(pull) | Kind::PullRequestTarget(pull) => Some(&pull.head_sha),
            Kind::MergeGroup { head_sha } | Kind::WorkflowRun { head_sha, .. } => Some(head_sha),
            _ => self.sha.as_deref(),
        }
    }

    pub fn event(&self) -> &str {
        match &self.kind {
            Kind::PullRequest(_) => "pull_request",
            Kind::PullRequestTarget(_) => "pull_request_target",
            Kind::IssueComment { .. } => "issue_comment",
            Kind::Push => "push",
            Kind::MergeGroup { .. } => "merge_group",
            Kind::WorkflowDispatch => "workflow_dispatch",
            Kind::WorkflowRun { .. } => "workflow_run",
            Kind::Schedule => "schedule",
            Kind::Other(name) => name,
            Kind::Laptop => "laptop",
        }
    }

    pub fn in_actions(&self) -> bool {
        self.kind != Kind::Laptop
    }

    /// The page of this attempt of the run.
    pub fn run_url(&self) -> Option<String> {
        let (run, repository) = (self.run.as_ref()?, self.repository.as_ref()?);
        Some(format!("{}/{repository}/actions/runs/{}/attempts/{}", self.server_url, run.id, run.attempt))
    }
}

fn kind(event: &str, document: Option<&Value>) -> Result<Kind, Failure> {
    Ok(match event {
        "pull_request" | "pull_request_review" | "pull_request_review_comment" => {
            Kind::PullRequest(pull_request(event, document)?)
        }
        "pull_request_target" => Kind::PullRequestTarget(pull_request(event, document)?),
        "issue_comment" => {
            let issue = document.and_then(|d| d.get("issue"));
            let pull = issue.filter(|i| i.get("pull_request").is_some_and(|p| !p.is_null()));
            Kind::IssueComment { pull: pull.and_then(|i| i.get("number")?.as_u64()) }
        }
        "push" => Kind::Push,
        "merge_group" => Kind::MergeGroup { head_sha: demand(event, document, "/merge_group/head_sha")? },
        "workflow_dispatch" => Kind::WorkflowDispatch,
        "workflow_run" => Kind::WorkflowRun {
            head_sha: demand(event, document, "/workflow_run/head_sha")?,
            head_repository: at(document, "/workflow_run/head_repository/full_name"),
            of: at(document, "/workflow_run/event").unwrap_or_default(),
        },
        "schedule" => Kind::Schedule,
        other => Kind::Other(other.to_owned()),
    })
}

fn pull_request(event: &str, document: Option<&Value>) -> Result<PullRequest, Failure> {
    let number = document.and_then(|d| d.pointer("/pull_request/number")?.as_u64());
    Ok(PullRequest {
        number: number.ok_or_else(|| unreadable(event, "/pull_request/number"))?,
        head_sha: demand(event, document, "/pull_request/head/sha")?,
        base_ref: demand(event, document, "/pull_request/base/ref")?,
        head_repository: at(document, "/pull_request/head/repo/full_name"),
        author: at(document, "/pull_request/user/login").unwrap_or_default(),
        merged: document.and_then(|d| d.pointer("/pull_request/merged")?.as_bool()).unwrap_or(false),
    })
}

fn at(document: Option<&Value>, pointer: &str) -> Option<String> {
    document?.pointer(pointer)?.as_str().map(str::to_owned)
}

fn demand(event: &str, document: Option<&Value>, pointer: &str) -> Result<String, Failure> {
    at(document, pointer).ok_or_else(|| unreadable(event, pointer))
}

fn unreadable(event: &str, pointer: &str) -> Failure {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    let message = format!("read the event: `{event}` without a readable `{field}` in the file at GITHUB_EVENT_PATH");
    Failure::new(Reason::InvalidInput, message)
        .hint("run in a job that GitHub started; without the event nobody knows whose code is checked out")
}

const STARTED_BY_WRITERS: [&str; 6] =
    ["repository_dispatch", "release", "deployment", "deployment_status", "create", "registry_package"];

fn trust(kind: &Kind, repository: Option<&str>, actor: Option<&str>) -> Trust {
    const DEPENDABOT: &str = "dependabot[bot]";
    let ours = |head: Option<&str>| match (head, repository) {
        (Some(head), Some(repository)) => head.eq_ignore_ascii_case(repository),
        _ => false,
    };
    match kind {
        Kind::PullRequest(pull) if !ours(pull.head_repository.as_deref()) => {
            Trust::Offline("the pull request comes from a fork")
        }
        Kind::PullRequest(pull) if pull.author == DEPENDABOT || actor == Some(DEPENDABOT) => {
            Trust::Offline("the pull request is Dependabot's")
        }
        // A pull request that was closed by merging it has been reviewed, but its job still runs
        // with the claims of a pull request.
        Kind::PullRequest(_) => Trust::PullRequest,
        Kind::PullRequestTarget(_) => {
            Trust::Exposed("`pull_request_target` runs with our permissions beside a pull request's code")
        }
        Kind::IssueComment { .. } => Trust::Exposed("`issue_comment` can be started by anybody who may comment"),
        Kind::WorkflowRun { head_repository, .. } if !ours(head_repository.as_deref()) => {
            Trust::Exposed("`workflow_run` follows a run of another repository's code")
        }
        Kind::WorkflowRun { of, .. } if of == "pull_request_target" || of == "issue_comment" => {
            Trust::Exposed("`workflow_run` follows a run that anybody can start")
        }
        Kind::WorkflowRun { of, .. } if of.starts_with("pull_request") => Trust::PullRequest,
        // Before, it asked for a token that no policy can be written for, and failed the queue.
        Kind::MergeGroup { .. } => Trust::Offline(
            "a merge queue's job signs in as `ref:refs/heads/gh-readonly-queue/…`, a branch of its own for each group, which no \
             federation policy can name; the plan was made on the pull request",
        ),
        Kind::Push | Kind::WorkflowDispatch | Kind::Schedule | Kind::WorkflowRun { .. } | Kind::Laptop => Trust::Own,
        // Only who may write to the repository can start these; any other event is nobody's in particular.
        Kind::Other(event) if STARTED_BY_WRITERS.contains(&event.as_str()) => Trust::Own,
        Kind::Other(_) => Trust::Exposed("the event can be started by people who may not write to the repository"),
    }
}
