//! Instance pools.

use serde_json::{Map, Value, json};

use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

const POOLS: &str = "instance_pools";

/// What the request that changes a pool sets anew; an absent one goes back to what it is by itself.
const CHANGED: [&str; 8] = [
    "custom_tags",
    "idle_instance_autotermination_minutes",
    "instance_pool_name",
    "max_capacity",
    "min_idle_instances",
    "node_type_id",
    "remote_disk_throughput",
    "total_initial_remote_disk_size",
];

fn this<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let id = call.required("instance_pool_id")?;
    let missing = Refusal::missing(format!("Can't find an instance pool with id: {id}"));
    call.store.table(POOLS).get_mut(&id).ok_or(missing)
}

fn with_defaults(doc: &mut Map<String, Value>) {
    doc.entry("idle_instance_autotermination_minutes").or_insert(json!(60));
    doc.entry("enable_elastic_disk").or_insert(json!(true));
}

pub(crate) fn create(call: &mut Call) -> Answer {
    call.required("instance_pool_name")?;
    call.required("node_type_id")?;
    let id = call.store.ids.uuid();
    permissions::own(call, "instance-pools", &id);
    let mut doc = call.take_json();
    with_defaults(&mut doc);
    doc.insert("instance_pool_id".into(), json!(id));
    doc.insert("default_tags".into(), json!({"Vendor": "Databricks", "DatabricksInstancePoolId": id}));
    doc.insert("state".into(), json!("ACTIVE"));
    doc.insert("stats".into(), json!({"used_count": 0, "idle_count": 0}));
    call.store.table(POOLS).insert(id.clone(), Value::Object(doc));
    Reply::json(json!({"instance_pool_id": id}))
}

pub(crate) fn get(call: &mut Call) -> Answer {
    Reply::json(this(call)?.clone())
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let all: Vec<Value> = call.store.table(POOLS).values().cloned().collect();
    Reply::json(json!({"instance_pools": all}))
}

pub(crate) fn edit(call: &mut Call) -> Answer {
    let node = call.required("node_type_id")?;
    call.required("instance_pool_name")?;
    let body = call.json.clone();
    let pool = this(call)?;
    if pool["node_type_id"] != node.as_str() {
        return Err(Refusal::invalid("The node type of an instance pool cannot be changed"));
    }
    let Some(doc) = pool.as_object_mut() else { return Reply::done() };
    for field in CHANGED {
        match body.get(field) {
            Some(value) => doc.insert(field.to_owned(), value.clone()),
            None => doc.shift_remove(field),
        };
    }
    with_defaults(doc);
    Reply::done()
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let id = this(call)?["instance_pool_id"].as_str().unwrap_or_default().to_owned();
    call.store.table(POOLS).shift_remove(&id);
    call.store.acls.remove(&format!("instance-pools/{id}"));
    Reply::done()
}
