//! MLflow experiments. On Databricks an experiment is also an object of the workspace tree, at the path that is its name.

use serde_json::{Value, json};

use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::tree::{What, base_name, parent};

pub(crate) const OBJECT: &str = "MLFLOW_EXPERIMENT";

/// The name as the tree has it.
fn tree_path(call: &Call, name: &str) -> Result<String, Refusal> {
    let path = name.strip_prefix("/Workspace").filter(|p| p.starts_with('/')).unwrap_or(name);
    if call.is_lenient() && !path.starts_with('/') {
        return Ok(path.to_owned());
    }
    if !path.starts_with('/') || path.len() < 2 {
        return Err(Refusal::invalid(format!(
            "Got an invalid experiment name '{name}'. An experiment name must be an absolute path within the Databricks workspace, e.g. '/Users/<some-username>/my-experiment'."
        )));
    }
    Ok(path.trim_end_matches('/').to_owned())
}

fn vacant(call: &Call, path: &str) -> Result<(), Refusal> {
    if call.store.files.get(path).is_some() {
        return Err(Refusal::exists(format!("Node named '{}' already exists", base_name(path))));
    }
    if !call.is_lenient() && !call.store.files.is_folder(parent(path)) {
        return Err(Refusal::missing(format!("Parent directory {} does not exist.", parent(path))));
    }
    Ok(())
}

fn no_such(id: &str) -> Refusal {
    Refusal::missing(format!("Node ID {id} does not exist."))
}

fn find<'a>(call: &'a mut Call, id: &str) -> Result<&'a mut Value, Refusal> {
    call.store.table("experiments").get_mut(id).ok_or_else(|| no_such(id))
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let path = tree_path(call, &call.required("name")?)?;
    vacant(call, &path)?;
    let id = call.store.ids.number();
    let now = call.now;
    let mut tags = call.json.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    for (key, value) in [
        ("mlflow.ownerId", call.who.id.as_str()),
        ("mlflow.experiment.sourceName", path.as_str()),
        ("mlflow.ownerEmail", call.who.user_name.as_str()),
        ("mlflow.experimentType", OBJECT),
    ] {
        tags.push(json!({"key": key, "value": value}));
    }
    let location = call.value("artifact_location").unwrap_or_else(|| format!("dbfs:/databricks/mlflow-tracking/{id}"));
    let mut doc = json!({
        "experiment_id": id.to_string(), "name": path, "artifact_location": location, "lifecycle_stage": "active",
        "creation_time": now, "last_update_time": now, "tags": tags,
    });
    if let Some(trace) = call.json.get("trace_location") {
        doc["trace_location"] = trace.clone();
    }
    let ids = &mut call.store.ids;
    // A lenient workspace has every parent folder; a strict one was asked above.
    let _ = call.store.files.folders(parent(&path), now, || ids.number());
    call.store.files.put(&path, What::Elsewhere(OBJECT), id, now);
    call.store.table("experiments").insert(id.to_string(), doc);
    Reply::json(json!({"experiment_id": id.to_string()}))
}

/// Works on deleted experiments too, as documented; a lenient workspace takes deleted for gone.
pub(crate) fn get(call: &mut Call) -> Answer {
    let id = call.required("experiment_id")?;
    let lenient = call.is_lenient();
    let doc = find(call, &id)?;
    if lenient && doc["lifecycle_stage"] != "active" {
        return Err(no_such(&id));
    }
    Reply::json(json!({"experiment": doc}))
}

pub(crate) fn get_by_name(call: &mut Call) -> Answer {
    let name = call.required("experiment_name")?;
    let path = tree_path(call, &name)?;
    let found = call
        .store
        .table("experiments")
        .values()
        .find(|e| e["name"] == path.as_str() && e["lifecycle_stage"] == "active");
    match found {
        Some(doc) => Reply::json(json!({"experiment": doc})),
        None => Err(Refusal::missing(format!("Node {name} does not exist."))),
    }
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let (id, new_name) = (call.required("experiment_id")?, call.value("new_name"));
    let old = find(call, &id)?["name"].as_str().unwrap_or_default().to_owned();
    if let Some(new_name) = new_name {
        let path = tree_path(call, &new_name)?;
        if path != old {
            vacant(call, &path)?;
            call.store.files.rename(&old, &path);
            find(call, &id)?["name"] = json!(path);
        }
    }
    let now = call.now;
    find(call, &id)?["last_update_time"] = json!(now);
    Reply::done()
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let id = call.required("experiment_id")?;
    let doc = find(call, &id)?;
    if doc["lifecycle_stage"] != "active" {
        return Err(no_such(&id));
    }
    doc["lifecycle_stage"] = json!("deleted");
    let path = doc["name"].as_str().unwrap_or_default().to_owned();
    call.store.files.remove(&path);
    Reply::done()
}

pub(crate) fn restore(call: &mut Call) -> Answer {
    let id = call.required("experiment_id")?;
    let path = find(call, &id)?["name"].as_str().unwrap_or_default().to_owned();
    vacant(call, &path)?;
    find(call, &id)?["lifecycle_stage"] = json!("active");
    let number = id.parse().unwrap_or_default();
    call.store.files.put(&path, What::Elsewhere(OBJECT), number, call.now);
    Reply::done()
}

pub(crate) fn set_tag(call: &mut Call) -> Answer {
    let (id, key) = (call.required("experiment_id")?, call.required("key")?);
    let value = call.value("value").unwrap_or_default();
    let doc = find(call, &id)?;
    if let Some(tags) = doc["tags"].as_array_mut() {
        tags.retain(|t| t["key"] != key.as_str());
        tags.push(json!({"key": key, "value": value}));
    }
    Reply::done()
}

/// `list` (GET) and `search` (POST). Filters are not understood, and are refused rather than ignored.
pub(crate) fn search(call: &mut Call) -> Answer {
    let view = call.value("view_type").unwrap_or_else(|| "ACTIVE_ONLY".into());
    let name = match call.value("filter").filter(|f| !f.is_empty()) {
        None => None,
        Some(filter) => Some(name_in(&filter)?),
    };
    let wanted = |e: &&Value| {
        let stage = match view.as_str() {
            "ALL" => true,
            "DELETED_ONLY" => e["lifecycle_stage"] == "deleted",
            _ => e["lifecycle_stage"] == "active",
        };
        stage && name.as_ref().is_none_or(|n| e["name"] == n.as_str())
    };
    let all: Vec<Value> = call.store.table("experiments").values().filter(wanted).cloned().collect();
    let size = call.value("max_results").and_then(|v| v.parse().ok()).unwrap_or(1000).clamp(1, 50_000);
    let (found, next) = page(all, call.value("page_token").as_deref(), size)?;
    let mut doc = if found.is_empty() { json!({}) } else { json!({"experiments": found}) };
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}

/// `name = '/Shared/churn'`, the one filter that is understood.
fn name_in(filter: &str) -> Result<String, Refusal> {
    let quoted =
        filter.trim().strip_prefix("name").map(str::trim_start).and_then(|f| f.strip_prefix('=')).map(str::trim);
    let inner = quoted.and_then(|q| q.strip_prefix(['\'', '"'])).and_then(|q| q.strip_suffix(['\'', '"']));
    inner.map(str::to_owned).ok_or_else(|| {
        Refusal::new(501, "NOT_IMPLEMENTED", format!("the stand-in does not understand the filter: {filter}"))
    })
}
