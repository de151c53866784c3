//! Vector search: endpoints, and the indexes that lie on them.
//!
//! An index is a table of the catalog too, where its grants are. It outlives its endpoint, which one of the same name
//! does not bring back: to an index that is another one.

use serde_json::{Value, json};

use super::catalog::{CATALOG, SCHEMA, stamped};
use super::permissions;
use super::tables::TABLE;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

const ENDPOINTS: &str = "vector_search_endpoints";
const INDEXES: &str = "vector_search_indexes";
/// Names of deleted indexes that are not free yet: the next to ask for one is told so, the one after gets it.
const PENDING: &str = "vector_search_names";

fn endpoint<'a>(call: &'a mut Call, name: &str) -> Result<&'a mut Value, Refusal> {
    let missing = Refusal::missing(format!("Vector search endpoint {name} not found."));
    call.store.table(ENDPOINTS).get_mut(name).ok_or(missing)
}

fn this<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let name = call.param("name").to_owned();
    endpoint(call, &name)
}

pub(crate) fn create_endpoint(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    let kind = call.required("endpoint_type")?;
    if !["STANDARD", "STORAGE_OPTIMIZED"].contains(&kind.as_str()) {
        return Err(Refusal::invalid(format!("Unknown endpoint_type: {kind}")));
    }
    if call.store.get(ENDPOINTS, &name).is_some() {
        return Err(Refusal::new(
            409,
            "RESOURCE_ALREADY_EXISTS",
            format!("Vector search endpoint with name {name} already exists"),
        ));
    }
    let id = call.store.ids.uuid();
    permissions::own(call, "vector-search-endpoints", &id);
    let body = call.take_json();
    let mut doc = json!({
        "name": name, "id": id, "endpoint_type": kind, "endpoint_status": {"state": "ONLINE"}, "num_indexes": 0,
        "creator": call.who.user_name, "creation_timestamp": call.now, "last_updated_user": call.who.user_name,
        "last_updated_timestamp": call.now,
    });
    scale(&mut doc, body.get("target_qps"));
    if let Some(policy) = body.get("budget_policy_id") {
        doc["budget_policy_id"] = policy.clone();
        doc["effective_budget_policy_id"] = policy.clone();
    }
    call.store.table(ENDPOINTS).insert(name, doc.clone());
    Reply::json(doc)
}

/// Without a number, the service scales as it sees fit.
fn scale(doc: &mut Value, qps: Option<&Value>) {
    match qps.filter(|qps| qps.as_i64() != Some(0)) {
        Some(qps) => doc["scaling_info"] = json!({"requested_target_qps": qps, "state": "SCALING_CHANGE_APPLIED"}),
        None => doc["scaling_info"] = json!({}),
    }
}

pub(crate) fn get_endpoint(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    let on_it = |index: &&Value| index["endpoint_name"] == name.as_str();
    let count = call.store.get_table(INDEXES).map_or(0, |table| table.values().filter(on_it).count());
    let mut doc = this(call)?.clone();
    doc["num_indexes"] = json!(count);
    Reply::json(doc)
}

pub(crate) fn list_endpoints(call: &mut Call) -> Answer {
    let all: Vec<Value> = call.store.table(ENDPOINTS).values().cloned().collect();
    Reply::json(json!({"endpoints": all}))
}

pub(crate) fn patch_endpoint(call: &mut Call) -> Answer {
    let (now, who) = (call.now, call.who.user_name.clone());
    let body = call.take_json();
    let doc = this(call)?;
    scale(doc, body.get("target_qps"));
    doc["last_updated_timestamp"] = json!(now);
    doc["last_updated_user"] = json!(who);
    Reply::json(doc.clone())
}

pub(crate) fn patch_budget_policy(call: &mut Call) -> Answer {
    let policy = call.take_json().get("budget_policy_id").cloned().unwrap_or_default();
    let doc = this(call)?;
    for field in ["budget_policy_id", "effective_budget_policy_id"] {
        if let Some(doc) = doc.as_object_mut() {
            doc.shift_remove(field);
        }
        if policy.as_str().is_some_and(|policy| !policy.is_empty()) {
            doc[field] = policy.clone();
        }
    }
    Reply::json(json!({"effective_budget_policy_id": policy}))
}

pub(crate) fn delete_endpoint(call: &mut Call) -> Answer {
    let id = this(call)?["id"].as_str().unwrap_or_default().to_owned();
    let name = call.param("name").to_owned();
    call.store.table(ENDPOINTS).shift_remove(&name);
    call.store.acls.remove(&format!("vector-search-endpoints/{id}"));
    Reply::done()
}

pub(crate) fn create_index(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    let [catalog, schema, short] = name.split('.').collect::<Vec<_>>()[..] else {
        return Err(Refusal::invalid(format!("'{name}' is not a full name: catalog.schema.index")));
    };
    if !call.is_lenient() {
        CATALOG.find(call.store, catalog)?;
        SCHEMA.find(call.store, &format!("{catalog}.{schema}"))?;
    }
    let on = call.required("endpoint_name")?;
    let id = endpoint(call, &on)?["id"].clone();
    call.required("primary_key")?;
    let spec = match call.required("index_type")?.as_str() {
        "DELTA_SYNC" => "delta_sync_index_spec",
        "DIRECT_ACCESS" => "direct_access_index_spec",
        other => return Err(Refusal::invalid(format!("Unknown index_type: {other}"))),
    };
    if !call.is_lenient() && call.json.get(spec).is_none_or(|spec| !spec.is_object()) {
        return Err(Refusal::invalid(format!("Missing required field: {spec}")));
    }
    if call.store.table(PENDING).shift_remove(&name).is_some() {
        return Err(Refusal::invalid(format!("Index {name} is currently pending deletion.")));
    }
    TABLE.vacant(call.store, &name)?;
    let table = call.store.ids.uuid();
    let mut entry = serde_json::Map::from_iter([
        ("name".to_owned(), json!(short)),
        ("catalog_name".to_owned(), json!(catalog)),
        ("schema_name".to_owned(), json!(schema)),
        ("full_name".to_owned(), json!(name)),
        ("table_type".to_owned(), json!("FOREIGN")),
        ("table_id".to_owned(), json!(table)),
    ]);
    stamped(call, &mut entry);
    call.store.table(TABLE.table).insert(name.clone(), Value::Object(entry));
    let mut doc = call.take_json();
    doc.insert("endpoint_id".into(), id);
    doc.insert("creator".into(), json!(call.who.user_name));
    doc.entry("index_subtype").or_insert(json!("HYBRID"));
    if let Some(spec) = doc.get_mut("delta_sync_index_spec") {
        spec["pipeline_id"] = json!(call.store.ids.uuid());
    }
    doc.insert("status".into(), json!({"ready": true, "indexed_row_count": 0}));
    let doc = Value::Object(doc);
    call.store.table(INDEXES).insert(name, doc.clone());
    Reply::json(doc)
}

fn index<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let name = call.param("name").to_owned();
    let missing = Refusal::missing(format!("Vector search index {name} not found."));
    call.store.table(INDEXES).get_mut(&name).ok_or(missing)
}

pub(crate) fn get_index(call: &mut Call) -> Answer {
    Reply::json(index(call)?.clone())
}

pub(crate) fn list_indexes(call: &mut Call) -> Answer {
    let on = call.required("endpoint_name")?;
    let indexes = call.store.table(INDEXES).values().filter(|index| index["endpoint_name"] == on.as_str());
    let short = ["name", "endpoint_name", "endpoint_id", "primary_key", "index_type", "index_subtype", "creator"];
    let of = |index: &Value| short.iter().map(|field| ((*field).to_owned(), index[*field].clone())).collect();
    let found: Vec<Value> = indexes.map(of).map(Value::Object).collect();
    Reply::json(json!({"vector_indexes": found}))
}

pub(crate) fn delete_index(call: &mut Call) -> Answer {
    index(call)?;
    let name = call.param("name").to_owned();
    call.store.table(INDEXES).shift_remove(&name);
    call.store.table(PENDING).insert(name.clone(), json!({"lifecycle_state": "TRASHED"}));
    TABLE.remove(call.store, &name);
    Reply::done()
}
