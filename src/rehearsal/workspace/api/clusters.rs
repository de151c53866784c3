//! Interactive clusters: definitions and whether they run. Nothing ever runs on them here.

use serde_json::{Value, json};

use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::clock::rfc3339;

fn find<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let id = call.required("cluster_id")?;
    let missing = Refusal::new(400, "INVALID_PARAMETER_VALUE", format!("Cluster {id} does not exist"));
    call.store.table("clusters").get_mut(&id).ok_or(missing)
}

/// `0926-101500-a1b2c3d4`: month and day, time, and something.
fn new_id(call: &mut Call) -> String {
    let digits: String = rfc3339(call.now).chars().filter(char::is_ascii_digit).collect();
    let tail = call.store.ids.uuid();
    format!("{}-{}-{}", &digits[4..8], &digits[8..14], &tail[..8])
}

pub(crate) fn create(call: &mut Call) -> Answer {
    call.required("spark_version")?;
    let id = new_id(call);
    permissions::own(call, "clusters", &id);
    let mut doc = call.take_json();
    // What was asked for is told as it was; this field nowhere else.
    let spec = doc.clone();
    doc.shift_remove("apply_policy_default_values");
    let mut default = |field: &str, value: Value| {
        doc.entry(field.to_owned()).or_insert(value);
    };
    default("cluster_name", json!(""));
    default("autotermination_minutes", json!(0));
    default("enable_elastic_disk", json!(false));
    default("enable_local_disk_encryption", json!(false));
    if let Some(node) = spec.get("node_type_id") {
        default("driver_node_type_id", node.clone());
    }
    doc.insert("cluster_id".into(), json!(id));
    doc.insert("creator_user_name".into(), json!(call.who.user_name));
    doc.insert("cluster_source".into(), json!("API"));
    doc.insert("start_time".into(), json!(call.now));
    doc.insert("state".into(), json!("RUNNING"));
    doc.insert("spec".into(), json!(spec));
    call.store.table("clusters").insert(id.clone(), Value::Object(doc));
    Reply::json(json!({"cluster_id": id}))
}

pub(crate) fn get(call: &mut Call) -> Answer {
    Reply::json(find(call)?.clone())
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let all: Vec<Value> = call.store.table("clusters").values().cloned().collect();
    Reply::json(if all.is_empty() { json!({}) } else { json!({"clusters": all}) })
}

pub(crate) fn edit(call: &mut Call) -> Answer {
    let old = find(call)?.clone();
    let mut doc = call.take_json();
    let spec = doc.clone();
    doc.shift_remove("apply_policy_default_values");
    for kept in ["cluster_id", "creator_user_name", "cluster_source", "start_time", "state"] {
        doc.insert(kept.into(), old[kept].clone());
    }
    for (field, value) in [("autotermination_minutes", json!(0)), ("enable_elastic_disk", json!(false))] {
        doc.entry(field).or_insert(value);
    }
    doc.insert("spec".into(), json!(spec));
    let id = old["cluster_id"].as_str().unwrap_or_default().to_owned();
    call.store.table("clusters").insert(id, Value::Object(doc));
    Reply::done()
}

pub(crate) fn resize(call: &mut Call) -> Answer {
    let (workers, autoscale) = (call.json.get("num_workers").cloned(), call.json.get("autoscale").cloned());
    let doc = find(call)?;
    if let Some(workers) = workers {
        doc["num_workers"] = workers;
    }
    if let Some(autoscale) = autoscale {
        doc["autoscale"] = autoscale;
    }
    Reply::done()
}

pub(crate) fn start(call: &mut Call) -> Answer {
    find(call)?["state"] = json!("RUNNING");
    Reply::done()
}

/// Terminated, but still there.
pub(crate) fn delete(call: &mut Call) -> Answer {
    find(call)?["state"] = json!("TERMINATED");
    Reply::done()
}

pub(crate) fn permanent_delete(call: &mut Call) -> Answer {
    let id = call.required("cluster_id")?;
    find(call)?;
    call.store.table("clusters").shift_remove(&id);
    call.store.acls.remove(&format!("clusters/{id}"));
    Reply::done()
}

/// A stand-in has no policies; a lookup finds none.
pub(crate) fn policies(_: &mut Call) -> Answer {
    Reply::json(json!({}))
}
