//! What stages write into the journal by name, and reports read back.
//!
//! Everything here leaves the machine in a comment, a summary or an artifact: no tokens, no
//! values of fields that are not on a printable list.

use serde::{Deserialize, Serialize};

/// `PlanView`.
pub const PLAN: &str = "plan";
/// A text, `sha256:…`.
pub const PLAN_DIGEST: &str = "plan-digest";
/// `Files`.
pub const FILES: &str = "files";
/// `Engine`.
pub const ENGINE: &str = "engine";
/// A list of `Target`.
pub const TARGETS: &str = "targets";
/// A list of `Diagnostic`.
pub const DIAGNOSTICS: &str = "diagnostics";
/// `Deployment`.
pub const DEPLOYMENT: &str = "deployment";
/// A list of `Deployed`.
pub const RESOURCES: &str = "resources";
/// `RunEnd`, one fact for each job that was run.
pub const RUN: &str = "run";
/// A text: why only the offline part was done.
pub const OFFLINE: &str = "offline";
/// A list of phases that a dry run leaves undecided.
pub const DECIDED_LATER: &str = "decided-later";
/// `Commits`.
pub const COMMITS: &str = "commits";
/// `Unwinding`.
pub const UNWINDING: &str = "unwinding";

/// What identifies a run: the first entry of its journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    pub stage: String,
    pub bundle: String,
    pub target: String,
    pub environment: String,
    pub host: String,
    /// The commit that is checked out.
    pub commit: String,
    /// The commit that a person wrote, where it is another: a pull request's head.
    pub head: String,
    pub repository: String,
    pub event: String,
    /// Id and attempt; empty on a laptop.
    pub run_id: String,
    pub attempt: u32,
    pub job: String,
    pub run_url: String,
    pub dry_run: bool,
    pub version: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    pub name: String,
    /// Why it was chosen.
    pub because: String,
}

/// Files of the workspace that an upload adds, changes or deletes; names below `files/`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Files {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub deleted: Vec<String>,
    pub unchanged: usize,
}

/// A target that was resolved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    pub name: String,
    pub host: String,
    pub mode: String,
    pub resources: usize,
    pub errors: usize,
    pub warnings: usize,
    /// Values that only the workspace knows.
    pub unknown: usize,
}

/// A resource as it lies in the workspace after the deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// Such as: job `train`.
    pub title: String,
    pub id: String,
    pub url: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: u64,
    pub environment: String,
    /// It belongs to the job: GitHub made it.
    pub of_the_job: bool,
}

/// How a run of a job ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunEnd {
    pub job: String,
    pub run_id: i64,
    pub url: String,
    /// Such as `SUCCESS`.
    pub state: String,
    pub message: String,
    pub seconds: f64,
}

/// What was deployed before this run, and what is now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Commits {
    pub before: Option<String>,
    pub now: Option<String>,
}

/// How a failed run left the workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unwinding {
    pub taken_back: usize,
    pub left_in_place: usize,
    /// What could not be taken back.
    pub failed: Vec<String>,
    /// It failed after the point of no return: the next run goes on from there.
    pub resumable: bool,
}
