//! Workflow runs: who started one, its jobs, who approved its environments, what it left behind.

use serde_json::Value;

use crate::rehearsal::github::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::github::page;
use crate::rehearsal::github::state::{Artifact, Job, Run};
use crate::rehearsal::github::view;

fn named<'a>(call: &'a Call<'_>) -> Result<&'a Run, Refusal> {
    call.state.runs.get(&call.id("run_id")?).ok_or_else(Refusal::not_found)
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let run = named(call)?;
    Reply::ok(view::run(call.state, run))
}

/// The jobs of the latest attempt, or of every attempt.
pub(super) fn jobs(call: &mut Call<'_>) -> Answer {
    let run = named(call)?;
    let all = call.query("filter") == Some("all");
    let (id, attempt) = (run.id, run.attempt);
    list_jobs(call, |job| job.run == id && (all || job.attempt == attempt))
}

pub(super) fn jobs_of_attempt(call: &mut Call<'_>) -> Answer {
    let (id, attempt) = (named(call)?.id, call.id("attempt_number")?);
    list_jobs(call, |job| job.run == id && job.attempt == attempt)
}

fn list_jobs(call: &Call<'_>, wanted: impl Fn(&Job) -> bool) -> Answer {
    let jobs = call.state.jobs.values().filter(|job| wanted(job));
    let shown = jobs.map(|job| view::job(call.state, job)).collect();
    page::reply(call, shown, Some("jobs"))
}

pub(super) fn job(call: &mut Call<'_>) -> Answer {
    let job = call.state.jobs.get(&call.id("job_id")?).ok_or_else(Refusal::not_found)?;
    Reply::ok(view::job(call.state, job))
}

/// A bare list with no times and no pages.
pub(super) fn approvals(call: &mut Call<'_>) -> Answer {
    let run = named(call)?;
    let shown: Vec<Value> = run.approvals.iter().map(|found| view::approval(call.state, found)).collect();
    Reply::ok(shown.into())
}

/// The environments with reviewers that nobody has let this run into yet.
pub(super) fn pending(call: &mut Call<'_>) -> Answer {
    let run = named(call)?;
    let state = &*call.state;
    let waiting = |name: &str| {
        state
            .jobs
            .values()
            .any(|job| job.run == run.id && job.completed.is_none() && job.environment.as_deref() == Some(name))
            && !run.approvals.iter().any(|approval| approval.environment == name)
    };
    let shown: Vec<Value> = state
        .environments
        .iter()
        .filter(|(name, environment)| !environment.reviewers.is_empty() && waiting(name))
        .map(|(name, environment)| view::pending(state, name, environment, run.created))
        .collect();
    Reply::ok(shown.into())
}

pub(super) fn artifacts_of_run(call: &mut Call<'_>) -> Answer {
    let id = named(call)?.id;
    list_artifacts(call, |artifact| artifact.run == id)
}

pub(super) fn artifacts(call: &mut Call<'_>) -> Answer {
    list_artifacts(call, |_| true)
}

fn list_artifacts(call: &Call<'_>, wanted: impl Fn(&Artifact) -> bool) -> Answer {
    let name = call.query("name");
    let found = call.state.artifacts.iter().rev().filter(|artifact| wanted(artifact));
    let shown = found
        .filter(|artifact| name.is_none_or(|name| name == artifact.name))
        .map(|artifact| view::artifact(call.state, artifact))
        .collect();
    page::reply(call, shown, Some("artifacts"))
}
