//! Versions of a model. They wait for their files until they are finalized; a number is never used twice.

use serde_json::{Map, Value, json};

use super::{aliases, tags};
use crate::rehearsal::workspace::api::catalog::MODEL;
use crate::rehearsal::workspace::api::tracking::logged_models;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::store::Store;

const PENDING: &str = "PENDING_REGISTRATION";
const READY: &str = "READY";

/// What a client may say about a new version, in the words of the newer surface.
#[derive(Default)]
pub(crate) struct New {
    pub model: String,
    pub source: String,
    pub run_id: String,
    pub comment: String,
    pub model_id: String,
    pub run_workspace_id: String,
    pub tags: Vec<(String, String)>,
    /// Passed through: `feature_deps`, `model_version_dependencies`.
    pub others: Map<String, Value>,
}

fn key(model: &str, version: impl std::fmt::Display) -> String {
    format!("{model}/{version}")
}

pub(crate) fn number(doc: &Value) -> u64 {
    doc["version"].as_u64().unwrap_or_default()
}

pub(crate) fn full_name(doc: &Value) -> String {
    let part = |field: &str| doc[field].as_str().unwrap_or_default();
    format!("{}.{}.{}", part("catalog_name"), part("schema_name"), part("model_name"))
}

pub(crate) fn find<'a>(store: &'a mut Store, model: &str, version: &str) -> Result<&'a mut Value, Refusal> {
    MODEL.find(store, model)?;
    if version.parse::<u64>().is_err() {
        return Err(Refusal::invalid(format!("'{version}' is not the number of a version")));
    }
    let missing = Refusal::missing(format!("Version '{version}' of registered model '{model}' does not exist."));
    store.table("model_versions").get_mut(&key(model, version)).ok_or(missing)
}

/// Newest first, as the service lists them.
pub(crate) fn of(store: &Store, model: &str) -> Vec<Value> {
    let all = store.get_table("model_versions").into_iter().flat_map(|t| t.values());
    let mut mine: Vec<Value> = all.filter(|v| full_name(v) == model).cloned().collect();
    mine.sort_by_key(|v| std::cmp::Reverse(number(v)));
    mine
}

pub(crate) fn made(call: &mut Call, new: New) -> Result<Value, Refusal> {
    let model = MODEL.find(call.store, &new.model)?.clone();
    if new.source.is_empty() {
        return Err(Refusal::invalid("Missing required field: source"));
    }
    let made = call.store.uc.versions_made.entry(new.model.clone()).or_default();
    *made += 1;
    let version = *made;
    let id = call.store.ids.uuid();
    let at = format!("{}/versions/{id}", model["storage_location"].as_str().unwrap_or_default());
    let mut doc = json!({
        "catalog_name": model["catalog_name"], "schema_name": model["schema_name"], "model_name": model["name"],
        "version": version, "id": id, "status": PENDING, "source": new.source, "storage_location": at,
        "metastore_id": call.store.uc.metastore_id, "created_at": call.now, "created_by": call.who.user_name,
        "updated_at": call.now, "updated_by": call.who.user_name,
    });
    for (field, value) in [("run_id", &new.run_id), ("comment", &new.comment), ("model_id", &new.model_id)] {
        if !value.is_empty() {
            doc[field] = json!(value);
        }
    }
    if let Ok(workspace) = new.run_workspace_id.parse::<u64>() {
        doc["run_workspace_id"] = json!(workspace);
    }
    for (field, value) in new.others {
        doc[field.as_str()] = value;
    }
    tags::changed(&mut doc, &new.tags, &[])?;
    for (field, value) in logged_models::data_of(call.store, &new.model_id) {
        doc[field] = value;
    }
    call.store.table("model_versions").insert(key(&new.model, version), doc.clone());
    Ok(doc)
}

pub(crate) fn finalized(call: &mut Call, model: &str, version: &str) -> Result<Value, Refusal> {
    let (now, who) = (call.now, call.who.user_name.clone());
    let doc = find(call.store, model, version)?;
    if doc["status"] != PENDING {
        let status = doc["status"].as_str().unwrap_or_default();
        let message = format!("Version '{version}' of '{model}' cannot be finalized: it is {status}");
        return Err(Refusal::new(400, "INVALID_STATE", message));
    }
    doc["status"] = json!(READY);
    doc["updated_at"] = json!(now);
    doc["updated_by"] = json!(who);
    Ok(doc.clone())
}

pub(crate) fn commented(call: &mut Call, model: &str, version: &str, comment: &str) -> Result<Value, Refusal> {
    let (now, who) = (call.now, call.who.user_name.clone());
    let doc = find(call.store, model, version)?;
    doc["comment"] = json!(comment);
    doc["updated_at"] = json!(now);
    doc["updated_by"] = json!(who);
    Ok(doc.clone())
}

pub(crate) fn deleted(call: &mut Call, model: &str, version: &str) -> Result<(), Refusal> {
    let doc = find(call.store, model, version)?.clone();
    forget(call.store, model, number(&doc));
    Ok(())
}

fn forget(store: &mut Store, model: &str, version: u64) {
    store.table("model_versions").shift_remove(&key(model, version));
    store.uc.storage.remove(&files_of(model, version));
    aliases::forget(store, model, version);
}

pub(crate) fn forget_all(store: &mut Store, model: &str) {
    for version in of(store, model) {
        forget(store, model, number(&version));
    }
    store.uc.versions_made.remove(model);
}

fn files_of(model: &str, version: u64) -> String {
    format!("/Models/{}/{version}", model.replace('.', "/"))
}

pub(crate) fn rename(store: &mut Store, from: &str, to: &str) {
    let name = to.rsplit('.').next().unwrap_or_default();
    for mut version in of(store, from) {
        let number = number(&version);
        version["model_name"] = json!(name);
        store.table("model_versions").shift_remove(&key(from, number));
        store.table("model_versions").insert(key(to, number), version);
        store.uc.storage.move_below(&files_of(from, number), &files_of(to, number));
    }
    if let Some(made) = store.uc.versions_made.remove(from) {
        store.uc.versions_made.insert(to.to_owned(), made);
    }
}

/// As one version is answered: with its tags, and its aliases where they are asked for.
pub(crate) fn shown(store: &Store, doc: &Value, with_aliases: bool) -> Value {
    let mut doc = doc.clone();
    // Metrics go on being logged while the version exists.
    for (field, value) in logged_models::data_of(store, doc["model_id"].as_str().unwrap_or_default()) {
        doc[field] = value;
    }
    let aliases = aliases::of_version(store, &full_name(&doc), number(&doc));
    if with_aliases && !aliases.is_empty() {
        doc["aliases"] = json!(aliases);
    }
    doc
}

/// As a list shows it.
pub(crate) fn brief(mut doc: Value) -> Value {
    if let Some(doc) = doc.as_object_mut() {
        for field in ["tags", "model_params", "model_metrics"] {
            doc.shift_remove(field);
        }
    }
    doc
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let part = |call: &Call, field: &str| call.required(field);
    let model = format!("{}.{}.{}", part(call, "catalog_name")?, part(call, "schema_name")?, part(call, "model_name")?);
    let body = call.take_json();
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let new = New {
        model,
        source: text("source"),
        run_id: text("run_id"),
        comment: text("comment"),
        model_id: text("model_id"),
        run_workspace_id: text("run_tracking_server_id"),
        tags: pairs(body.get("tags")),
        others: passed_on(&body),
    };
    let doc = made(call, new)?;
    Reply::json(shown(call.store, &doc, false))
}

pub(crate) fn pairs(tags: Option<&Value>) -> Vec<(String, String)> {
    let text = |t: &Value, key: &str| t[key].as_str().unwrap_or_default().to_owned();
    let tags = tags.and_then(Value::as_array).into_iter().flatten();
    tags.map(|t| (text(t, "key"), text(t, "value"))).collect()
}

pub(crate) fn passed_on(body: &Map<String, Value>) -> Map<String, Value> {
    let kept = ["feature_deps", "model_version_dependencies"];
    body.iter()
        .filter(|(k, v)| kept.contains(&k.as_str()) && !v.is_null())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

fn named(call: &Call) -> (String, String) {
    (call.param("name").to_owned(), call.param("version").to_owned())
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let (model, version) = named(call);
    let doc = find(call.store, &model, &version)?.clone();
    Reply::json(shown(call.store, &doc, call.query_flag("include_aliases")))
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let model = call.param("name").to_owned();
    MODEL.find(call.store, &model)?;
    let size = call.query("max_results").and_then(|s| s.parse().ok()).filter(|n| *n > 0).unwrap_or(100).min(1000);
    let all = of(call.store, &model).into_iter().map(brief).collect();
    let (found, next) = page(all, call.query("page_token"), size)?;
    let mut doc = if found.is_empty() { json!({}) } else { json!({"model_versions": found}) };
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let ((model, version), comment) = (named(call), call.value("comment").unwrap_or_default());
    let doc = commented(call, &model, &version, &comment)?;
    Reply::json(shown(call.store, &doc, false))
}

pub(crate) fn finalize(call: &mut Call) -> Answer {
    let (model, version) = named(call);
    let doc = finalized(call, &model, &version)?;
    Reply::json(shown(call.store, &doc, false))
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let (model, version) = named(call);
    deleted(call, &model, &version)?;
    Reply::no_content_json()
}
