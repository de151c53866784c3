//! The workspace model registry from before Unity Catalog: only the containers.

use serde_json::{Value, json};

use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

fn find<'a>(call: &'a mut Call, name: &str) -> Result<&'a mut Value, Refusal> {
    let missing = Refusal::missing(format!("RegisteredModel '{name}' does not exist."));
    call.store.table("models").get_mut(name).ok_or(missing)
}

fn named<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let name = call.required("name")?;
    find(call, &name)
}

/// Without what only the Databricks form of the call shows.
fn plain(doc: &Value) -> Value {
    let mut doc = doc.clone();
    if let Some(doc) = doc.as_object_mut() {
        doc.shift_remove("id");
        doc.shift_remove("permission_level");
    }
    doc
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    if call.store.get("models", &name).is_some() {
        return Err(Refusal::exists(format!("Registered Model with name {name} already exists.")));
    }
    let id = call.store.ids.number().to_string();
    permissions::own(call, "registered-models", &id);
    let mut doc = Value::Object(call.take_json());
    doc["user_id"] = json!(call.who.user_name);
    doc["creation_timestamp"] = json!(call.now);
    doc["last_updated_timestamp"] = json!(call.now);
    doc["id"] = json!(id);
    doc["permission_level"] = json!("CAN_MANAGE");
    call.store.table("models").insert(name, doc.clone());
    Reply::json(json!({"registered_model": plain(&doc)}))
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let doc = named(call)?.clone();
    Reply::json(json!({"registered_model_databricks": doc}))
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let (description, now) = (call.value("description"), call.now);
    let doc = named(call)?;
    if let Some(description) = description {
        doc["description"] = json!(description);
    }
    doc["last_updated_timestamp"] = json!(now);
    let doc = plain(doc);
    Reply::json(json!({"registered_model": doc}))
}

pub(crate) fn rename(call: &mut Call) -> Answer {
    let (name, new_name) = (call.required("name")?, call.required("new_name")?);
    if call.store.get("models", &new_name).is_some() {
        return Err(Refusal::exists(format!("Registered Model with name {new_name} already exists.")));
    }
    find(call, &name)?["name"] = json!(new_name);
    let doc = call.store.table("models").shift_remove(&name).unwrap_or_default();
    call.store.table("models").insert(new_name, doc.clone());
    Reply::json(json!({"registered_model": plain(&doc)}))
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    let id = find(call, &name)?["id"].as_str().unwrap_or_default().to_owned();
    call.store.table("models").shift_remove(&name);
    call.store.acls.remove(&format!("registered-models/{id}"));
    Reply::done()
}

pub(crate) fn set_tag(call: &mut Call) -> Answer {
    let (key, value) = (call.required("key")?, call.value("value").unwrap_or_default());
    let doc = named(call)?;
    let mut tags = doc["tags"].as_array().cloned().unwrap_or_default();
    tags.retain(|t| t["key"] != key.as_str());
    tags.push(json!({"key": key, "value": value}));
    doc["tags"] = json!(tags);
    Reply::done()
}

pub(crate) fn delete_tag(call: &mut Call) -> Answer {
    let key = call.required("key")?;
    if let Some(tags) = named(call)?["tags"].as_array_mut() {
        tags.retain(|t| t["key"] != key.as_str());
    }
    Reply::done()
}
