//! Databases: instances, their databases as catalogs, and tables kept in them.
//!
//! What an instance was asked for is told as `effective_…` and not under its own name.

use serde_json::{Map, Value, json};

use super::permissions;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

const INSTANCES: &str = "database_instances";
const CATALOGS: &str = "database_catalogs";
const SYNCED: &str = "synced_database_tables";

/// Asked for, and told under another name; and what it is when nobody asks.
const ASKED: [(&str, Value); 7] = [
    ("custom_tags", Value::Null),
    ("enable_pg_native_login", Value::Bool(false)),
    ("enable_readable_secondaries", Value::Bool(false)),
    ("node_count", Value::Null),
    ("retention_window_in_days", Value::Null),
    ("stopped", Value::Bool(false)),
    ("usage_policy_id", Value::Null),
];

fn find<'a>(call: &'a mut Call, table: &'static str, noun: &str) -> Result<&'a mut Value, Refusal> {
    let name = call.param("name").to_owned();
    let missing = Refusal::new(404, "NOT_FOUND", format!("{noun} '{name}' not found."));
    call.store.table(table).get_mut(&name).ok_or(missing)
}

fn instance_is_there(call: &mut Call) -> Result<(), Refusal> {
    let name = call.value("database_instance_name").unwrap_or_default();
    match call.store.get(INSTANCES, &name) {
        Some(_) => Ok(()),
        None => Err(Refusal::new(404, "NOT_FOUND", format!("Database instance '{name}' not found."))),
    }
}

fn vacant(call: &mut Call, table: &'static str, noun: &str) -> Result<String, Refusal> {
    let name = call.required("name")?;
    match call.store.get(table, &name) {
        None => Ok(name),
        Some(_) => Err(Refusal::new(409, "ALREADY_EXISTS", format!("{noun} '{name}' already exists."))),
    }
}

/// Takes what is asked for out of a request, and tells it as what there is.
fn answered(doc: &mut Map<String, Value>) {
    for (field, unasked) in &ASKED {
        let value = doc.shift_remove(*field).unwrap_or_else(|| unasked.clone());
        let effective = format!("effective_{field}");
        match value {
            Value::Null => doc.shift_remove(&effective),
            value => doc.insert(effective, value),
        };
    }
    let capacity = doc.get("capacity").cloned().unwrap_or(json!("CU_1"));
    doc.insert("effective_capacity".into(), capacity);
    let stopped = doc.get("effective_stopped") == Some(&json!(true));
    doc.insert("state".into(), json!(if stopped { "STOPPED" } else { "AVAILABLE" }));
}

pub(crate) fn create_instance(call: &mut Call) -> Answer {
    let name = vacant(call, INSTANCES, "Database instance")?;
    permissions::own(call, "database-instances", &name);
    let mut doc = call.take_json();
    answered(&mut doc);
    doc.insert("uid".into(), json!(call.store.ids.uuid()));
    doc.insert("creator".into(), json!(call.who.user_name));
    doc.insert("pg_version".into(), json!("PG_VERSION_16"));
    doc.insert("read_write_dns".into(), json!(format!("{name}.database.standin")));
    let doc = Value::Object(doc);
    call.store.table(INSTANCES).insert(name, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get_instance(call: &mut Call) -> Answer {
    Reply::json(find(call, INSTANCES, "Database instance")?.clone())
}

pub(crate) fn list_instances(call: &mut Call) -> Answer {
    let all: Vec<Value> = call.store.table(INSTANCES).values().cloned().collect();
    Reply::json(json!({"database_instances": all}))
}

/// Everything at once: the mask is a star.
pub(crate) fn update_instance(call: &mut Call) -> Answer {
    if call.query("update_mask") != Some("*") {
        return Err(Refusal::invalid("The stand-in knows no update_mask but *"));
    }
    let mut body = call.take_json();
    answered(&mut body);
    let doc = find(call, INSTANCES, "Database instance")?;
    for kept in ["uid", "creator", "pg_version", "read_write_dns", "parent_instance_ref"] {
        if let Some(value) = doc.get(kept) {
            body.insert(kept.into(), value.clone());
        }
    }
    *doc = Value::Object(body);
    Reply::json(doc.clone())
}

pub(crate) fn delete_instance(call: &mut Call) -> Answer {
    find(call, INSTANCES, "Database instance")?;
    let name = call.param("name").to_owned();
    if !call.query_flag("purge") {
        return Err(Refusal::invalid("The stand-in deletes an instance for good only: purge=true"));
    }
    call.store.table(INSTANCES).shift_remove(&name);
    call.store.acls.remove(&format!("database-instances/{name}"));
    Reply::done()
}

pub(crate) fn list_catalogs(call: &mut Call) -> Answer {
    find(call, INSTANCES, "Database instance")?;
    let name = call.param("name").to_owned();
    let of_it = call.store.table(CATALOGS).values().filter(|c| c["database_instance_name"] == name.as_str());
    let all: Vec<Value> = of_it.cloned().collect();
    Reply::json(json!({"database_catalogs": all}))
}

pub(crate) fn create_catalog(call: &mut Call) -> Answer {
    let name = vacant(call, CATALOGS, "Database catalog")?;
    call.required("database_name")?;
    instance_is_there(call)?;
    let mut doc = call.take_json();
    doc.shift_remove("create_database_if_not_exists");
    doc.insert("uid".into(), json!(call.store.ids.uuid()));
    let doc = Value::Object(doc);
    call.store.table(CATALOGS).insert(name, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get_catalog(call: &mut Call) -> Answer {
    Reply::json(find(call, CATALOGS, "Database catalog")?.clone())
}

pub(crate) fn delete_catalog(call: &mut Call) -> Answer {
    find(call, CATALOGS, "Database catalog")?;
    let name = call.param("name").to_owned();
    call.store.table(CATALOGS).shift_remove(&name);
    Reply::done()
}

pub(crate) fn create_synced(call: &mut Call) -> Answer {
    let name = vacant(call, SYNCED, "Synced table")?;
    if call.json.contains_key("database_instance_name") {
        instance_is_there(call)?;
    }
    let mut doc = call.take_json();
    for field in ["database_instance_name", "logical_database_name"] {
        if let Some(value) = doc.shift_remove(field) {
            doc.insert(format!("effective_{field}"), value);
        }
    }
    let spec = doc.get_mut("spec").and_then(Value::as_object_mut);
    if let Some(spec) = spec {
        for asked in ["create_database_objects_if_missing", "existing_pipeline_id", "new_pipeline_spec"] {
            spec.shift_remove(asked);
        }
    }
    doc.insert("unity_catalog_provisioning_state".into(), json!("ACTIVE"));
    let pipeline = call.store.ids.uuid();
    let status = json!({"detailed_state": "SYNCED_TABLE_ONLINE_NO_PENDING_UPDATE", "pipeline_id": pipeline});
    doc.insert("data_synchronization_status".into(), status);
    let doc = Value::Object(doc);
    call.store.table(SYNCED).insert(name, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get_synced(call: &mut Call) -> Answer {
    Reply::json(find(call, SYNCED, "Synced table")?.clone())
}

pub(crate) fn delete_synced(call: &mut Call) -> Answer {
    find(call, SYNCED, "Synced table")?;
    let name = call.param("name").to_owned();
    call.store.table(SYNCED).shift_remove(&name);
    Reply::done()
}
