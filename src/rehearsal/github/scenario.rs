//! What people do to the repository: push, open, review, merge, protect, comment.
//!
//! Verbs on a running stand-in rather than a description up front, so that a test tells its story in order and can go on
//! after the product has acted.

use std::fmt;

use serde::Deserialize;

use super::event::{self, Event};
use super::standin::World;
use super::state::{Artifact, Comment, CommitStatus, Merged, Pull, Review, State};

/// A pull request to open. The branch must have been pushed, or a fork is named and its head is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    pub branch: String,
    #[serde(default)]
    pub title: String,
    pub author: String,
    pub base: Option<String>,
    /// `owner/name` of a fork that the head lies in.
    pub fork: Option<String>,
    #[serde(default)]
    pub draft: bool,
}

impl PullRequest {
    pub fn from_branch(branch: &str, author: &str) -> Self {
        PullRequest {
            branch: branch.to_owned(),
            title: format!("Change {branch}"),
            author: author.to_owned(),
            base: None,
            fork: None,
            draft: false,
        }
    }

    pub fn from_fork(fork: &str, branch: &str, author: &str) -> Self {
        PullRequest { fork: Some(fork.to_owned()), ..Self::from_branch(branch, author) }
    }
}

/// The story does not add up.
#[derive(Debug, PartialEq, Eq)]
pub struct ScenarioError(pub(super) String);

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioError {}

fn no(what: impl Into<String>) -> ScenarioError {
    ScenarioError(what.into())
}

impl World {
    /// Pushes one commit to a branch; a new branch starts from the default branch. Returns the SHA.
    pub fn push(&self, branch: &str, author: &str, message: &str) -> Result<String, ScenarioError> {
        self.push_commit(branch, None, author, message)
    }

    /// The same with the SHA of a commit that exists elsewhere, such as in a real checkout.
    pub fn push_commit(
        &self,
        branch: &str,
        sha: Option<&str>,
        author: &str,
        message: &str,
    ) -> Result<String, ScenarioError> {
        if sha.is_some_and(|sha| sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Err(no("a SHA has forty hexadecimal digits"));
        }
        let mut state = self.lock();
        state.user(author);
        let now = state.now();
        let default = state.repository.default_branch.clone();
        let parent = state.history.branch(branch).or_else(|| state.history.branch(&default)).map(str::to_owned);
        let parents = parent.into_iter().collect();
        let made = state.history.commit(sha.map(str::to_owned), parents, author, message, now);
        state.history.point(&format!("refs/heads/{branch}"), &made);
        let moved: Vec<u64> = state
            .pulls
            .values()
            .filter(|pull| {
                !pull.closed && pull.branch == branch && pull.head_repository == state.repository.full_name()
            })
            .map(|pull| pull.number)
            .collect();
        for number in moved {
            if let Some(pull) = state.pulls.get_mut(&number) {
                pull.head = made.clone();
                pull.updated = now;
            }
            test_merge(&mut state, number);
        }
        Ok(made)
    }

    pub fn tag(&self, tag: &str, commit: &str) -> Result<(), ScenarioError> {
        let mut state = self.lock();
        let sha = state.history.resolve(commit).ok_or_else(|| no(format!("no commit {commit}")))?.sha.clone();
        state.history.point(&format!("refs/tags/{tag}"), &sha);
        Ok(())
    }

    /// The commit at the tip of a branch.
    pub fn tip(&self, branch: &str) -> Option<String> {
        self.lock().history.branch(branch).map(str::to_owned)
    }

    /// Returns the number.
    pub fn open_pull_request(&self, asked: PullRequest) -> Result<u64, ScenarioError> {
        let mut state = self.lock();
        let now = state.now();
        let base = asked.base.unwrap_or_else(|| state.repository.default_branch.clone());
        let tip = state.history.branch(&base).ok_or_else(|| no(format!("no branch {base}")))?.to_owned();
        let head = match &asked.fork {
            None => {
                state.history.branch(&asked.branch).ok_or_else(|| no(format!("no branch {}", asked.branch)))?.to_owned()
            }
            Some(fork) => {
                let message = format!("{} of {fork}", asked.branch);
                state.history.commit(None, vec![tip], &asked.author, &message, now)
            }
        };
        state.user(&asked.author);
        let head_repository = asked.fork.unwrap_or_else(|| state.repository.full_name());
        let owner = head_repository.split('/').next().unwrap_or_default().to_owned();
        state.user(&owner);
        let number = state.counters.next("pull");
        let pull = Pull {
            number,
            title: asked.title,
            author: asked.author,
            base,
            head_repository,
            branch: asked.branch,
            head,
            draft: asked.draft,
            test_merge: None,
            merged: None,
            closed: false,
            locked: false,
            reviews: Vec::new(),
            created: now,
            updated: now,
        };
        state.pulls.insert(number, pull);
        test_merge(&mut state, number);
        Ok(number)
    }

    /// A submitted review: `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED`.
    pub fn review(&self, number: u64, author: &str, verdict: &str) -> Result<(), ScenarioError> {
        let mut state = self.lock();
        state.user(author);
        let (id, at) = (state.counters.next("review"), state.now());
        let pull = state.pulls.get_mut(&number).ok_or_else(|| no(format!("no pull request {number}")))?;
        let commit = pull.head.clone();
        pull.reviews.push(Review { id, author: author.to_owned(), state: verdict.to_owned(), commit, at });
        Ok(())
    }

    /// Merges with a merge commit and returns it.
    pub fn merge(&self, number: u64, by: &str) -> Result<String, ScenarioError> {
        let mut state = self.lock();
        state.user(by);
        let at = state.now();
        let pull = state.pulls.get(&number).cloned().ok_or_else(|| no(format!("no pull request {number}")))?;
        if pull.closed {
            return Err(no(format!("pull request {number} is closed")));
        }
        let tip = state.history.branch(&pull.base).unwrap_or_default().to_owned();
        let message = format!("Merge pull request #{number} from {}", pull.branch);
        let commit = state.history.commit(None, vec![tip, pull.head], by, &message, at);
        state.history.point(&format!("refs/heads/{}", pull.base), &commit);
        if let Some(pull) = state.pulls.get_mut(&number) {
            pull.merged = Some(Merged { by: by.to_owned(), commit: commit.clone(), at });
            pull.closed = true;
            pull.updated = at;
        }
        Ok(commit)
    }

    /// Nobody can comment on it any more.
    pub fn lock_conversation(&self, number: u64) {
        if let Some(pull) = self.lock().pulls.get_mut(&number) {
            pull.locked = true;
        }
    }

    /// Somebody says something in a pull request's conversation. Returns the comment's id.
    pub fn comment_as(&self, author: &str, number: u64, body: &str) -> u64 {
        let mut state = self.lock();
        state.user(author);
        let (id, now) = (state.counters.next("comment"), state.now());
        let (author, body) = (author.to_owned(), body.to_owned());
        state.comments.insert(id, Comment { id, issue: number, author, body, created: now, updated: now });
        id
    }

    /// The comments of a pull request, as author and body.
    pub fn comments(&self, number: u64) -> Vec<(String, String)> {
        let state = self.lock();
        let of_it = state.comments.values().filter(|comment| comment.issue == number);
        of_it.map(|comment| (comment.author.clone(), comment.body.clone())).collect()
    }

    /// Demands a review before a job enters the environment.
    pub fn protect_environment(&self, name: &str, reviewers: &[&str], prevent_self_review: bool) {
        let mut state = self.lock();
        for login in reviewers {
            state.user(login);
        }
        let environment = state.environment(name);
        environment.reviewers = reviewers.iter().map(|login| (*login).to_owned()).collect();
        environment.prevent_self_review = prevent_self_review;
    }

    /// A status of another system on a commit: `error`, `failure`, `pending`, `success`.
    pub fn set_commit_status(&self, sha: &str, context: &str, state: &str) {
        let mut world = self.lock();
        world.commit_statuses.retain(|status| status.sha != sha || status.context != context);
        let (sha, context, state) = (sha.to_owned(), context.to_owned(), state.to_owned());
        world.commit_statuses.push(CommitStatus { sha, context, state });
    }

    /// What a step left behind with the artifact client; only its description is kept.
    pub fn add_artifact(&self, run: u64, name: &str, bytes: u64) -> u64 {
        let mut state = self.lock();
        let (id, created) = (state.counters.next("artifact"), state.now());
        state.artifacts.push(Artifact { id, name: name.to_owned(), bytes, run, expired: false, created });
        id
    }
}

/// The commit that pull request workflows run on: the head merged into the base as they are now.
pub(super) fn test_merge(state: &mut State, number: u64) {
    let Some(pull) = state.pulls.get(&number).cloned() else { return };
    let Some(base) = state.history.branch(&pull.base).map(str::to_owned) else { return };
    let now = state.now();
    let message = format!("Merge {} into {base}", pull.head);
    let sha = state.history.commit(None, vec![base, pull.head], &pull.author, &message, now);
    state.history.point(&format!("refs/pull/{number}/merge"), &sha);
    if let Some(pull) = state.pulls.get_mut(&number) {
        pull.test_merge = Some(sha);
    }
}

/// A merge queue's commit exists before its workflow does.
pub(super) fn prepare(state: &mut State, event: &Event) -> Result<(), ScenarioError> {
    let known = match event {
        Event::Push { reference } => state.history.refs().contains_key(reference),
        Event::WorkflowDispatch { branch, .. } => state.history.branch(branch).is_some(),
        Event::WorkflowRun { run } => state.runs.contains_key(run),
        Event::Schedule { .. } => true,
        _ => event.pull(state).is_some(),
    };
    if !known {
        return Err(no(format!("{} of something that is not there: {event:?}", event.name())));
    }
    if let (Event::MergeGroup { .. }, Some(pull)) = (event, event.pull(state)) {
        let (name, head, author) = (event::queue_ref(state, pull), pull.head.clone(), pull.author.clone());
        let base = state.history.branch(&pull.base).unwrap_or_default().to_owned();
        if !state.history.refs().contains_key(&name) {
            let now = state.now();
            let sha = state.history.commit(None, vec![base, head], &author, "Merge queue", now);
            state.history.point(&name, &sha);
        }
    }
    Ok(())
}
