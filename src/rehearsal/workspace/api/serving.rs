//! Model serving endpoints: configuration, tags, and updates that take their time and may fail.
//!
//! While an update goes on the old configuration serves; one that fails leaves it as if nothing had happened. A new
//! endpoint has no configuration before its first build has ended, and none after one that failed.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::catalog::MODEL;
use super::grants;
use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::served::MINUTE;

pub(crate) fn find<'a>(call: &'a mut Call, name: &str) -> Result<&'a mut Value, Refusal> {
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
            entity.insert("state".into(), state("DEPLOYMENT_READY", ""));
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

fn state(deployment: &str, message: &str) -> Value {
    json!({"deployment": deployment, "deployment_state_message": message})
}

/// The entities of a configuration, under either of their names.
pub(crate) fn entities(config: &Value) -> impl Iterator<Item = &Value> {
    ["served_entities", "served_models"].into_iter().flat_map(|list| config[list].as_array().into_iter().flatten())
}

fn entities_mut(config: &mut Value) -> impl Iterator<Item = &mut Value> {
    let lists = config.as_object_mut().into_iter().flat_map(|c| c.iter_mut());
    let lists = lists.filter(|(list, _)| matches!(list.as_str(), "served_entities" | "served_models"));
    lists.flat_map(|(_, list)| list.as_array_mut().into_iter().flatten())
}

const MOST_ENTITIES: usize = 15;

/// What the service refuses before it begins to build anything.
fn check(call: &Call, config: &Value, creator: &str) -> Result<(), Refusal> {
    let routes: Vec<&Value> = config["traffic_config"]["routes"].as_array().into_iter().flatten().collect();
    let share = |route: &&Value| route["traffic_percentage"].as_i64();
    if !routes.is_empty() && routes.iter().filter_map(share).sum::<i64>() != 100 {
        return Err(Refusal::invalid("The traffic percentages of all routes must add up to 100"));
    }
    if call.is_lenient() {
        return Ok(());
    }
    let mut names = BTreeSet::new();
    for entity in entities(config) {
        let name = entity["name"].as_str().unwrap_or_default();
        if !names.insert(name) {
            return Err(Refusal::invalid(format!("Served entity name '{name}' is not unique in the endpoint")));
        }
        check_model(call, entity, creator)?;
    }
    if names.is_empty() || names.len() > MOST_ENTITIES {
        return Err(Refusal::invalid(format!("An endpoint must have 1 to {MOST_ENTITIES} served entities")));
    }
    for route in routes {
        let to = route["served_model_name"].as_str().or(route["served_entity_name"].as_str()).unwrap_or_default();
        if !names.contains(to) {
            return Err(Refusal::invalid(format!("Route to '{to}': there is no served entity of that name")));
        }
    }
    Ok(())
}

/// The version must be there and READY, and the endpoint's creator, not whoever updates it, must be allowed to run it.
fn check_model(call: &Call, entity: &Value, creator: &str) -> Result<(), Refusal> {
    if entity["external_model"].is_object() || entity["foundation_model_name"].is_string() {
        return Ok(());
    }
    let (model, version) = model_version(entity);
    let known = call.store.get("model_versions", &format!("{model}/{version}"));
    match known.map(|v| v["status"].as_str().unwrap_or_default()) {
        None => return Err(Refusal::missing(format!("Model version '{model}' version '{version}' does not exist."))),
        Some("READY") => {}
        Some(status) => {
            return Err(Refusal::invalid(format!(
                "Model version '{model}' version '{version}' is {status}, not READY"
            )));
        }
    }
    if grants::allows(call.store, (&MODEL, model), creator, "EXECUTE") {
        return Ok(());
    }
    let message =
        format!("The creator of the endpoint, {creator}, does not have EXECUTE on Routine or Model '{model}'.");
    Err(Refusal::denied(message))
}

/// Name and version of the model that an entity serves.
pub(crate) fn model_version(entity: &Value) -> (&str, &str) {
    let text = |a: &str, b: &str| entity[a].as_str().or(entity[b].as_str()).unwrap_or_default();
    (text("entity_name", "model_name"), text("entity_version", "model_version"))
}

/// The endpoint as it is now; looking at an update that goes on brings it on.
fn shown(call: &mut Call, name: &str) -> Answer {
    let ended = call.store.served.look(name);
    let doc = find(call, name)?;
    let answer = doc.clone();
    // The end is seen by the look after the one that brought it.
    match ended {
        None => {}
        Some(Ok(())) => {
            doc["state"] = json!({"ready": "READY", "config_update": "NOT_UPDATING"});
            if let Some(mut config) = doc.as_object_mut().and_then(|d| d.shift_remove("pending_config")) {
                config.as_object_mut().and_then(|config| config.shift_remove("start_time"));
                doc["config"] = config;
            }
            entities_mut(&mut doc["config"]).for_each(|e| e["state"] = state("DEPLOYMENT_READY", ""));
        }
        Some(Err(log)) => failed(call, name, &log)?,
    }
    Reply::json(answer)
}

/// The old configuration stays; what was being built is gone, but for its log.
fn failed(call: &mut Call, name: &str, log: &str) -> Result<(), Refusal> {
    let doc = find(call, name)?;
    let pending = doc.as_object_mut().and_then(|d| d.shift_remove("pending_config"));
    let serves = doc["config"].is_object();
    let ready = if serves { "READY" } else { "NOT_READY" };
    doc["state"] = json!({"ready": ready, "config_update": "UPDATE_FAILED"});
    let built = pending.unwrap_or_default();
    let names = entities(&built).filter_map(|e| e["name"].as_str());
    let logs: Vec<(String, String)> = names.map(|e| (format!("{name}/{e}"), log.to_owned())).collect();
    call.store.served.build_logs.extend(logs);
    Ok(())
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    if call.store.get("serving_endpoints", &name).is_some() {
        return Err(Refusal::exists(format!("Endpoint with name '{name}' already exists.")));
    }
    let (now, who) = (call.now, call.who.user_name.clone());
    let mut config = completed(call.json.get("config").unwrap_or(&json!({})), 1, &who, now);
    check(call, &config, &who)?;
    entities_mut(&mut config).for_each(|e| e["state"] = state("DEPLOYMENT_CREATING", "Creating resources"));
    let id = call.store.ids.uuid();
    permissions::own(call, "serving-endpoints", &id);
    let mut doc: Map<String, Value> = call.take_json();
    doc.shift_remove("rate_limits");
    doc.insert("id".into(), json!(id));
    doc.insert("creator".into(), json!(who));
    doc.insert("creation_timestamp".into(), json!(now));
    doc.insert("last_updated_timestamp".into(), json!(now));
    doc.insert("permission_level".into(), json!("CAN_MANAGE"));
    doc.shift_remove("config");
    config["start_time"] = json!(now);
    doc.insert("pending_config".into(), config);
    doc.insert("state".into(), json!({"ready": "NOT_READY", "config_update": "IN_PROGRESS"}));
    call.store.table("serving_endpoints").insert(name.clone(), Value::Object(doc));
    call.store.served.begin(&name);
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
    let (now, who, name) = (call.now, call.who.user_name.clone(), call.param("name").to_owned());
    let body = Value::Object(call.take_json());
    let doc = find(call, &name)?.clone();
    let version = doc["config"]["config_version"].as_u64().unwrap_or(0) + 1;
    let mut pending = completed(&body, version, &who, now);
    check(call, &pending, doc["creator"].as_str().unwrap_or_default())?;
    if doc["state"]["config_update"] == "IN_PROGRESS" {
        let message = format!("Endpoint '{name}' is already being updated; wait until that has ended.");
        return Err(Refusal::new(409, "RESOURCE_CONFLICT", message));
    }
    // What is served already need not be built again.
    let ready: BTreeSet<String> =
        entities(&doc["config"]).filter_map(|e| e["name"].as_str()).map(str::to_owned).collect();
    for entity in entities_mut(&mut pending) {
        if !entity["name"].as_str().is_some_and(|name| ready.contains(name)) {
            entity["state"] = state("DEPLOYMENT_CREATING", "Creating resources");
        }
    }
    pending["start_time"] = json!(now);
    call.store.served.begin(&name);
    let doc = find(call, &name)?;
    let ready = doc["state"]["ready"].clone();
    doc["pending_config"] = pending;
    doc["state"] = json!({"ready": ready, "config_update": "IN_PROGRESS"});
    doc["last_updated_timestamp"] = json!(now);
    Reply::json(doc.clone())
}

fn log(call: &mut Call, text: impl FnOnce(&Call, &str) -> String) -> Answer {
    let (name, served) = (call.param("name").to_owned(), call.param("served").to_owned());
    find(call, &name)?;
    let logs = text(call, &format!("{name}/{served}"));
    Reply::json(json!({"logs": logs}))
}

pub(crate) fn build_logs(call: &mut Call) -> Answer {
    log(call, |call, entity| call.store.served.build_logs.get(entity).cloned().unwrap_or_default())
}

/// What the server of an entity printed: nothing, here.
pub(crate) fn server_logs(call: &mut Call) -> Answer {
    log(call, |_, _| String::new())
}

/// In the text format of Prometheus, for each entity that somebody asked: gauges of the last whole minute.
pub(crate) fn metrics(call: &mut Call) -> Answer {
    const BOUNDS: [u64; 8] = [5, 25, 50, 100, 250, 500, 1000, 5000];
    let name = call.param("name").to_owned();
    let config = find(call, &name)?["config"].clone();
    let at = call.now / MINUTE * MINUTE;
    let mut text = String::new();
    for entity in entities(&config).filter_map(|e| e["name"].as_str()) {
        let Some(asked) = call.store.served.asked_last(&format!("{name}/{entity}"), call.now) else { continue };
        let labels = format!("endpoint_name=\"{name}\",served_entity_name=\"{entity}\"");
        for (metric, value) in [
            ("request_count_total", asked.requests),
            ("request_4xx_count_total", asked.client_errors),
            ("request_5xx_count_total", asked.server_errors),
        ] {
            text.push_str(&format!("# TYPE {metric} gauge\n{metric}{{{labels}}} {value} {at}\n"));
        }
        let bounds = BOUNDS.iter().map(|bound| (bound.to_string(), *bound)).chain([("+Inf".to_owned(), u64::MAX)]);
        for (le, bound) in bounds {
            let within = asked.took.iter().filter(|took| **took <= bound).count();
            text.push_str(&format!("request_latency_ms_bucket{{{labels},le=\"{le}\"}} {within} {at}\n"));
        }
    }
    Ok(Reply { headers: vec![("content-type", "text/plain; version=0.0.4".into())], ..Reply::bytes(text.into()) })
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
    call.store.served.going.remove(&name);
    call.store.acls.remove(&format!("serving-endpoints/{id}"));
    Reply::done()
}
