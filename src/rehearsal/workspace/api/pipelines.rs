//! Lakeflow declarative pipelines: definition, updates, events. An update ends as soon as somebody looks twice.

use serde_json::{Map, Value, json};

use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::clock::rfc3339;

fn no_such(id: &str) -> Refusal {
    Refusal::missing(format!("The specified pipeline {id} was not found."))
}

fn find<'a>(call: &'a mut Call, id: &str) -> Result<&'a mut Value, Refusal> {
    call.store.table("pipelines").get_mut(id).ok_or_else(|| no_such(id))
}

/// Names are unique unless the request says that it does not care.
fn vacant(call: &mut Call, id: Option<&str>) -> Result<(), Refusal> {
    let name = call.value("name").unwrap_or_default();
    if name.is_empty() || call.flag("allow_duplicate_names") {
        return Ok(());
    }
    let taken =
        call.store.table("pipelines").iter().any(|(other, p)| Some(other.as_str()) != id && p["name"] == name.as_str());
    if taken {
        return Err(Refusal::new(
            409,
            "RESOURCE_CONFLICT",
            format!(
                "The pipeline name '{name}' is already used by another pipeline. This check can be skipped by setting `allow_duplicate_names = true` in the request."
            ),
        ));
    }
    Ok(())
}

/// What the service adds to a definition.
fn spec(body: &Map<String, Value>, id: &str) -> Value {
    let mut spec = Map::new();
    spec.insert("id".into(), json!(id));
    // Named in a request, but no part of the definition.
    let apart = ["allow_duplicate_names", "dry_run", "expected_last_modified", "run_as", "access_control_list"];
    for (key, value) in body.iter().filter(|(k, v)| !apart.contains(&k.as_str()) && !v.is_null()) {
        spec.insert(key.clone(), value.clone());
    }
    if !body.contains_key("catalog") {
        spec.entry("storage").or_insert_with(|| json!(format!("dbfs:/pipelines/{id}")));
    }
    Value::Object(spec)
}

fn run_as(call: &Call, body: &Map<String, Value>) -> String {
    let named = body.get("run_as").and_then(|r| r["user_name"].as_str().or(r["service_principal_name"].as_str()));
    named.unwrap_or(&call.who.user_name).to_owned()
}

pub(crate) fn create(call: &mut Call) -> Answer {
    vacant(call, None)?;
    let id = call.store.ids.uuid();
    if call.flag("dry_run") {
        return Reply::json(json!({"effective_settings": spec(&call.json, &id)}));
    }
    permissions::own(call, "pipelines", &id);
    let body = call.take_json();
    let mut doc = json!({
        "pipeline_id": id,
        "name": body.get("name").cloned().unwrap_or(json!("")),
        "creator_user_name": call.who.user_name,
        "run_as_user_name": run_as(call, &body),
        "state": "IDLE",
        "last_modified": call.now,
        "health": "HEALTHY",
        "spec": spec(&body, &id),
    });
    if let Some(explicit) = body.get("run_as") {
        doc["run_as"] = explicit.clone();
    }
    call.store.table("pipelines").insert(id.clone(), doc);
    Reply::json(json!({"pipeline_id": id}))
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let id = call.param("id").to_owned();
    let mut doc = find(call, &id)?.clone();
    let updates = updates_of(call, &id);
    if !updates.is_empty() {
        let brief = |u: &Value| json!({"update_id": u["update_id"], "state": u["state"], "creation_time": rfc3339(u["creation_time"].as_i64().unwrap_or_default())});
        doc["latest_updates"] = updates.iter().rev().take(5).map(brief).collect();
    }
    Reply::json(doc)
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let id = call.param("id").to_owned();
    find(call, &id)?;
    vacant(call, Some(&id))?;
    let body = call.take_json();
    let (now, spec) = (call.now, spec(&body, &id));
    let named = body.contains_key("run_as").then(|| run_as(call, &body));
    let doc = find(call, &id)?;
    doc["spec"] = spec;
    doc["name"] = body.get("name").cloned().unwrap_or(json!(""));
    doc["last_modified"] = json!(now);
    // A definition without run_as keeps the identity it had.
    if let Some(named) = named {
        doc["run_as_user_name"] = json!(named);
        doc["run_as"] = body["run_as"].clone();
    }
    Reply::done()
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let id = call.param("id").to_owned();
    find(call, &id)?;
    call.store.table("pipelines").shift_remove(&id);
    call.store.table("pipeline_updates").retain(|_, u| u["pipeline_id"] != id.as_str());
    call.store.acls.remove(&format!("pipelines/{id}"));
    Reply::done()
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let name = match call.query("filter").filter(|f| !f.is_empty()) {
        None => None,
        Some(filter) => Some(name_like(filter)?),
    };
    let pipelines = call.store.get_table("pipelines").into_iter().flat_map(|t| t.values());
    let all: Vec<Value> = pipelines
        .filter(|p| name.as_ref().is_none_or(|n| like(n, p["name"].as_str().unwrap_or_default())))
        .map(|p| {
            let fields = ["pipeline_id", "state", "name", "creator_user_name", "run_as_user_name", "health"];
            Value::Object(fields.iter().map(|f| ((*f).to_owned(), p[*f].clone())).collect())
        })
        .collect();
    let size = call.query("max_results").and_then(|v| v.parse().ok()).unwrap_or(25).clamp(1, 100);
    let (statuses, next) = page(all, call.query("page_token"), size)?;
    let mut doc = if statuses.is_empty() { json!({}) } else { json!({"statuses": statuses}) };
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}

/// `name LIKE '%churn%'`, the filter of the documentation.
fn name_like(filter: &str) -> Result<String, Refusal> {
    let lower = filter.trim().to_ascii_lowercase();
    let pattern = lower.strip_prefix("name like ").map(|_| filter.trim()["name like ".len()..].trim());
    let inner = pattern.and_then(|p| p.strip_prefix(['\'', '"'])).and_then(|p| p.strip_suffix(['\'', '"']));
    let unknown = || Refusal::invalid(format!("Invalid filter: {filter}"));
    inner.map(str::to_owned).ok_or_else(unknown)
}

fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('%') {
        None => pattern == text,
        Some((head, rest)) => text
            .strip_prefix(head)
            .is_some_and(|t| (0..=t.len()).filter(|i| t.is_char_boundary(*i)).any(|i| like(rest, &t[i..]))),
    }
}

fn updates_of(call: &mut Call, id: &str) -> Vec<Value> {
    call.store.table("pipeline_updates").values().filter(|u| u["pipeline_id"] == id).cloned().collect()
}

pub(crate) fn start_update(call: &mut Call) -> Answer {
    let id = call.param("id").to_owned();
    find(call, &id)?;
    if updates_of(call, &id).iter().any(|u| !is_over(u)) {
        return Err(Refusal::new(409, "RESOURCE_CONFLICT", "An active update already exists for this pipeline"));
    }
    let update_id = call.store.ids.uuid();
    let body = call.take_json();
    let doc = json!({
        "pipeline_id": id, "update_id": update_id, "state": "RUNNING", "cause": "API_CALL", "creation_time": call.now,
        "full_refresh": body.get("full_refresh").cloned().unwrap_or(json!(false)),
        "validate_only": body.get("validate_only").cloned().unwrap_or(json!(false)),
    });
    call.store.table("pipeline_updates").insert(update_id.clone(), doc);
    find(call, &id)?["state"] = json!("RUNNING");
    Reply::json(json!({"update_id": update_id}))
}

fn is_over(update: &Value) -> bool {
    ["COMPLETED", "FAILED", "CANCELED"].iter().any(|s| update["state"] == *s)
}

pub(crate) fn get_update(call: &mut Call) -> Answer {
    let (id, update) = (call.param("id").to_owned(), call.param("update").to_owned());
    find(call, &id)?;
    let found = call.store.table("pipeline_updates").get_mut(&update).filter(|u| u["pipeline_id"] == id.as_str());
    let doc = found.ok_or_else(|| Refusal::missing(format!("Update {update} was not found.")))?;
    let now_seen = doc.clone();
    if !is_over(doc) {
        doc["state"] = json!("COMPLETED");
        find(call, &id)?["state"] = json!("IDLE");
    }
    Reply::json(json!({"update": now_seen}))
}

pub(crate) fn list_updates(call: &mut Call) -> Answer {
    let id = call.param("id").to_owned();
    find(call, &id)?;
    let updates: Vec<Value> = updates_of(call, &id).into_iter().rev().collect();
    Reply::json(json!({"updates": updates}))
}

pub(crate) fn stop(call: &mut Call) -> Answer {
    let id = call.param("id").to_owned();
    find(call, &id)?["state"] = json!("IDLE");
    for update in call.store.table("pipeline_updates").values_mut() {
        if update["pipeline_id"] == id.as_str() && !is_over(update) {
            update["state"] = json!("CANCELED");
        }
    }
    Reply::done()
}

pub(crate) fn events(call: &mut Call) -> Answer {
    let id = call.param("id").to_owned();
    find(call, &id)?;
    let event = |u: Value| {
        let at = rfc3339(u["creation_time"].as_i64().unwrap_or_default());
        let state = u["state"].as_str().unwrap_or_default().to_owned();
        json!({
            "id": u["update_id"], "timestamp": at, "level": "INFO", "event_type": "update_progress",
            "message": format!("Update {} is {state}.", u["update_id"].as_str().unwrap_or_default()),
            "maturity_level": "STABLE", "origin": {"pipeline_id": id, "update_id": u["update_id"]},
            "details": {"update_progress": {"state": state}},
        })
    };
    let found: Vec<Value> = updates_of(call, &id).into_iter().rev().map(event).collect();
    Reply::json(if found.is_empty() { json!({}) } else { json!({"events": found}) })
}
