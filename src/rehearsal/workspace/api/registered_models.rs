//! Unity Catalog's registered models: the container. Versions and aliases are for a later file.

use serde_json::{Value, json};

use super::catalog::{MODEL, listed_in_schema, overlaid, parent_schema, stamped};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

pub(crate) fn create(call: &mut Call) -> Answer {
    let (catalog, schema) = parent_schema(call)?;
    let full_name = format!("{catalog}.{schema}.{}", call.required("name")?);
    MODEL.vacant(call.store, &full_name)?;
    let id = call.store.ids.uuid();
    let mut doc = call.take_json();
    // Accepted and kept out of the answer: aliases move by their own calls.
    doc.shift_remove("aliases");
    let at = format!("s3://standin-metastore/metastore/{}/models/{id}", call.store.uc.metastore_id);
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
    Reply::json(MODEL.find(call.store, &name)?.clone())
}

pub(crate) fn list(call: &mut Call) -> Answer {
    listed_in_schema(call, "registered_models", "registered_models")
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    overlaid(call, &MODEL, &name, &["comment", "owner"])
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    MODEL.find(call.store, &name)?;
    let prefix = format!("{name}/");
    if call.store.table("model_versions").keys().any(|k| k.starts_with(&prefix)) {
        let message = format!("Registered model '{name}' is not empty: delete its versions first");
        return Err(Refusal::new(400, "INVALID_STATE", message));
    }
    MODEL.remove(call.store, &name);
    Reply::no_content_json()
}
