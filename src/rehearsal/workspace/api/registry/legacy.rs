//! The older surface, `/api/2.0/mlflow/unity-catalog/...`: MLflow's words for the same models and versions.

use serde_json::{Value, json};

use super::versions::{self, New};
use super::{aliases, models, tags};
use crate::rehearsal::workspace::api::catalog::MODEL;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};

/// Takes a field over under another name, unless it is absent.
fn taken(to: &mut Value, from: &Value, names: &[(&str, &str)]) {
    for (theirs, ours) in names {
        if let Some(value) = from.get(*ours).filter(|v| !v.is_null()) {
            to[*theirs] = value.clone();
        }
    }
}

fn model(doc: &Value) -> Value {
    let mut out = json!({"name": doc["full_name"]});
    let names = [
        ("creation_timestamp", "created_at"),
        ("last_updated_timestamp", "updated_at"),
        ("user_id", "owner"),
        ("description", "comment"),
        ("tags", "tags"),
        ("deployment_job_id", "deployment_job_id"),
    ];
    taken(&mut out, doc, &names);
    out
}

fn with_aliases(mut out: Value, list: &[Value]) -> Value {
    let one = |a: &Value| json!({"alias": a["alias_name"], "version": a["version_num"].to_string()});
    if !list.is_empty() {
        out["aliases"] = list.iter().map(one).collect();
    }
    out
}

fn version(call: &Call, doc: &Value) -> Value {
    let doc = versions::shown(call.store, doc, false);
    let mut out = brief(&doc);
    taken(&mut out, &doc, &[("tags", "tags"), ("model_params", "model_params"), ("model_metrics", "model_metrics")]);
    with_aliases(out, &aliases::of_version(call.store, &versions::full_name(&doc), versions::number(&doc)))
}

fn brief(doc: &Value) -> Value {
    let mut out = json!({"name": versions::full_name(doc), "version": versions::number(doc).to_string()});
    let names = [
        ("creation_timestamp", "created_at"),
        ("last_updated_timestamp", "updated_at"),
        ("user_id", "created_by"),
        ("description", "comment"),
        ("source", "source"),
        ("run_id", "run_id"),
        ("status", "status"),
        ("storage_location", "storage_location"),
        ("model_id", "model_id"),
    ];
    taken(&mut out, doc, &names);
    if let Some(workspace) = doc["run_workspace_id"].as_u64() {
        out["run_tracking_server_id"] = json!(workspace.to_string());
    }
    out
}

fn one_version(call: &Call, doc: &Value) -> Answer {
    Reply::json(json!({"model_version": version(call, doc)}))
}

fn one_model(call: &mut Call, name: &str) -> Answer {
    let doc = MODEL.find(call.store, name)?.clone();
    Reply::json(json!({"registered_model": with_aliases(model(&doc), &aliases::of(call.store, name))}))
}

/// The name in three parts, as the newer surface takes it.
fn parts(call: &Call, field: &str) -> Result<(String, String, String), Refusal> {
    let name = call.required(field)?;
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [catalog, schema, model] => Ok(((*catalog).to_owned(), (*schema).to_owned(), (*model).to_owned())),
        _ => Err(Refusal::invalid(format!("'{name}' is not a name of the form catalog.schema.model"))),
    }
}

pub(crate) fn create_model(call: &mut Call) -> Answer {
    let (catalog, schema, name) = parts(call, "name")?;
    let full_name = call.required("name")?;
    let body = call.take_json();
    let mut doc = json!({"catalog_name": catalog, "schema_name": schema, "name": name});
    let body = Value::Object(body);
    taken(&mut doc, &body, &[("comment", "description"), ("tags", "tags"), ("deployment_job_id", "deployment_job_id")]);
    if let Value::Object(doc) = doc {
        call.json = doc;
    }
    models::create(call)?;
    one_model(call, &full_name)
}

pub(crate) fn get_model(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    one_model(call, &name)
}

pub(crate) fn update_model(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    let body = Value::Object(call.take_json());
    let mut doc = json!({});
    if let Some(new) = body["new_name"].as_str() {
        doc["new_name"] = json!(new.rsplit('.').next());
    }
    taken(&mut doc, &body, &[("comment", "description"), ("deployment_job_id", "deployment_job_id")]);
    if let Value::Object(doc) = doc {
        call.json = doc;
    }
    call.params.push(("name".to_owned(), name));
    let answer = models::update(call)?;
    let doc: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    one_model(call, doc["full_name"].as_str().unwrap_or_default())
}

pub(crate) fn delete_model(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    call.params.push(("name".to_owned(), name));
    models::delete(call)?;
    Reply::done()
}

pub(crate) fn search_models(call: &mut Call) -> Answer {
    let all = call.store.get_table("registered_models").into_iter().flat_map(|t| t.values());
    let mut all: Vec<Value> = all.map(model).collect();
    for doc in &mut all {
        doc.as_object_mut().and_then(|doc| doc.shift_remove("tags"));
    }
    paged(call, all, "registered_models")
}

fn paged(call: &Call, all: Vec<Value>, field: &str) -> Answer {
    let size = call.value("max_results").and_then(|s| s.parse().ok()).filter(|n| *n > 0).unwrap_or(100).min(1000);
    let (found, next) = page(all, call.value("page_token").as_deref(), size)?;
    let mut doc = if found.is_empty() { json!({}) } else { json!({field: found}) };
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}

fn named(call: &Call) -> Result<(String, String), Refusal> {
    Ok((call.required("name")?, call.required("version")?))
}

pub(crate) fn create_version(call: &mut Call) -> Answer {
    parts(call, "name")?;
    let model = call.required("name")?;
    let body = call.take_json();
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let new = New {
        model,
        source: text("source"),
        run_id: text("run_id"),
        comment: text("description"),
        model_id: text("model_id"),
        run_workspace_id: text("run_tracking_server_id"),
        tags: versions::pairs(body.get("tags")),
        others: versions::passed_on(&body),
    };
    let doc = versions::made(call, new)?;
    one_version(call, &doc)
}

pub(crate) fn get_version(call: &mut Call) -> Answer {
    let (model, number) = named(call)?;
    let doc = versions::find(call.store, &model, &number)?.clone();
    one_version(call, &doc)
}

/// `name = 'catalog.schema.model'` is the one filter there is.
pub(crate) fn search_versions(call: &mut Call) -> Answer {
    let filter = call.value("filter").unwrap_or_default();
    let name = filter.trim().strip_prefix("name").map(str::trim_start).and_then(|f| f.strip_prefix('='));
    let name = name.map(str::trim).and_then(|q| q.strip_prefix(['\'', '"'])).and_then(|q| q.strip_suffix(['\'', '"']));
    let Some(name) = name else {
        let message = format!("Unsupported filter query: '{filter}'. Use name = 'catalog.schema.model'");
        return Err(Refusal::invalid(message));
    };
    let all = versions::of(call.store, name).iter().map(brief).collect();
    paged(call, all, "model_versions")
}

pub(crate) fn update_version(call: &mut Call) -> Answer {
    let ((model, number), comment) = (named(call)?, call.value("description").unwrap_or_default());
    let doc = versions::commented(call, &model, &number, &comment)?;
    one_version(call, &doc)
}

pub(crate) fn delete_version(call: &mut Call) -> Answer {
    let (model, number) = named(call)?;
    versions::deleted(call, &model, &number)?;
    Reply::done()
}

pub(crate) fn download_uri(call: &mut Call) -> Answer {
    let (model, number) = named(call)?;
    let doc = versions::find(call.store, &model, &number)?;
    Reply::json(json!({"artifact_uri": doc["storage_location"]}))
}

pub(crate) fn finalize(call: &mut Call) -> Answer {
    let (model, number) = named(call)?;
    let doc = versions::finalized(call, &model, &number)?;
    one_version(call, &doc)
}

pub(crate) fn set_alias(call: &mut Call) -> Answer {
    let ((model, number), alias) = (named(call)?, call.required("alias")?);
    aliases::set(call, &model, &alias, &number)?;
    Reply::done()
}

pub(crate) fn get_by_alias(call: &mut Call) -> Answer {
    let (model, alias) = (call.required("name")?, call.required("alias")?);
    let doc = aliases::version_of(call, &model, &alias)?;
    one_version(call, &doc)
}

pub(crate) fn delete_alias(call: &mut Call) -> Answer {
    let (model, alias) = (call.required("name")?, call.required("alias")?);
    aliases::delete(call, &model, &alias)?;
    Reply::done()
}

fn tag(call: &Call) -> Result<(String, String), Refusal> {
    Ok((call.required("key")?, call.value("value").unwrap_or_default()))
}

pub(crate) fn set_model_tag(call: &mut Call) -> Answer {
    let (name, tag) = (call.required("name")?, tag(call)?);
    tags::changed(MODEL.find(call.store, &name)?, &[tag], &[])?;
    Reply::done()
}

pub(crate) fn delete_model_tag(call: &mut Call) -> Answer {
    let (name, key) = (call.required("name")?, call.required("key")?);
    tags::changed(MODEL.find(call.store, &name)?, &[], &[key])?;
    Reply::done()
}

pub(crate) fn set_version_tag(call: &mut Call) -> Answer {
    let ((model, number), tag) = (named(call)?, tag(call)?);
    tags::changed(versions::find(call.store, &model, &number)?, &[tag], &[])?;
    Reply::done()
}

pub(crate) fn delete_version_tag(call: &mut Call) -> Answer {
    let ((model, number), key) = (named(call)?, call.required("key")?);
    tags::changed(versions::find(call.store, &model, &number)?, &[], &[key])?;
    Reply::done()
}

/// Lineage is accepted and forgotten.
pub(crate) fn emit_lineage(call: &mut Call) -> Answer {
    let (model, number) = named(call)?;
    versions::find(call.store, &model, &number)?;
    Reply::done()
}
