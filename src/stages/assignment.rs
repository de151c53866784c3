//! What a stage was asked to do: inputs, configuration and event as one value.

use std::time::Duration;

use crate::inputs::config::{Environment, Smoke};
use crate::inputs::event::Occasion;
use crate::ports::engine::ActAs;

#[derive(Clone, Debug)]
pub struct Assignment {
    pub environment: Environment,
    pub target: String,
    pub smoke: Vec<Smoke>,
    pub occasion: Occasion,
    /// What is checked out, where there is a repository.
    pub commit: Option<String>,
    pub allow_older: bool,
    pub lock_timeout: Duration,
    /// Present when another principal reads than the one that deploys.
    pub act_as: Option<ActAs>,
    /// Unique to this run and attempt: it names the folder of what is saved for undoing.
    pub run_key: String,
}

impl Assignment {
    /// Files that are ours and not the bundle's, in the workspace.
    pub fn undo_folder(&self, root_path: &str) -> String {
        format!("{root_path}/.mlops-deploy/undo/{}", self.run_key)
    }

    pub fn commit_text(&self) -> &str {
        self.commit.as_deref().unwrap_or_default()
    }
}
