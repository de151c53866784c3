//! MLflow 3's logged models: a model of an experiment, before and beside its registration.

use serde_json::{Value, json};

use super::runs::{self, put};
use super::{filter, metrics};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::store::Store;

const TABLE: &str = "logged_models";

fn find<'a>(store: &'a mut Store, id: &str) -> Result<&'a mut Value, Refusal> {
    let missing = Refusal::missing(format!("Logged model with ID '{id}' not found."));
    store.table(TABLE).get_mut(id).filter(|m| m["lifecycle_stage"] != "deleted").ok_or(missing)
}

fn named<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let id = call.param("id").to_owned();
    find(call.store, &id)
}

fn shown(doc: &Value) -> Value {
    json!({"info": doc["info"], "data": {"params": doc["params"], "metrics": metrics::latest(&doc["history"])}})
}

fn answered(doc: &Value) -> Answer {
    Reply::json(json!({"model": shown(doc)}))
}

/// What the registry shows of the logged model behind a version.
pub(crate) fn data_of(store: &Store, id: &str) -> Vec<(&'static str, Value)> {
    let Some(doc) = store.get(TABLE, id) else { return vec![] };
    let params = doc["params"].as_array().into_iter().flatten();
    let params: Vec<Value> = params.map(|p| json!({"name": p["key"], "value": p["value"]})).collect();
    let points = metrics::latest(&doc["history"]);
    let mut out = vec![];
    if !params.is_empty() {
        out.push(("model_params", json!(params)));
    }
    if !points.is_empty() {
        out.push(("model_metrics", json!(points)));
    }
    out
}

pub(crate) fn add_metric(store: &mut Store, id: &str, point: Value) -> Result<(), Refusal> {
    let doc = find(store, id)?;
    if let Some(history) = doc["history"].as_array_mut() {
        metrics::add(history, point);
    }
    Ok(())
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let experiment = call.required("experiment_id")?;
    let known = call.store.get("experiments", &experiment).cloned();
    let known = known.ok_or_else(|| Refusal::missing(format!("Node ID {experiment} does not exist.")))?;
    let id = format!("m-{}", call.store.ids.uuid().replace('-', ""));
    let list = |field: &str| call.json.get(field).filter(|v| v.is_array()).cloned().unwrap_or_else(|| json!([]));
    let text = |field: &str| call.json.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let source_run = text("source_run_id");
    if !source_run.is_empty() && runs::info(call.store, &source_run).is_none() {
        return Err(Refusal::missing(format!("Run '{source_run}' not found.")));
    }
    let name = Some(text("name")).filter(|n| !n.is_empty()).unwrap_or_else(|| id.clone());
    let at = format!("{}/logged_models/{id}", known["artifact_location"].as_str().unwrap_or_default());
    let doc = json!({
        "name": name,
        "info": {
            "model_id": id, "experiment_id": experiment, "name": name, "model_type": text("model_type"),
            "source_run_id": source_run, "status": "LOGGED_MODEL_PENDING", "artifact_uri": at,
            "creation_timestamp_ms": call.now, "last_updated_timestamp_ms": call.now,
            "creator_id": call.who.id, "tags": list("tags"),
        },
        "params": list("params"),
        "history": [],
    });
    let answer = answered(&doc);
    call.store.table(TABLE).insert(id, doc);
    answer
}

pub(crate) fn get(call: &mut Call) -> Answer {
    answered(named(call)?)
}

/// The end of an upload: ready or failed.
pub(crate) fn finalize(call: &mut Call) -> Answer {
    let (status, now) = (call.required("status")?, call.now);
    let status = match status.as_str() {
        "LOGGED_MODEL_READY" | "2" => "LOGGED_MODEL_READY",
        "LOGGED_MODEL_UPLOAD_FAILED" | "3" => "LOGGED_MODEL_UPLOAD_FAILED",
        other => return Err(Refusal::invalid(format!("Invalid status of a logged model: {other}"))),
    };
    let doc = named(call)?;
    doc["info"]["status"] = json!(status);
    doc["info"]["last_updated_timestamp_ms"] = json!(now);
    answered(doc)
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    named(call)?["lifecycle_stage"] = json!("deleted");
    Reply::done()
}

pub(crate) fn set_tags(call: &mut Call) -> Answer {
    let tags = call.json.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    let doc = named(call)?;
    for tag in &tags {
        put(
            &mut doc["info"]["tags"],
            tag["key"].as_str().unwrap_or_default(),
            tag["value"].as_str().unwrap_or_default(),
        );
    }
    answered(doc)
}

pub(crate) fn delete_tag(call: &mut Call) -> Answer {
    let key = call.param("key").to_owned();
    if let Some(tags) = named(call)?["info"]["tags"].as_array_mut() {
        tags.retain(|t| t["key"] != key.as_str());
    }
    Reply::done()
}

pub(crate) fn log_params(call: &mut Call) -> Answer {
    let params = call.json.get("params").and_then(Value::as_array).cloned().unwrap_or_default();
    let doc = named(call)?;
    for param in &params {
        let text = |field: &str| param[field].as_str().unwrap_or_default();
        put(&mut doc["params"], text("key"), text("value"));
    }
    Reply::done()
}

pub(crate) fn search(call: &mut Call) -> Answer {
    let experiments = call.json.get("experiment_ids").and_then(Value::as_array).cloned().unwrap_or_default();
    if experiments.is_empty() {
        return Err(Refusal::invalid("Missing required field: experiment_ids"));
    }
    let clauses = filter::read(&call.value("filter").unwrap_or_default())?;
    let fits = |clause: &filter::Clause, doc: &Value| match clause.kind.as_str() {
        "metrics" => clause.fits(filter::entry(&Value::from(metrics::latest(&doc["history"])), &clause.key)),
        "params" => clause.fits(filter::entry(&doc["params"], &clause.key)),
        "tags" => clause.fits(filter::entry(&doc["info"]["tags"], &clause.key)),
        _ => clause.fits(Some(&doc["info"][clause.key.as_str()])),
    };
    let wanted = |doc: &&Value| {
        doc["lifecycle_stage"] != "deleted"
            && experiments.contains(&doc["info"]["experiment_id"])
            && clauses.iter().all(|clause| fits(clause, doc))
    };
    let all = call.store.get_table(TABLE).into_iter().flat_map(|t| t.values());
    let mut found: Vec<Value> = all.filter(wanted).map(shown).collect();
    found.reverse();
    let size = call.value("max_results").and_then(|v| v.parse().ok()).filter(|n| *n > 0).unwrap_or(50).min(100);
    let (models, next) = page(found, call.value("page_token").as_deref(), size)?;
    let mut doc = if models.is_empty() { json!({}) } else { json!({"models": models}) };
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}
