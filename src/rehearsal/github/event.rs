//! What started a workflow: where it runs, and the payload that `GITHUB_EVENT_PATH` holds.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::clock::rfc3339;
use super::state::{Pull, State};
use super::view;

/// Over HTTP its variants have GitHub's names: `{"name": "pull_request", "number": 1}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// To a branch or a tag; the full ref.
    Push {
        reference: String,
    },
    PullRequest {
        number: u64,
        #[serde(default = "pushed")]
        action: String,
    },
    /// With the base branch's workflow and secrets, whoever wrote the head.
    PullRequestTarget {
        number: u64,
        #[serde(default = "pushed")]
        action: String,
    },
    WorkflowDispatch {
        branch: String,
        #[serde(default)]
        inputs: BTreeMap<String, String>,
    },
    /// A merge queue's test of a pull request; carries no number.
    MergeGroup {
        number: u64,
    },
    /// Another run has ended. Runs on the default branch, whatever the first run was of.
    WorkflowRun {
        run: u64,
    },
    IssueComment {
        number: u64,
        author: String,
        body: String,
    },
    Schedule {
        cron: String,
    },
}

fn pushed() -> String {
    "synchronize".to_owned()
}

/// Where an event's workflow runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Situation {
    /// `GITHUB_REF`
    pub reference: String,
    /// `GITHUB_SHA`: for a pull request the test merge, not the head.
    pub sha: String,
    pub base_ref: String,
    pub head_ref: String,
    /// The commit that the run is shown on: for a pull request the head.
    pub head_sha: String,
    pub head_branch: Option<String>,
}

impl Situation {
    pub fn ref_type(&self) -> &'static str {
        if self.reference.starts_with("refs/tags/") { "tag" } else { "branch" }
    }

    /// `GITHUB_REF_NAME`: `main`, or `12/merge`.
    pub fn ref_name(&self) -> &str {
        ["refs/heads/", "refs/tags/", "refs/pull/"]
            .iter()
            .find_map(|head| self.reference.strip_prefix(head))
            .unwrap_or(&self.reference)
    }

    pub fn is_default(&self, state: &State) -> bool {
        self.reference == format!("refs/heads/{}", state.repository.default_branch)
    }

    fn on(state: &State, reference: String) -> Self {
        let sha = state.history.refs().get(&reference).cloned().unwrap_or_default();
        let head_branch = reference.strip_prefix("refs/heads/").map(str::to_owned);
        Situation { head_sha: sha.clone(), sha, head_branch, reference, ..Situation::default() }
    }
}

impl Event {
    pub fn push(branch: &str) -> Self {
        Event::Push { reference: format!("refs/heads/{branch}") }
    }

    pub fn push_tag(tag: &str) -> Self {
        Event::Push { reference: format!("refs/tags/{tag}") }
    }

    pub fn pull_request(number: u64) -> Self {
        Event::PullRequest { number, action: pushed() }
    }

    pub fn pull_request_target(number: u64) -> Self {
        Event::PullRequestTarget { number, action: pushed() }
    }

    pub fn dispatch(branch: &str) -> Self {
        Event::WorkflowDispatch { branch: branch.to_owned(), inputs: BTreeMap::new() }
    }

    /// `GITHUB_EVENT_NAME`
    pub fn name(&self) -> &'static str {
        match self {
            Event::Push { .. } => "push",
            Event::PullRequest { .. } => "pull_request",
            Event::PullRequestTarget { .. } => "pull_request_target",
            Event::WorkflowDispatch { .. } => "workflow_dispatch",
            Event::MergeGroup { .. } => "merge_group",
            Event::WorkflowRun { .. } => "workflow_run",
            Event::IssueComment { .. } => "issue_comment",
            Event::Schedule { .. } => "schedule",
        }
    }

    pub(super) fn pull<'a>(&self, state: &'a State) -> Option<&'a Pull> {
        match self {
            Event::PullRequest { number, .. }
            | Event::PullRequestTarget { number, .. }
            | Event::MergeGroup { number }
            | Event::IssueComment { number, .. } => state.pulls.get(number),
            _ => None,
        }
    }

    /// Whether somebody who may not write here wrote what runs: the token is lowered then.
    pub(super) fn is_of_a_fork(&self, state: &State) -> bool {
        matches!(self, Event::PullRequest { .. })
            && self.pull(state).is_some_and(|pull| pull.head_repository != state.repository.full_name())
    }

    pub(super) fn head_repository(&self, state: &State) -> String {
        match (self, self.pull(state)) {
            (Event::PullRequest { .. }, Some(pull)) => pull.head_repository.clone(),
            _ => state.repository.full_name(),
        }
    }

    pub(super) fn situation(&self, state: &State) -> Situation {
        let default = || Situation::on(state, format!("refs/heads/{}", state.repository.default_branch));
        match (self, self.pull(state)) {
            (Event::Push { reference }, _) => Situation::on(state, reference.clone()),
            (Event::WorkflowDispatch { branch, .. }, _) => Situation::on(state, format!("refs/heads/{branch}")),
            (Event::PullRequest { .. }, Some(pull)) => of_pull(state, pull),
            (Event::PullRequestTarget { .. }, Some(pull)) => Situation {
                base_ref: pull.base.clone(),
                head_ref: pull.branch.clone(),
                ..Situation::on(state, format!("refs/heads/{}", pull.base))
            },
            (Event::MergeGroup { .. }, Some(pull)) => Situation::on(state, queue_ref(state, pull)),
            _ => default(),
        }
    }

    /// The payload of the event.
    pub(super) fn payload(&self, state: &State, actor: &str) -> Value {
        let mut payload = self.own_part(state);
        payload["repository"] = view::repository(state, &state.repository.full_name());
        payload["sender"] = view::user(state, actor);
        payload["organization"] = json!({"login": state.repository.owner, "id": state.repository.owner_id});
        payload
    }

    fn own_part(&self, state: &State) -> Value {
        match self {
            Event::Push { reference } => push(state, reference),
            Event::PullRequest { number, action } | Event::PullRequestTarget { number, action } => {
                let pull = state.pulls.get(number).map_or(Value::Null, |pull| view::pull(state, pull));
                json!({"action": action, "number": number, "pull_request": pull})
            }
            Event::WorkflowDispatch { branch, inputs } => {
                json!({"ref": format!("refs/heads/{branch}"), "inputs": inputs, "workflow": ".github/workflows/deploy.yml"})
            }
            Event::MergeGroup { .. } => merge_group(state, &self.situation(state), self.pull(state)),
            Event::WorkflowRun { run } => {
                let run = state.runs.get(run).map_or(Value::Null, |run| view::run(state, run));
                json!({"action": "completed", "workflow_run": run, "workflow": {"name": run["name"], "id": 161_335}})
            }
            Event::IssueComment { number, author, body } => {
                let issue = format!("{}/issues/{number}", state.api());
                json!({
                    "action": "created",
                    "issue": {"number": number, "url": issue, "pull_request": {"url": format!("{}/pulls/{number}", state.api())}},
                    "comment": {"body": body, "user": view::user(state, author)},
                })
            }
            Event::Schedule { cron } => json!({"schedule": cron}),
        }
    }
}

/// The ref of a merge queue's test of this pull request.
pub(super) fn queue_ref(state: &State, pull: &Pull) -> String {
    let base = state.history.branch(&pull.base).unwrap_or_default();
    format!("refs/heads/gh-readonly-queue/{}/pr-{}-{base}", pull.base, pull.number)
}

// A merged pull request's own run is on its base branch; an open one's is on the test merge.
fn of_pull(state: &State, pull: &Pull) -> Situation {
    let mut situation = match &pull.merged {
        Some(_) => Situation::on(state, format!("refs/heads/{}", pull.base)),
        None => Situation {
            reference: format!("refs/pull/{}/merge", pull.number),
            sha: pull.test_merge.clone().unwrap_or_default(),
            ..Situation::default()
        },
    };
    situation.base_ref = pull.base.clone();
    situation.head_ref = pull.branch.clone();
    situation.head_sha = pull.head.clone();
    situation.head_branch = Some(pull.branch.clone());
    situation
}

fn push(state: &State, reference: &str) -> Value {
    let after = state.history.refs().get(reference).cloned().unwrap_or_default();
    let before = state.history.get(&after).and_then(|commit| commit.parents.first().cloned());
    let before = before.unwrap_or_else(|| "0".repeat(40));
    json!({
        "ref": reference,
        "before": before,
        "after": after,
        "created": false,
        "deleted": false,
        "forced": false,
        "base_ref": null,
        "compare": format!("{}/compare/{before}...{after}", state.page()),
        "commits": [view::event_commit(state, &after)],
        "head_commit": view::event_commit(state, &after),
        "pusher": {"name": state.history.get(&after).map(|commit| commit.author.clone())},
    })
}

fn merge_group(state: &State, situation: &Situation, pull: Option<&Pull>) -> Value {
    let base = pull.map(|pull| pull.base.clone()).unwrap_or_default();
    json!({
        "action": "checks_requested",
        "merge_group": {
            "head_sha": situation.sha,
            "head_ref": situation.reference,
            "base_sha": state.history.branch(&base),
            "base_ref": format!("refs/heads/{base}"),
            "head_commit": view::event_commit(state, &situation.sha),
            "created_at": rfc3339(state.now()),
        },
    })
}
