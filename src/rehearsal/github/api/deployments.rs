//! Deployments and their statuses, with the two defaults that surprise: contexts are demanded and branches are merged.

use serde_json::{Value, json};

use crate::rehearsal::github::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::github::page;
use crate::rehearsal::github::state::{Deployment, DeploymentStatus, State};
use crate::rehearsal::github::strict::{Fields, longer_than};
use crate::rehearsal::github::view;

const STATES: &[&str] = &["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
const LONGEST_DESCRIPTION: usize = 140;

/// Newest first.
pub(super) fn list(call: &mut Call<'_>) -> Answer {
    // `none` is the documented default, and means the parameter was not given.
    let asked = |name: &str| call.query(name).filter(|value| *value != "none" && !value.is_empty());
    let fits = |name: &str, value: &str| asked(name).is_none_or(|wanted| wanted == value);
    let shown: Vec<Value> = call
        .state
        .deployments
        .values()
        .rev()
        .filter(|found| fits("sha", &found.sha) && fits("ref", &found.reference))
        .filter(|found| fits("task", &found.task) && fits("environment", &found.environment))
        .map(|found| view::deployment(call.state, found))
        .collect();
    page::reply(call, shown, None)
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let found = call.state.deployments.get(&call.id("deployment_id")?).ok_or_else(Refusal::not_found)?;
    Reply::ok(view::deployment(call.state, found))
}

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = Fields::of(call)?;
    let reference = fields.required("ref")?;
    let task = fields.text("task")?.unwrap_or_else(|| "deploy".to_owned());
    let auto_merge = fields.flag("auto_merge")?.unwrap_or(true);
    let contexts = contexts(&mut fields)?;
    let payload = payload(&mut fields)?;
    let environment = fields.text("environment")?.unwrap_or_else(|| "production".to_owned());
    let description = fields.text_or_null("description")?;
    let transient = fields.flag("transient_environment")?.unwrap_or(false);
    let production = fields.flag("production_environment")?.unwrap_or(environment == "production");
    fields.finish()?;

    let found = call.state.history.resolve(&reference);
    let sha = found.ok_or_else(|| Refusal::new(422, format!("No ref found for: {reference}")))?.sha.clone();
    if auto_merge && let Some(merged) = merge_default_branch(call, &reference, &sha) {
        return Reply::accepted(json!({"message": merged}));
    }
    demand_contexts(call.state, &reference, &sha, contexts.as_deref())?;

    call.state.environment(&environment);
    let deployment = Deployment {
        id: call.state.counters.next("deployment"),
        sha,
        reference,
        task,
        original_environment: environment.clone(),
        environment,
        description,
        payload,
        creator: call.who.login.clone(),
        transient,
        production,
        statuses: Vec::new(),
        created: call.state.now(),
    };
    let written = view::deployment(call.state, &deployment);
    call.state.deployments.insert(deployment.id, deployment);
    Reply::created(written)
}

fn contexts(fields: &mut Fields) -> Result<Option<Vec<String>>, Refusal> {
    let Some(items) = fields.list("required_contexts")? else { return Ok(None) };
    let text = |item: Value| match item {
        Value::String(text) => Ok(text),
        other => Err(Refusal::shape(format!("For 'items', {other} is not a string."))),
    };
    items.into_iter().map(text).collect::<Result<_, _>>().map(Some)
}

fn payload(fields: &mut Fields) -> Result<Value, Refusal> {
    match fields.take("payload") {
        None => Ok(json!({})),
        Some(given @ (Value::Object(_) | Value::String(_))) => Ok(given),
        Some(other) => Err(Refusal::shape(format!("For 'properties/payload', {other} is not an object or a string."))),
    }
}

/// Brings a branch that is behind up to date, in place of deploying it; a SHA or a tag cannot be merged into.
fn merge_default_branch(call: &mut Call<'_>, reference: &str, sha: &str) -> Option<String> {
    let now = call.state.now();
    let main = call.state.repository.default_branch.clone();
    let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    let tip = call.state.history.branch(&main)?.to_owned();
    if branch == main || call.state.history.branch(branch)? != sha {
        return None;
    }
    // Compared from the branch: what the default branch has and it lacks.
    if call.state.history.compare(sha, &tip)?.ahead.is_empty() {
        return None;
    }
    let message = format!("Merge {main} into {branch}");
    let merged = call.state.history.commit(None, vec![sha.to_owned(), tip], &call.who.login, &message, now);
    call.state.history.point(&format!("refs/heads/{branch}"), &merged);
    Some(format!("Auto-merged {main} into {branch} on deployment."))
}

/// Without a list every status and check of the commit counts, the asking job's own included.
fn demand_contexts(state: &State, reference: &str, sha: &str, wanted: Option<&[String]>) -> Result<(), Refusal> {
    let statuses =
        state.commit_statuses.iter().filter(|status| status.sha == sha).map(|status| (&status.context, &status.state));
    let checks = state
        .check_runs
        .values()
        .filter(|check| check.sha == sha)
        .map(|check| (&check.name, check.conclusion.as_ref().unwrap_or(&check.status)));
    let known: Vec<(&String, &String)> = statuses.chain(checks).collect();
    let good = |state: &str| matches!(state, "success" | "neutral" | "skipped");
    let mut bad: Vec<Value> = known
        .iter()
        .filter(|(name, state)| wanted.is_none_or(|wanted| wanted.contains(name)) && !good(state))
        .map(|(name, state)| json!({"context": name, "state": state}))
        .collect();
    let missing = |name: &&String| !known.iter().any(|(there, _)| there == name);
    bad.extend(
        wanted.unwrap_or_default().iter().filter(missing).map(|name| json!({"context": name, "state": "pending"})),
    );
    if bad.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(409, format!("Conflict: Commit status checks failed for {reference}.")).with_error(
        json!({"contexts": bad, "resource": "Deployment", "field": "required_contexts", "code": "invalid"}),
    ))
}

/// An active deployment can be deleted only when it is the last one.
pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id("deployment_id")?;
    let found = call.state.deployments.get(&id).ok_or_else(Refusal::not_found)?;
    if call.state.deployments.len() > 1 && found.state() != Some("inactive") {
        return Err(Refusal::new(
            422,
            "We cannot delete an active deployment unless it is the only deployment in a given repository.",
        ));
    }
    call.state.deployments.remove(&id);
    Reply::gone()
}

/// Newest first.
pub(super) fn statuses(call: &mut Call<'_>) -> Answer {
    let found = call.state.deployments.get(&call.id("deployment_id")?).ok_or_else(Refusal::not_found)?;
    let shown = found.statuses.iter().rev().map(|status| view::deployment_status(call.state, found, status)).collect();
    page::reply(call, shown, None)
}

pub(super) fn status(call: &mut Call<'_>) -> Answer {
    let found = call.state.deployments.get(&call.id("deployment_id")?).ok_or_else(Refusal::not_found)?;
    let id = call.id("status_id")?;
    let status = found.statuses.iter().find(|status| status.id == id).ok_or_else(Refusal::not_found)?;
    Reply::ok(view::deployment_status(call.state, found, status))
}

pub(super) fn create_status(call: &mut Call<'_>) -> Answer {
    let id = call.id("deployment_id")?;
    if !call.state.deployments.contains_key(&id) {
        return Err(Refusal::not_found());
    }
    let (status, auto_inactive) = read_status(call)?;
    let created = add_status(call.state, id, status, auto_inactive);
    let found = call.state.deployments.get(&id).ok_or_else(Refusal::not_found)?;
    Reply::created(view::deployment_status(call.state, found, &created))
}

fn read_status(call: &mut Call<'_>) -> Result<(DeploymentStatus, bool), Refusal> {
    let mut fields = Fields::of(call)?;
    let state = fields.one_of("state", STATES)?.ok_or_else(|| Refusal::shape("\"state\" wasn't supplied."))?;
    let description = fields.text("description")?.unwrap_or_default();
    let target = fields.text("target_url")?;
    let log_url = fields.text("log_url")?.or(target).unwrap_or_default();
    let environment_url = fields.text("environment_url")?.unwrap_or_default();
    let environment = fields.text("environment")?.unwrap_or_default();
    let auto_inactive = fields.flag("auto_inactive")?.unwrap_or(true);
    fields.finish()?;
    if longer_than(&description, LONGEST_DESCRIPTION) {
        return Err(Refusal::custom(
            "DeploymentStatus",
            "description",
            format!("description is too long (maximum is {LONGEST_DESCRIPTION} characters)"),
        ));
    }
    for (field, url) in [("target_url", &log_url), ("environment_url", &environment_url)] {
        if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
            let message = format!("{field} must use http(s) scheme");
            return Err(Refusal::custom("DeploymentStatus", field, message));
        }
    }
    let status = DeploymentStatus {
        id: call.state.counters.next("deployment-status"),
        state,
        creator: call.who.login.clone(),
        description,
        environment,
        log_url,
        environment_url,
        at: call.state.now(),
    };
    Ok((status, auto_inactive))
}

/// Adds a status, and closes the earlier successes that it replaces: those that are neither transient nor production.
pub(in crate::rehearsal::github) fn add_status(
    state: &mut State,
    id: u64,
    mut status: DeploymentStatus,
    auto_inactive: bool,
) -> DeploymentStatus {
    let Some(deployment) = state.deployments.get_mut(&id) else { return status };
    if status.environment.is_empty() {
        status.environment = deployment.environment.clone();
    }
    deployment.environment = status.environment.clone();
    deployment.statuses.push(status.clone());
    if status.state != "success" || !auto_inactive {
        return status;
    }
    let replaced: Vec<u64> = state
        .deployments
        .values()
        .filter(|other| other.id < id && other.environment == status.environment)
        .filter(|other| !other.transient && !other.production && other.state() == Some("success"))
        .map(|other| other.id)
        .collect();
    for other in replaced {
        let number = state.counters.next("deployment-status");
        if let Some(deployment) = state.deployments.get_mut(&other) {
            let inactive = DeploymentStatus {
                id: number,
                state: "inactive".to_owned(),
                description: String::new(),
                log_url: String::new(),
                environment_url: String::new(),
                ..status.clone()
            };
            deployment.statuses.push(inactive);
        }
    }
    status
}
