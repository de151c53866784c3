//! The stand-in GitHub, met over real HTTP: by a plain client for its rules, by octocrab for its manners.

mod access;
mod clients;
mod comments;
mod deployments;
mod id_tokens;
mod judge;
mod reads;
mod runner;
mod story;

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::github::{
    Conclusion, Config, Event, Flavour, GitHub, JobSpec, Permissions, PullRequest, RunningJob, Subjects,
};
use octocrab::Octocrab;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::github_description::{
    assert_replies_follow_githubs_description, assert_requests_follow_githubs_description, faults_of_requests,
};

const EVERYTHING: &str = "actions: read, checks: write, contents: read, deployments: write, id-token: write, \
                          pull-requests: write, statuses: read";

/// A repository with one commit on main, and one pull request by ben.
struct Story {
    github: GitHub,
    number: u64,
}

impl Story {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let github = GitHub::start(config).unwrap();
        github.push("main", "ana", "Begin").unwrap();
        github.push("feature", "ben", "Train longer").unwrap();
        let number = github.open_pull_request(PullRequest::from_branch("feature", "ben")).unwrap();
        Story { github, number }
    }

    fn job(&self) -> RunningJob {
        self.job_with(EVERYTHING)
    }

    fn job_with(&self, permissions: &str) -> RunningJob {
        let spec = JobSpec::on(Event::pull_request(self.number)).by("ben").permit(permissions).unwrap();
        self.github.start_job(spec).unwrap()
    }

    fn api(&self, token: &str) -> Api {
        let base = format!("{}/repos/acme/churn", self.github.api_url());
        Api { client: reqwest::Client::builder().user_agent("story").build().unwrap(), base, token: token.to_owned() }
    }

    fn judge(&self) {
        let log = self.github.log().all();
        assert_requests_follow_githubs_description(&log);
        assert_replies_follow_githubs_description(&log);
    }

    /// Where the requests were wrong on purpose. 501 is ours and not GitHub's.
    fn judge_replies(&self) {
        let log: Vec<_> = self.github.log().all().into_iter().filter(|one| one.status != Some(501)).collect();
        assert_replies_follow_githubs_description(&log);
    }
}

struct Api {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::PATCH, path, Some(body)).await
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
