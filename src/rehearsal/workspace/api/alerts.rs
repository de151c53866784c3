//! SQL alerts (v2).

use serde_json::{Value, json};

use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::clock::rfc3339;

fn find<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let id = call.param("id").to_owned();
    let missing = Refusal::missing(format!("Alert {id} does not exist."));
    call.store.table("alerts").get_mut(&id).ok_or(missing)
}

pub(crate) fn create(call: &mut Call) -> Answer {
    call.required("display_name")?;
    let id = call.store.ids.uuid();
    permissions::own(call, "alertsv2", &id);
    let (at, who) = (rfc3339(call.now), call.who.user_name.clone());
    let mut doc = Value::Object(call.take_json());
    if doc["parent_path"].is_null() {
        doc["parent_path"] = json!(format!("/Users/{who}"));
    }
    doc["id"] = json!(id);
    doc["create_time"] = json!(at);
    doc["update_time"] = json!(at);
    doc["owner_user_name"] = json!(who);
    doc["lifecycle_state"] = json!("ACTIVE");
    if doc["run_as"].is_null() {
        doc["effective_run_as"] = json!({"user_name": who});
    }
    call.store.table("alerts").insert(id, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get(call: &mut Call) -> Answer {
    Reply::json(find(call)?.clone())
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let all: Vec<Value> = call.store.table("alerts").values().cloned().collect();
    Reply::json(if all.is_empty() { json!({}) } else { json!({"alerts": all}) })
}

/// The fields of `update_mask`, `*` for all that are given.
pub(crate) fn update(call: &mut Call) -> Answer {
    let mask = call.query("update_mask").unwrap_or("*").to_owned();
    let (body, at) = (call.take_json(), rfc3339(call.now));
    let doc = find(call)?;
    for (field, value) in body {
        if mask == "*" || mask.split(',').any(|m| m == field || m.starts_with(&format!("{field}."))) {
            doc[field] = value;
        }
    }
    doc["update_time"] = json!(at);
    Reply::json(doc.clone())
}

pub(crate) fn trash(call: &mut Call) -> Answer {
    find(call)?;
    let id = call.param("id").to_owned();
    call.store.table("alerts").shift_remove(&id);
    call.store.acls.remove(&format!("alertsv2/{id}"));
    Reply::done()
}
