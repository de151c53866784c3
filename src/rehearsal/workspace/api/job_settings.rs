//! A job's settings: what the service adds, what it refuses, how an update merges.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::rehearsal::workspace::call::Refusal;

/// The kinds of task. A task has exactly one of them.
const TASK_KINDS: &[&str] = &[
    "ai_runtime_task",
    "alert_task",
    "clean_rooms_notebook_task",
    "condition_task",
    "dashboard_task",
    "dbt_cloud_task",
    "dbt_platform_task",
    "dbt_task",
    "disabled",
    "for_each_task",
    "gen_ai_compute_task",
    "notebook_task",
    "pipeline_task",
    "power_bi_task",
    "python_operator_task",
    "python_wheel_task",
    "run_job_task",
    "spark_jar_task",
    "spark_python_task",
    "spark_submit_task",
    "sql_task",
];

/// Refuses what the service would not run.
pub(crate) fn check(settings: &Map<String, Value>, lenient: bool) -> Result<(), Refusal> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    if settings.get("name").is_some_and(|n| text(n).len() > 4096) {
        return Err(Refusal::invalid("The job name must be at most 4096 bytes long"));
    }
    if settings.get("tags").and_then(Value::as_object).is_some_and(|t| t.len() > 25) {
        return Err(Refusal::invalid("A job can have at most 25 tags"));
    }
    if settings.get("max_concurrent_runs").and_then(Value::as_i64).is_some_and(|n| !(0..=1000).contains(&n)) {
        return Err(Refusal::invalid("max_concurrent_runs must be between 0 and 1000"));
    }
    unique(settings, "job_clusters", "job_cluster_key")?;
    unique(settings, "parameters", "name")?;
    unique(settings, "environments", "environment_key")?;
    let keys = unique(settings, "tasks", "task_key")?;
    let tasks = list(settings, "tasks");
    if tasks.len() > 1000 {
        return Err(Refusal::invalid("The number of tasks in a job is limited to 1000"));
    }
    for task in tasks {
        check_task(task, &keys, settings, lenient)?;
    }
    acyclic(tasks)
}

fn list<'a>(settings: &'a Map<String, Value>, field: &str) -> &'a [Value] {
    settings.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn unique(settings: &Map<String, Value>, field: &str, key: &str) -> Result<BTreeSet<String>, Refusal> {
    let mut seen = BTreeSet::new();
    for item in list(settings, field) {
        let name = item[key].as_str().unwrap_or_default();
        if name.is_empty() {
            return Err(Refusal::invalid(format!("Missing required field: {field}.{key}")));
        }
        if !seen.insert(name.to_owned()) {
            return Err(Refusal::invalid(format!("Duplicate {key} in {field}: '{name}'")));
        }
    }
    Ok(seen)
}

fn check_task(
    task: &Value,
    keys: &BTreeSet<String>,
    settings: &Map<String, Value>,
    lenient: bool,
) -> Result<(), Refusal> {
    let key = task["task_key"].as_str().unwrap_or_default();
    let well_formed = key.len() <= 100 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !well_formed {
        return Err(Refusal::invalid(format!(
            "Invalid task_key '{key}': only letters, digits, '-' and '_' are allowed, at most 100 of them"
        )));
    }
    for upstream in task["depends_on"].as_array().into_iter().flatten() {
        let upstream = upstream["task_key"].as_str().unwrap_or_default();
        if !keys.contains(upstream) {
            return Err(Refusal::invalid(format!("Task '{key}' depends on unknown task '{upstream}'")));
        }
    }
    if lenient {
        return Ok(());
    }
    let kinds = TASK_KINDS.iter().filter(|k| !task[**k].is_null() && **k != "disabled").count();
    if kinds != 1 {
        return Err(Refusal::invalid(format!("Task '{key}' must have exactly one task type, it has {kinds}")));
    }
    for (field, of, name) in
        [("job_cluster_key", "job_clusters", "job_cluster_key"), ("environment_key", "environments", "environment_key")]
    {
        let Some(wanted) = task[field].as_str() else { continue };
        if !list(settings, of).iter().any(|c| c[name] == wanted) {
            return Err(Refusal::invalid(format!(
                "Task '{key}' names {field} '{wanted}', which the job does not define"
            )));
        }
    }
    Ok(())
}

fn acyclic(tasks: &[Value]) -> Result<(), Refusal> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = done.len();
        for task in tasks {
            let mut needs = task["depends_on"].as_array().into_iter().flatten().filter_map(|d| d["task_key"].as_str());
            if needs.all(|n| done.contains(n)) {
                done.insert(task["task_key"].as_str().unwrap_or_default());
            }
        }
        if done.len() == tasks.len() {
            return Ok(());
        }
        if done.len() == before {
            return Err(Refusal::invalid("The tasks of the job depend on each other in a cycle"));
        }
    }
}

/// What `jobs/get` shows for settings that a client left out.
pub(crate) fn with_defaults(mut settings: Map<String, Value>, lenient: bool) -> Map<String, Value> {
    settings.shift_remove("access_control_list");
    settings.shift_remove("parent_path");
    settings.retain(|_, v| !v.is_null());
    let mut default = |field: &str, value: Value| {
        settings.entry(field.to_owned()).or_insert(value);
    };
    default("name", json!("Untitled"));
    default("email_notifications", json!({}));
    default("webhook_notifications", json!({}));
    default("timeout_seconds", json!(0));
    default("max_concurrent_runs", json!(1));
    if !lenient {
        default("format", json!("MULTI_TASK"));
    }
    for task in settings.get_mut("tasks").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(task) = task.as_object_mut() else { continue };
        task.retain(|_, v| !v.is_null());
        task.entry("run_if").or_insert(json!("ALL_SUCCESS"));
        task.entry("timeout_seconds").or_insert(json!(0));
        task.entry("email_notifications").or_insert(json!({}));
    }
    settings
}

/// `jobs/update`: top-level fields are replaced, the keyed lists merged by their key.
pub(crate) fn merged(mut old: Map<String, Value>, new: Map<String, Value>, remove: &[String]) -> Map<String, Value> {
    for (field, value) in new {
        let key = match field.as_str() {
            "tasks" => "task_key",
            "job_clusters" => "job_cluster_key",
            "environments" => "environment_key",
            _ => {
                old.insert(field, value);
                continue;
            }
        };
        let kept = old.entry(field).or_insert_with(|| json!([]));
        let (Some(kept), Some(items)) = (kept.as_array_mut(), value.as_array()) else { continue };
        for item in items {
            match kept.iter_mut().find(|k| k[key] == item[key]) {
                Some(same) => *same = item.clone(),
                None => kept.push(item.clone()),
            }
        }
    }
    for path in remove {
        match path.split_once('/') {
            None => {
                old.shift_remove(path);
            }
            Some((field, name)) => {
                if let Some(items) = old.get_mut(field).and_then(Value::as_array_mut) {
                    items.retain(|i| !["task_key", "job_cluster_key", "environment_key"].iter().any(|k| i[*k] == name));
                }
            }
        }
    }
    old
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: Value) -> String {
        check(settings.as_object().unwrap(), false).unwrap_err().message
    }

    #[test]
    fn a_cycle_and_a_dangling_dependency_are_refused() {
        let task = |key: &str, needs: &str| json!({"task_key": key, "notebook_task": {"notebook_path": "/n"}, "depends_on": [{"task_key": needs}]});
        assert!(refused(json!({"tasks": [task("a", "b"), task("b", "a")]})).contains("cycle"));
        assert!(refused(json!({"tasks": [task("a", "c")]})).contains("unknown task 'c'"));
    }

    #[test]
    fn an_update_replaces_one_task_and_leaves_the_others() {
        let old = json!({"name": "j", "tasks": [{"task_key": "a", "timeout_seconds": 1}, {"task_key": "b"}], "tags": {"x": "1"}});
        let new = json!({"tasks": [{"task_key": "a"}], "tags": {"y": "2"}});
        let after = merged(old.as_object().unwrap().clone(), new.as_object().unwrap().clone(), &["tasks/b".into()]);
        assert_eq!(Value::Object(after), json!({"name": "j", "tasks": [{"task_key": "a"}], "tags": {"y": "2"}}));
    }
}
