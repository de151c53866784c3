//! Databricks Apps: the definition, whether its compute is on, and its deployments. No code of an app runs here.

use serde_json::{Value, json};

use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::clock::rfc3339;

fn find<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let name = call.param("name").to_owned();
    let missing = Refusal::not_found(format!("App with name {name} does not exist or is deleted."));
    call.store.table("apps").get_mut(&name).ok_or(missing)
}

fn compute(on: bool) -> Value {
    if on {
        json!({"state": "ACTIVE", "message": "App compute is running."})
    } else {
        json!({"state": "STOPPED", "message": "App compute is stopped."})
    }
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    let well_formed =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !well_formed || name.len() > 30 {
        return Err(Refusal::invalid("App names consist of lower-case letters, digits and '-', at most 30"));
    }
    if call.store.get("apps", &name).is_some() {
        return Err(Refusal::new(409, "ALREADY_EXISTS", format!("An app with the same name already exists: {name}")));
    }
    permissions::own(call, "apps", &name);
    let (at, who) = (rfc3339(call.now), call.who.user_name.clone());
    let stopped = call.query_flag("no_compute");
    let mut doc = Value::Object(call.take_json());
    doc["id"] = json!(call.store.ids.uuid());
    doc["create_time"] = json!(at);
    doc["update_time"] = json!(at);
    doc["creator"] = json!(who);
    doc["updater"] = json!(who);
    doc["url"] = json!(format!("https://{name}-{}.databricksapps.com", call.store.workspace_id));
    doc["default_source_code_path"] = json!("");
    doc["service_principal_client_id"] = json!(call.store.ids.uuid());
    doc["service_principal_id"] = json!(call.store.ids.number());
    doc["service_principal_name"] = json!(format!("app-{name}"));
    doc["compute_status"] = compute(!stopped);
    doc["app_status"] = json!({"state": "UNAVAILABLE", "message": "App has not been deployed yet."});
    call.store.table("apps").insert(name, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get(call: &mut Call) -> Answer {
    Reply::json(find(call)?.clone())
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let all: Vec<Value> = call.store.table("apps").values().cloned().collect();
    Reply::json(if all.is_empty() { json!({}) } else { json!({"apps": all}) })
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let (body, at) = (call.take_json(), rfc3339(call.now));
    let doc = find(call)?;
    for (field, value) in body.into_iter().filter(|(k, _)| k != "name") {
        doc[field] = value;
    }
    doc["update_time"] = json!(at);
    Reply::json(doc.clone())
}

/// `POST /api/2.0/apps/{name}/update`: the fields of the mask, done at once.
pub(crate) fn masked_update(call: &mut Call) -> Answer {
    let body = call.take_json();
    let at = rfc3339(call.now);
    let doc = find(call)?;
    let app = body.get("app").cloned().unwrap_or(json!({}));
    for field in
        body.get("update_mask").and_then(Value::as_str).unwrap_or_default().split(',').filter(|f| !f.is_empty())
    {
        match app.get(field) {
            Some(value) => doc[field] = value.clone(),
            None => {
                doc.as_object_mut().and_then(|d| d.shift_remove(field));
            }
        }
    }
    doc["update_time"] = json!(at);
    doc["last_update"] = json!({"status": {"state": "SUCCEEDED", "message": ""}});
    Reply::json(doc["last_update"].clone())
}

pub(crate) fn get_update(call: &mut Call) -> Answer {
    let last = find(call)?["last_update"].clone();
    if last.is_null() { Err(Refusal::not_found("The app has no update")) } else { Reply::json(last) }
}

pub(crate) fn start(call: &mut Call) -> Answer {
    let doc = find(call)?;
    doc["compute_status"] = compute(true);
    Reply::json(doc.clone())
}

pub(crate) fn stop(call: &mut Call) -> Answer {
    let doc = find(call)?;
    doc["compute_status"] = compute(false);
    Reply::json(doc.clone())
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let doc = find(call)?.clone();
    let name = call.param("name").to_owned();
    call.store.table("apps").shift_remove(&name);
    call.store.acls.remove(&format!("apps/{name}"));
    Reply::json(doc)
}

pub(crate) fn deploy(call: &mut Call) -> Answer {
    let (at, who, id) = (rfc3339(call.now), call.who.user_name.clone(), call.store.ids.uuid().replace('-', ""));
    let mut deployment = Value::Object(call.take_json());
    deployment["deployment_id"] = json!(id);
    deployment["create_time"] = json!(at);
    deployment["update_time"] = json!(at);
    deployment["creator"] = json!(who);
    deployment["status"] = json!({"state": "SUCCEEDED", "message": "App started successfully"});
    let doc = find(call)?;
    doc["active_deployment"] = deployment.clone();
    doc["default_source_code_path"] = deployment["source_code_path"].clone();
    doc["app_status"] = json!({"state": "RUNNING", "message": "App is running."});
    Reply::json(deployment)
}

pub(crate) fn get_deployment(call: &mut Call) -> Answer {
    let id = call.param("deployment").to_owned();
    let active = find(call)?["active_deployment"].clone();
    if active["deployment_id"] != id.as_str() {
        return Err(Refusal::not_found(format!("Deployment {id} was not found")));
    }
    Reply::json(active)
}
