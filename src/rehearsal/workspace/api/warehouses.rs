//! SQL warehouses.

use serde_json::{Map, Value, json};

use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

fn find<'a>(call: &'a mut Call, id: &str) -> Result<&'a mut Value, Refusal> {
    let missing = Refusal::missing(format!("Warehouse {id} does not exist."));
    call.store.table("warehouses").get_mut(id).ok_or(missing)
}

fn this<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let id = call.param("id").to_owned();
    find(call, &id)
}

fn with_defaults(doc: &mut Map<String, Value>) {
    for (field, value) in [
        ("cluster_size", json!("X-Small")),
        ("min_num_clusters", json!(1)),
        ("max_num_clusters", json!(1)),
        ("auto_stop_mins", json!(120)),
        ("warehouse_type", json!("CLASSIC")),
        ("enable_photon", json!(true)),
        ("enable_serverless_compute", json!(false)),
        ("spot_instance_policy", json!("COST_OPTIMIZED")),
    ] {
        doc.entry(field).or_insert(value);
    }
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    if call.store.table("warehouses").values().any(|w| w["name"] == name.as_str()) {
        return Err(Refusal::exists(format!("SQL warehouse with name `{name}` already exists")));
    }
    let id = call.store.ids.uuid().replace('-', "")[..16].to_owned();
    permissions::own(call, "warehouses", &id);
    let mut doc = call.take_json();
    with_defaults(&mut doc);
    doc.insert("id".into(), json!(id));
    doc.insert("creator_name".into(), json!(call.who.user_name));
    doc.insert("state".into(), json!("RUNNING"));
    doc.insert("num_clusters".into(), json!(1));
    let path = format!("/sql/1.0/warehouses/{id}");
    doc.insert("odbc_params".into(), json!({"hostname": "127.0.0.1", "path": path, "port": 443, "protocol": "https"}));
    call.store.table("warehouses").insert(id.clone(), Value::Object(doc));
    Reply::json(json!({"id": id}))
}

pub(crate) fn get(call: &mut Call) -> Answer {
    Reply::json(this(call)?.clone())
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let all: Vec<Value> = call.store.table("warehouses").values().cloned().collect();
    Reply::json(json!({"warehouses": all}))
}

pub(crate) fn edit(call: &mut Call) -> Answer {
    let body = call.take_json();
    let doc = this(call)?;
    for (field, value) in body.into_iter().filter(|(k, _)| k != "id") {
        doc[field] = value;
    }
    Reply::done()
}

pub(crate) fn start(call: &mut Call) -> Answer {
    this(call)?["state"] = json!("RUNNING");
    Reply::done()
}

pub(crate) fn stop(call: &mut Call) -> Answer {
    this(call)?["state"] = json!("STOPPED");
    Reply::done()
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let id = call.param("id").to_owned();
    find(call, &id)?;
    call.store.table("warehouses").shift_remove(&id);
    call.store.acls.remove(&format!("warehouses/{id}"));
    Reply::done()
}
