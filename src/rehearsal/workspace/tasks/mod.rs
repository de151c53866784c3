//! Runs of jobs, and what happens inside of their tasks.
//!
//! `run` is the state machine and knows no clock and no process. Scripted runs are walked through it when somebody looks;
//! local runs are driven by `execute`, which gives Python tasks to `python` and takes the workspace's lock only to move on.

mod execute;
mod python;
mod references;
mod run;
mod training;

use std::path::PathBuf;
use std::sync::Mutex;

pub(crate) use execute::execute;
pub(crate) use run::{NewRun, Run, Runs};
use serde::{Deserialize, Serialize};
pub use training::Training;

/// How tasks run.
pub enum Tasks {
    /// Everything succeeds, unless `Control::script` says otherwise.
    Scripted(Script),
    /// Python tasks run for real; the others succeed, unless scripted.
    Local(Local),
}

/// Python for tasks.
pub struct Local {
    /// Virtual environments and the folders of runs lie here; environments are kept and used again.
    pub folder: PathBuf,
    /// Requirements that every environment has, as a cluster's runtime has its libraries.
    pub runtime: Vec<String>,
    script: Script,
}

/// How tasks end that are not run for real: job name, task key, outcome.
#[derive(Default)]
pub struct Script(Mutex<Vec<(String, String, Outcome)>>);

/// How a task ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success { logs: String },
    Failed { error: String },
    TimedOut,
}

impl Tasks {
    pub fn scripted() -> Self {
        Self::Scripted(Script::default())
    }

    pub fn local(folder: impl Into<PathBuf>, runtime: Vec<String>) -> Self {
        Self::Local(Local { folder: folder.into(), runtime, script: Script::default() })
    }

    fn of_script(&self) -> &Script {
        match self {
            Self::Scripted(script) | Self::Local(Local { script, .. }) => script,
        }
    }

    pub(crate) fn script(&self, job: &str, task: &str, outcome: Outcome) {
        self.of_script().lock().push((job.to_owned(), task.to_owned(), outcome));
    }

    /// The latest word on a task wins.
    pub(crate) fn scripted_outcome(&self, job: &str, task: &str) -> Option<Outcome> {
        let fits = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        let lines = self.of_script().lock();
        lines.iter().rev().find(|(j, t, _)| fits(j, job) && fits(t, task)).map(|(_, _, o)| o.clone())
    }
}

impl Script {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, String, Outcome)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
