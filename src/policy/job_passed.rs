//! A job that a stage runs ends with SUCCESS; every other end has its own sentence.
//!
//! The official command takes `SUCCESS_WITH_FAILURES` and `UPSTREAM_FAILED` for success.

use super::Verdict;
use crate::domain::{Failure, Purpose};

/// A run's end, as `runs/get` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    pub job: String,
    pub life_cycle_state: String,
    pub result_state: String,
    pub message: String,
    pub url: String,
    /// Tasks that did not succeed: key, state and how their error begins.
    pub failed_tasks: Vec<(String, String, String)>,
}

pub fn verdict(purpose: Purpose, end: &RunEnd) -> Verdict {
    let rule = match purpose {
        Purpose::Smoke => "smoke-passed",
        Purpose::Training => "training-passed",
        Purpose::Validation => "validation-passed",
    };
    if end.life_cycle_state == "TERMINATED" && end.result_state == "SUCCESS" {
        return Verdict::yes(rule, format!("job `{}` ended with SUCCESS", end.job));
    }
    let mut message = format!("pass the {} `{}`: it {}", purpose.noun(), end.job, how(end));
    if !end.message.is_empty() {
        message.push_str(&format!(" ({})", end.message.trim_end_matches('.')));
    }
    for (task, state, error) in &end.failed_tasks {
        message.push_str(&format!("\n  task `{task}` {state}"));
        if !error.is_empty() {
            message.push_str(&format!(": {}", error.replace('\n', "\n    ")));
        }
    }
    let failure = Failure::new(purpose.ended(state(end)), message).hint(format!("look at the run: {}", end.url));
    Verdict::no(rule, failure)
}

fn state(end: &RunEnd) -> &str {
    if end.result_state.is_empty() { &end.life_cycle_state } else { &end.result_state }
}

fn how(end: &RunEnd) -> String {
    match state(end) {
        "FAILED" => "failed".to_owned(),
        "TIMEDOUT" => "ran into the job's own timeout".to_owned(),
        "CANCELED" => "was cancelled in the workspace".to_owned(),
        "SKIPPED" => "was skipped: another run of the job was active".to_owned(),
        "MAXIMUM_CONCURRENT_RUNS_REACHED" => "was skipped: too many runs of the job are active".to_owned(),
        "SUCCESS_WITH_FAILURES" => "ended, but some of its tasks failed".to_owned(),
        "UPSTREAM_FAILED" => "did not run its last tasks: a task before them failed".to_owned(),
        "UPSTREAM_CANCELED" => "did not run its last tasks: a task before them was cancelled".to_owned(),
        "EXCLUDED" => "ran none of its tasks: their conditions excluded them".to_owned(),
        "INTERNAL_ERROR" => "could not be run by the workspace".to_owned(),
        other => format!("ended with {other}"),
    }
}
