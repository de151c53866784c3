//! Workflow runs, their jobs, approvals and artifacts.

use serde_json::{Value, json};

use super::{event_commit, minimal, node_id, user};
use crate::rehearsal::github::clock::{maybe, rfc3339};
use crate::rehearsal::github::state::{Approval, Artifact, Environment, Job, Run, State};

pub(in crate::rehearsal::github) fn run(state: &State, run: &Run) -> Value {
    let (api, id) = (state.api(), run.id);
    let url = format!("{api}/actions/runs/{id}");
    let head_repository = run.event.head_repository(state);
    json!({
        "id": id,
        "name": run.workflow,
        "node_id": node_id("WFR", id),
        "head_branch": run.branch,
        "head_sha": run.sha,
        "path": run.workflow_path,
        "display_title": state.history.get(&run.sha).map_or("", |commit| commit.message.as_str()),
        "run_number": run.number,
        "event": run.event.name(),
        "status": if run.conclusion.is_some() { "completed" } else { "in_progress" },
        "conclusion": run.conclusion,
        "workflow_id": 161_335,
        "check_suite_id": id + 5,
        "check_suite_node_id": node_id("CS", id + 5),
        "url": url,
        "html_url": format!("{}/actions/runs/{id}", state.page()),
        // What GitHub lists here does not necessarily say what triggered the run, so nothing may rest on it.
        "pull_requests": [],
        "created_at": rfc3339(run.created),
        "updated_at": rfc3339(run.created),
        "run_started_at": rfc3339(run.created),
        "run_attempt": run.attempt,
        "actor": user(state, &run.actor),
        "triggering_actor": user(state, &run.triggering_actor),
        "referenced_workflows": [],
        "jobs_url": format!("{url}/jobs"),
        "logs_url": format!("{url}/logs"),
        "check_suite_url": format!("{api}/check-suites/{}", id + 5),
        "artifacts_url": format!("{url}/artifacts"),
        "cancel_url": format!("{url}/cancel"),
        "rerun_url": format!("{url}/rerun"),
        "previous_attempt_url": (run.attempt > 1).then(|| format!("{url}/attempts/{}", run.attempt - 1)),
        "workflow_url": format!("{api}/actions/workflows/161335"),
        "head_commit": event_commit(state, &run.sha),
        "repository": minimal(state, &state.repository.full_name()),
        "head_repository": minimal(state, &head_repository),
    })
}

pub(in crate::rehearsal::github) fn job(state: &State, job: &Job) -> Value {
    let api = state.api();
    let run = state.runs.get(&job.run);
    let status = if job.completed.is_some() { "completed" } else { "in_progress" };
    json!({
        "id": job.id,
        "run_id": job.run,
        "workflow_name": run.map(|run| run.workflow.clone()),
        "head_branch": run.and_then(|run| run.branch.clone()),
        "run_url": format!("{api}/actions/runs/{}", job.run),
        "run_attempt": job.attempt,
        "node_id": node_id("CR", job.id),
        "head_sha": run.map(|run| run.sha.clone()),
        "url": format!("{api}/actions/jobs/{}", job.id),
        "html_url": state.job_page(job.run, job.id),
        "status": status,
        "conclusion": job.conclusion,
        "created_at": rfc3339(job.started),
        "started_at": rfc3339(job.started),
        "completed_at": maybe(job.completed),
        "name": job.name,
        "steps": [],
        "check_run_url": format!("{api}/check-runs/{}", job.id),
        "labels": ["ubuntu-latest"],
        "runner_id": 1,
        "runner_name": "GitHub Actions 1",
        "runner_group_id": 0,
        "runner_group_name": "GitHub Actions",
    })
}

// An environment as approvals and waiting jobs name it.
fn named(state: &State, name: &str) -> Value {
    let found = state.environments.get(name);
    let id = found.map(|environment| environment.id).unwrap_or_default();
    let since = rfc3339(found.map(|environment| environment.created).unwrap_or_default());
    json!({
        "id": id,
        "node_id": node_id("EN", id),
        "name": name,
        "url": format!("{}/environments/{name}", state.api()),
        "html_url": format!("{}/deployments/activity_log?environments_filter={name}", state.page()),
        "created_at": since,
        "updated_at": since,
    })
}

pub(in crate::rehearsal::github) fn approval(state: &State, approval: &Approval) -> Value {
    json!({
        "state": approval.state,
        "comment": approval.comment,
        "environments": [named(state, &approval.environment)],
        "user": user(state, &approval.user),
    })
}

/// A job that waits for its environment.
pub(in crate::rehearsal::github) fn pending(state: &State, name: &str, environment: &Environment, since: i64) -> Value {
    let mut shown = named(state, name);
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("created_at");
        shown.remove("updated_at");
    }
    let reviewers: Vec<Value> =
        environment.reviewers.iter().map(|login| json!({"type": "User", "reviewer": user(state, login)})).collect();
    json!({
        "environment": shown,
        "wait_timer": environment.wait_minutes,
        "wait_timer_started_at": maybe((environment.wait_minutes > 0).then_some(since)),
        "current_user_can_approve": false,
        "reviewers": reviewers,
    })
}

pub(in crate::rehearsal::github) fn artifact(state: &State, artifact: &Artifact) -> Value {
    let url = format!("{}/actions/artifacts/{}", state.api(), artifact.id);
    let run = state.runs.get(&artifact.run);
    json!({
        "id": artifact.id,
        "node_id": node_id("A", artifact.id),
        "name": artifact.name,
        "size_in_bytes": artifact.bytes,
        "url": url,
        "archive_download_url": format!("{url}/zip"),
        "expired": artifact.expired,
        "created_at": rfc3339(artifact.created),
        "updated_at": rfc3339(artifact.created),
        "expires_at": rfc3339(artifact.created + 90 * 86_400),
        "workflow_run": {
            "id": artifact.run,
            "repository_id": state.repository.id,
            "head_repository_id": state.repository.id,
            "head_branch": run.and_then(|run| run.branch.clone()).unwrap_or_default(),
            "head_sha": run.map(|run| run.sha.clone()).unwrap_or_default(),
        },
    })
}
