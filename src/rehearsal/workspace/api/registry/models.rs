//! Registered models: the containers of versions.

use serde_json::{Value, json};

use super::{aliases, versions};
use crate::rehearsal::workspace::api::catalog::{MODEL, listed_in_schema, overlaid, parent_schema, stamped};
use crate::rehearsal::workspace::api::grants;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

/// Aliases are shown to those who ask for them; lists carry neither aliases nor tags.
fn shown(mut doc: Value, with_aliases: bool, with_tags: bool) -> Value {
    if let Some(doc) = doc.as_object_mut() {
        if !with_aliases {
            doc.shift_remove("aliases");
        }
        if !with_tags {
            doc.shift_remove("tags");
        }
    }
    doc
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let (catalog, schema) = parent_schema(call)?;
    let full_name = format!("{catalog}.{schema}.{}", call.required("name")?);
    MODEL.vacant(call.store, &full_name)?;
    let id = call.store.ids.uuid();
    let mut doc = call.take_json();
    // Accepted and kept out of the answer: aliases move by their own calls.
    doc.shift_remove("aliases");
    let at = format!("{}/metastore/{}/models/{id}", call.model_files.root(), call.store.uc.metastore_id);
    doc.entry("storage_location").or_insert(json!(at));
    stamped(call, &mut doc);
    doc.insert("full_name".into(), json!(full_name));
    doc.insert("id".into(), json!(id));
    let doc = Value::Object(doc);
    call.store.table("registered_models").insert(full_name, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    let doc = MODEL.find(call.store, &name)?.clone();
    grants::seen(call, &name)?;
    Reply::json(shown(doc, call.query_flag("include_aliases"), true))
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let mut answer = listed_in_schema(call, "registered_models", "registered_models")?;
    let mut doc: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(models) = doc["registered_models"].as_array_mut() {
        *models = std::mem::take(models).into_iter().map(|m| shown(m, false, false)).collect();
    }
    answer.body = doc.to_string().into();
    Ok(answer)
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    let answer = overlaid(call, &MODEL, &name, &["comment", "owner", "deployment_job_id"])?;
    let doc: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(new) = doc["full_name"].as_str().filter(|new| *new != name) {
        versions::rename(call.store, &name, new);
    }
    Reply::json(shown(doc, false, true))
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    MODEL.find(call.store, &name)?;
    if !versions::of(call.store, &name).is_empty() && !call.query_flag("force") {
        let message = format!("Registered model '{name}' is not empty: delete its versions first");
        return Err(Refusal::new(400, "INVALID_STATE", message));
    }
    versions::forget_all(call.store, &name);
    MODEL.remove(call.store, &name);
    Reply::no_content_json()
}

pub(crate) fn set_alias(call: &mut Call) -> Answer {
    let (model, alias) = (call.param("name").to_owned(), call.param("alias").to_owned());
    let version = call.required("version_num")?;
    let version = aliases::set(call, &model, &alias, &version)?;
    Reply::json(json!({"alias_name": alias, "version_num": version}))
}

pub(crate) fn delete_alias(call: &mut Call) -> Answer {
    let (model, alias) = (call.param("name").to_owned(), call.param("alias").to_owned());
    aliases::delete(call, &model, &alias)?;
    Reply::done()
}

pub(crate) fn get_by_alias(call: &mut Call) -> Answer {
    let (model, alias) = (call.param("name").to_owned(), call.param("alias").to_owned());
    let doc = aliases::version_of(call, &model, &alias)?;
    Reply::json(versions::shown(call.store, &doc, call.query_flag("include_aliases")))
}
