//! Model serving endpoints: configuration, tags, and an update that takes one look to finish.

use serde_json::{Map, Value, json};

use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

fn find<'a>(call: &'a mut Call, name: &str) -> Result<&'a mut Value, Refusal> {
    let missing = Refusal::missing(format!("The endpoint '{name}' does not exist."));
    call.store.table("serving_endpoints").get_mut(name).ok_or(missing)
}

fn this<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let name = call.param("name").to_owned();
    find(call, &name)
}

/// A configuration as the service completes it: names of entities, traffic, state.
fn completed(config: &Value, version: u64, who: &str, now: i64) -> Value {
    let mut config = config.as_object().cloned().unwrap_or_default();
    config.shift_remove("name");
    for list in ["served_entities", "served_models"] {
        for entity in config.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let text = |a: &str, b: &str| entity[a].as_str().or(entity[b].as_str()).unwrap_or_default().to_owned();
            let (model, of) = (text("entity_name", "model_name"), text("entity_version", "model_version"));
            let short = model.rsplit('.').next().unwrap_or_default();
            let name = entity["external_model"]["name"].as_str().map_or(format!("{short}-{of}"), str::to_owned);
            let Some(entity) = entity.as_object_mut() else { continue };
            entity.entry("name").or_insert(json!(name));
            entity.insert("creator".into(), json!(who));
            entity.insert("creation_timestamp".into(), json!(now));
            entity.insert("state".into(), json!({"deployment": "DEPLOYMENT_READY", "deployment_state_message": ""}));
        }
    }
    let first = ["served_entities", "served_models"].iter().find_map(|l| config.get(*l)?.get(0)?.get("name").cloned());
    if let Some(first) = first {
        let everything = json!({"routes": [{"served_model_name": first, "traffic_percentage": 100}]});
        config.entry("traffic_config").or_insert(everything);
    }
    config.insert("config_version".into(), json!(version));
    Value::Object(config)
}

/// Shares of traffic make a whole.
fn check(config: &Value) -> Result<(), Refusal> {
    let routes = config["traffic_config"]["routes"].as_array().into_iter().flatten();
    let shares: Vec<i64> = routes.filter_map(|r| r["traffic_percentage"].as_i64()).collect();
    if !shares.is_empty() && shares.iter().sum::<i64>() != 100 {
        return Err(Refusal::invalid("The traffic percentages of all routes must add up to 100"));
    }
    Ok(())
}

fn shown(call: &mut Call, name: &str) -> Answer {
    let doc = find(call, name)?;
    let answer = doc.clone();
    // An update is seen going on once; then it has ended.
    if doc["state"]["config_update"] == "IN_PROGRESS" {
        doc["state"] = json!({"ready": "READY", "config_update": "NOT_UPDATING"});
        if let Some(pending) = doc.as_object_mut().and_then(|d| d.shift_remove("pending_config")) {
            doc["config"] = pending;
        }
    }
    Reply::json(answer)
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    if call.store.get("serving_endpoints", &name).is_some() {
        return Err(Refusal::exists(format!("Endpoint with name '{name}' already exists.")));
    }
    let config = call.json.get("config").cloned().unwrap_or(json!({}));
    check(&config)?;
    let id = call.store.ids.uuid();
    permissions::own(call, "serving-endpoints", &id);
    let (now, who) = (call.now, call.who.user_name.clone());
    let mut doc: Map<String, Value> = call.take_json();
    doc.shift_remove("rate_limits");
    doc.insert("id".into(), json!(id));
    doc.insert("creator".into(), json!(who));
    doc.insert("creation_timestamp".into(), json!(now));
    doc.insert("last_updated_timestamp".into(), json!(now));
    doc.insert("permission_level".into(), json!("CAN_MANAGE"));
    doc.insert("config".into(), completed(&config, 1, &who, now));
    doc.insert("state".into(), json!({"ready": "NOT_READY", "config_update": "IN_PROGRESS"}));
    call.store.table("serving_endpoints").insert(name.clone(), Value::Object(doc));
    let answer = find(call, &name)?.clone();
    Reply::json(answer)
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    shown(call, &name)
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let all: Vec<Value> = call.store.table("serving_endpoints").values().cloned().collect();
    Reply::json(if all.is_empty() { json!({}) } else { json!({"endpoints": all}) })
}

pub(crate) fn put_config(call: &mut Call) -> Answer {
    let (now, who) = (call.now, call.who.user_name.clone());
    let body = Value::Object(call.take_json());
    check(&body)?;
    let doc = this(call)?;
    if doc["state"]["config_update"] == "IN_PROGRESS" {
        return Err(Refusal::new(409, "RESOURCE_CONFLICT", "The endpoint is being updated; try again later"));
    }
    let version = doc["config"]["config_version"].as_u64().unwrap_or(0) + 1;
    doc["pending_config"] = completed(&body, version, &who, now);
    doc["state"] = json!({"ready": "READY", "config_update": "IN_PROGRESS"});
    doc["last_updated_timestamp"] = json!(now);
    Reply::json(doc.clone())
}

pub(crate) fn patch_tags(call: &mut Call) -> Answer {
    let body = call.take_json();
    let doc = this(call)?;
    let mut tags = doc["tags"].as_array().cloned().unwrap_or_default();
    let list = |field: &str| body.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    for key in list("delete_tags") {
        tags.retain(|t| t["key"] != key);
    }
    for tag in list("add_tags") {
        tags.retain(|t| t["key"] != tag["key"]);
        tags.push(tag);
    }
    doc["tags"] = json!(tags);
    Reply::json(json!({"tags": tags}))
}

/// Sets one part of an endpoint to the body of the request.
fn set(call: &mut Call, part: &str) -> Answer {
    let body = Value::Object(call.take_json());
    let doc = this(call)?;
    doc[part] = body.clone();
    Reply::json(body)
}

pub(crate) fn put_ai_gateway(call: &mut Call) -> Answer {
    set(call, "ai_gateway")
}

pub(crate) fn patch_notifications(call: &mut Call) -> Answer {
    let emails = call.take_json().shift_remove("email_notifications").unwrap_or(json!({}));
    this(call)?["email_notifications"] = emails.clone();
    Reply::json(json!({"email_notifications": emails}))
}

pub(crate) fn patch_telemetry(call: &mut Call) -> Answer {
    let config = call.take_json().shift_remove("telemetry_config").unwrap_or(json!({}));
    this(call)?["telemetry_config"] = config;
    let name = call.param("name").to_owned();
    shown(call, &name)
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    let id = find(call, &name)?["id"].as_str().unwrap_or_default().to_owned();
    call.store.table("serving_endpoints").shift_remove(&name);
    call.store.acls.remove(&format!("serving-endpoints/{id}"));
    Reply::done()
}
