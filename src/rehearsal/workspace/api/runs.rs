//! Runs of jobs: start, look, list, cancel, output.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::jobs;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::tasks::{NewRun, Run};

fn no_such(id: u64) -> Refusal {
    Refusal::new(400, "INVALID_PARAMETER_VALUE", format!("Run {id} does not exist."))
}

fn run_id(call: &Call) -> Result<u64, Refusal> {
    let id = call.required("run_id")?;
    id.parse().map_err(|_| Refusal::invalid(format!("run_id '{id}' is not a number")))
}

pub(crate) fn run_now(call: &mut Call) -> Answer {
    let id = call.required("job_id")?;
    let job = jobs::find(call, &id)?.clone();
    let token = call.value("idempotency_token").filter(|t| !t.is_empty());
    if token.as_ref().is_some_and(|t| t.len() > 64) {
        return Err(Refusal::invalid("idempotency_token must have at most 64 characters"));
    }
    if let Some(known) = token.as_ref().and_then(|t| call.store.runs.by_token(t)) {
        return Reply::json(json!({"run_id": known.id, "number_in_job": known.id}));
    }
    let body = call.take_json();
    let texts = |field: &str| -> Vec<String> {
        body.get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect()
    };
    let pairs = |field: &str| -> BTreeMap<String, String> {
        let map = body.get(field).and_then(Value::as_object).into_iter().flatten();
        map.map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned))).collect()
    };
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for declared in job["settings"]["parameters"].as_array().into_iter().flatten() {
        let text = |f: &str| declared[f].as_str().unwrap_or_default().to_owned();
        parameters.insert(text("name"), text("default"));
    }
    parameters.extend(pairs("job_parameters"));
    let mut named = pairs("notebook_params");
    named.extend(pairs("python_named_params"));
    let new = NewRun {
        token,
        parameters,
        named,
        positional: body.contains_key("python_params").then(|| texts("python_params")),
        only: texts("only"),
    };
    let run = call.store.start_run(&job, &call.who, new, call.now)?;
    Reply::json(json!({"run_id": run, "number_in_job": run}))
}

fn document(call: &Call, run: &Run, with_tasks: bool) -> Value {
    run.document(call.base_url, call.store.workspace_id, with_tasks)
}

/// A parent run, or one task's run.
pub(crate) fn get(call: &mut Call) -> Answer {
    let id = run_id(call)?;
    call.store.runs.look(id, call.now);
    if let Some(run) = call.store.runs.get(id) {
        let mut doc = document(call, run, true);
        if let Some(tasks) = doc["tasks"].as_array() {
            let (tasks, next) = page(tasks.clone(), call.query("page_token"), 100)?;
            doc["tasks"] = json!(tasks);
            if let Some(next) = next {
                doc["next_page_token"] = json!(next);
            }
        }
        return Reply::json(doc);
    }
    let (run, task) = call.store.runs.task(id).ok_or_else(|| no_such(id))?;
    Reply::json(run.task_document(task, call.base_url, call.store.workspace_id))
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let job = call.query("job_id").filter(|j| !j.is_empty() && *j != "0").map(str::to_owned);
    let (active, completed) = (call.query_flag("active_only"), call.query_flag("completed_only"));
    if active && completed {
        return Err(Refusal::invalid("active_only and completed_only exclude each other"));
    }
    let time = |name: &str| call.query(name).and_then(|v| v.parse::<i64>().ok());
    let (from, to) = (time("start_time_from"), time("start_time_to"));
    let wanted = |run: &&Run| {
        job.as_ref().is_none_or(|j| *j == run.job_id.to_string())
            && (!active || !run.is_over())
            && (!completed || run.is_over())
            && from.is_none_or(|t| run.started >= t)
            && to.is_none_or(|t| run.started <= t)
    };
    let expand = call.query_flag("expand_tasks");
    let all: Vec<Value> = call.store.runs.newest_first().filter(wanted).map(|r| document(call, r, expand)).collect();
    let size = call.query("limit").and_then(|v| v.parse().ok()).filter(|n| *n > 0).unwrap_or(20).min(26);
    let (runs, next) = page(all, call.query("page_token"), size)?;
    let mut doc = json!({"has_more": next.is_some()});
    if !runs.is_empty() {
        doc["runs"] = json!(runs);
    }
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}

pub(crate) fn get_output(call: &mut Call) -> Answer {
    let id = run_id(call)?;
    if let Some(run) = call.store.runs.get(id) {
        if run.tasks.len() != 1 {
            let message = "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual task run instead.";
            return Err(Refusal::invalid(message));
        }
        let doc = run.output_document(&run.tasks[0], call.base_url, call.store.workspace_id);
        return Reply::json(doc);
    }
    let (run, task) = call.store.runs.task(id).ok_or_else(|| no_such(id))?;
    Reply::json(run.output_document(task, call.base_url, call.store.workspace_id))
}

pub(crate) fn cancel(call: &mut Call) -> Answer {
    let id = run_id(call)?;
    let now = call.now;
    call.store.runs.get(id).ok_or_else(|| no_such(id))?;
    call.store.runs.cancel(id, now);
    Reply::done()
}

pub(crate) fn cancel_all(call: &mut Call) -> Answer {
    let id = call.required("job_id")?;
    jobs::find(call, &id)?;
    let active: Vec<u64> =
        call.store.runs.newest_first().filter(|r| r.job_id.to_string() == id && !r.is_over()).map(|r| r.id).collect();
    for run in active {
        call.store.runs.cancel(run, call.now);
    }
    Reply::done()
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let id = run_id(call)?;
    let run = call.store.runs.get(id).ok_or_else(|| no_such(id))?;
    if !run.is_over() {
        return Err(Refusal::invalid(format!("Run {id} is active; it can only be deleted when it has ended")));
    }
    call.store.runs.remove(id);
    Reply::done()
}
