//! Who holds the deployment lock, said in a way that another run can check.
//!
//! The official lock file names a user and a time, and every run of an environment has the
//! same user. Beside it lies our own file: run, attempt and job, and a heartbeat. Whoever
//! waits can say who it is that makes them wait, and which run left a lock behind.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::workspace_files::WorkspaceFiles;
use crate::domain::Failure;

/// How often a living run touches its file.
pub const HEARTBEAT_SECONDS: u64 = 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    pub version: u32,
    /// The id in the lock file that this one is about.
    pub lock: String,
    pub repository: String,
    pub run_id: String,
    pub attempt: u32,
    pub job: String,
    pub url: String,
    pub commit: String,
    pub since: String,
    pub heartbeat: String,
}

impl Sidecar {
    /// For a person who waits.
    pub fn holder(&self, now: Timestamp) -> String {
        let who = match (self.url.as_str(), self.job.as_str()) {
            ("", "") => "a run outside of Actions".to_owned(),
            ("", job) => format!("job `{job}`"),
            (url, _) => url.to_owned(),
        };
        let silent = self.silent_for(now);
        let alive = if silent > 3 * HEARTBEAT_SECONDS as i64 {
            format!("silent for {silent} s, so it may be dead")
        } else {
            "alive".to_owned()
        };
        format!("{who} (attempt {}, commit {}) since {}, {alive}", self.attempt, short(&self.commit), self.since)
    }

    /// Seconds since its last sign of life.
    pub fn silent_for(&self, now: Timestamp) -> i64 {
        self.heartbeat.parse::<Timestamp>().map(|t| now.duration_since(t).as_secs()).unwrap_or(0)
    }

    /// The same run, so that its post step may give its lock back.
    pub fn is_of(&self, repository: &str, run_id: &str, attempt: u32, job: &str) -> bool {
        self.repository == repository && self.run_id == run_id && self.attempt == attempt && self.job == job
    }
}

fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

pub fn sidecar_path(root_path: &str) -> String {
    format!("{root_path}/.mlops-deploy/lock.json")
}

pub async fn read(files: &WorkspaceFiles, root_path: &str) -> Result<Option<Sidecar>, Failure> {
    let path = sidecar_path(root_path);
    let bytes = files.read(&path).await.map_err(|e| e.into_failure(format!("read {path}")))?;
    // One that cannot be read says nothing about anybody.
    Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()))
}

pub async fn write(files: &WorkspaceFiles, root_path: &str, sidecar: &Sidecar) -> Result<(), Failure> {
    let path = sidecar_path(root_path);
    let bytes = serde_json::to_vec(sidecar).expect("a sidecar is JSON");
    files.put(&path, bytes.into()).await.map_err(|e| e.into_failure(format!("write {path}")))
}

pub async fn delete(files: &WorkspaceFiles, root_path: &str) -> Result<(), Failure> {
    let path = sidecar_path(root_path);
    files.delete(&path, false).await.map(drop).map_err(|e| e.into_failure(format!("delete {path}")))
}
