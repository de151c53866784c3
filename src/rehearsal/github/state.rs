//! Everything the stand-in knows, as nouns.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::access::Grant;
use super::clock::Clock;
use super::config::Subjects;
use super::event::Event;
use super::history::History;

/// The account behind a job's token, and the app it acts through.
pub(super) const BOT: &str = "github-actions[bot]";
const BOT_ID: u64 = 41_898_282;

#[derive(Clone)]
pub(super) struct State {
    pub urls: Urls,
    pub clock: Arc<Clock>,
    pub repository: Repository,
    pub history: History,
    pub users: BTreeMap<String, u64>,
    pub pulls: BTreeMap<u64, Pull>,
    pub comments: BTreeMap<u64, Comment>,
    pub deployments: BTreeMap<u64, Deployment>,
    pub environments: BTreeMap<String, Environment>,
    pub runs: BTreeMap<u64, Run>,
    pub jobs: BTreeMap<u64, Job>,
    pub check_runs: BTreeMap<u64, CheckRun>,
    pub commit_statuses: Vec<CommitStatus>,
    pub artifacts: Vec<Artifact>,
    pub tokens: HashMap<String, Grant>,
    /// Of ID-token requests, to the job that holds them.
    pub request_tokens: HashMap<String, u64>,
    pub counters: Counters,
    /// Requests left in the hour that began at `window`.
    pub requests_left: u32,
    pub window: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Urls {
    /// `GITHUB_SERVER_URL`
    pub server: String,
    /// `GITHUB_API_URL`
    pub api: String,
    /// `iss` of ID tokens.
    pub issuer: String,
}

#[derive(Clone, Debug)]
pub(super) struct Repository {
    pub owner: String,
    pub name: String,
    pub id: u64,
    pub owner_id: u64,
    pub private: bool,
    pub default_branch: String,
    pub subjects: Subjects,
    pub subject_claims: Option<Vec<String>>,
    pub rate_limit: u32,
}

impl Repository {
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Pull {
    pub number: u64,
    pub title: String,
    pub author: String,
    pub base: String,
    /// `owner/name` where the head lies; another repository for a fork.
    pub head_repository: String,
    pub branch: String,
    pub head: String,
    pub draft: bool,
    pub test_merge: Option<String>,
    pub merged: Option<Merged>,
    pub closed: bool,
    pub locked: bool,
    pub reviews: Vec<Review>,
    pub created: i64,
    pub updated: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Merged {
    pub by: String,
    pub commit: String,
    pub at: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Review {
    pub id: u64,
    pub author: String,
    pub state: String,
    pub commit: String,
    pub at: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Comment {
    pub id: u64,
    pub issue: u64,
    pub author: String,
    pub body: String,
    pub created: i64,
    pub updated: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub id: u64,
    pub sha: String,
    pub reference: String,
    pub task: String,
    pub environment: String,
    pub original_environment: String,
    pub description: Option<String>,
    pub payload: Value,
    pub creator: String,
    pub transient: bool,
    pub production: bool,
    pub statuses: Vec<DeploymentStatus>,
    pub created: i64,
}

impl Deployment {
    pub fn state(&self) -> Option<&str> {
        self.statuses.last().map(|status| status.state.as_str())
    }
}

#[derive(Clone, Debug)]
pub(super) struct DeploymentStatus {
    pub id: u64,
    pub state: String,
    pub creator: String,
    pub description: String,
    pub environment: String,
    pub log_url: String,
    pub environment_url: String,
    pub at: i64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    pub id: u64,
    pub reviewers: Vec<String>,
    pub prevent_self_review: bool,
    pub wait_minutes: u32,
    /// Only protected branches may deploy.
    pub protected_branches: bool,
    pub created: i64,
}

/// A workflow run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub id: u64,
    pub number: u64,
    pub attempt: u64,
    pub event: Event,
    pub workflow: String,
    pub workflow_path: String,
    pub actor: String,
    pub triggering_actor: String,
    pub sha: String,
    pub branch: Option<String>,
    pub conclusion: Option<String>,
    pub approvals: Vec<Approval>,
    pub created: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Approval {
    pub environment: String,
    pub state: String,
    pub user: String,
    pub comment: String,
}

/// A job of a run; a check run of the same number shows it on the commit.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub id: u64,
    pub run: u64,
    pub attempt: u64,
    pub name: String,
    pub environment: Option<String>,
    pub deployment: Option<u64>,
    pub self_hosted: bool,
    pub conclusion: Option<String>,
    pub started: i64,
    pub completed: Option<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct CheckRun {
    pub id: u64,
    pub name: String,
    pub sha: String,
    pub external_id: Option<String>,
    pub details_url: Option<String>,
    pub status: String,
    pub conclusion: Option<String>,
    pub started: Option<i64>,
    pub completed: Option<i64>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub text: Option<String>,
    pub annotations: Vec<Value>,
}

#[derive(Clone, Debug)]
pub(super) struct CommitStatus {
    pub sha: String,
    pub context: String,
    pub state: String,
}

#[derive(Clone, Debug)]
pub(super) struct Artifact {
    pub id: u64,
    pub name: String,
    pub bytes: u64,
    pub run: u64,
    pub expired: bool,
    pub created: i64,
}

/// Ids begin where GitHub's have long been: beyond 32 bits, where a careless reader breaks.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    given: BTreeMap<&'static str, u64>,
}

impl Counters {
    pub fn next(&mut self, kind: &'static str) -> u64 {
        let first = match kind {
            "user" => 1_001,
            "pull" => 1,
            "run-number" => 1,
            "review" => 3_400_000_001,
            "comment" => 5_300_000_001,
            "deployment" => 6_200_000_001,
            "deployment-status" => 9_100_000_001,
            "environment" => 13_000_000_001,
            "run" => 26_000_000_001,
            "job" => 74_000_000_001,
            "artifact" => 7_500_000_001,
            _ => 1,
        };
        let given = self.given.entry(kind).or_insert(0);
        *given += 1;
        first + *given - 1
    }
}

impl State {
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The number of an account; an unknown login is a new account.
    pub fn user(&mut self, login: &str) -> u64 {
        if login == BOT {
            return BOT_ID;
        }
        if let Some(id) = self.users.get(login) {
            return *id;
        }
        let id = self.counters.next("user");
        self.users.insert(login.to_owned(), id);
        id
    }

    pub fn user_id(&self, login: &str) -> u64 {
        match login {
            BOT => BOT_ID,
            owner if owner == self.repository.owner => self.repository.owner_id,
            other => self.users.get(other).copied().unwrap_or_default(),
        }
    }

    /// The environment, made when it is new: deploying to an unknown one creates it.
    pub fn environment(&mut self, name: &str) -> &mut Environment {
        if !self.environments.contains_key(name) {
            let made = Environment { id: self.counters.next("environment"), created: self.now(), ..Default::default() };
            self.environments.insert(name.to_owned(), made);
        }
        self.environments.get_mut(name).expect("it has just been inserted where it was missing")
    }

    /// `https://github.com/acme/churn`
    pub fn page(&self) -> String {
        format!("{}/{}", self.urls.server, self.repository.full_name())
    }

    /// `https://api.github.com/repos/acme/churn`
    pub fn api(&self) -> String {
        format!("{}/repos/{}", self.urls.api, self.repository.full_name())
    }

    pub fn job_page(&self, run: u64, job: u64) -> String {
        format!("{}/actions/runs/{run}/job/{job}", self.page())
    }
}
