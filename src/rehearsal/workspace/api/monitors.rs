//! Quality monitors of tables. A lenient workspace takes any table to exist.

use serde_json::{Value, json};

use super::tables::TABLE;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

fn find<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let table = call.param("name").to_owned();
    let missing = Refusal::new(404, "QUALITY_MONITOR_DOES_NOT_EXIST", format!("No monitor on table '{table}'"));
    call.store.table("monitors").get_mut(&table).ok_or(missing)
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let table = call.param("name").to_owned();
    if !call.is_lenient() {
        TABLE.find(call.store, &table)?;
    }
    if call.store.get("monitors", &table).is_some() {
        return Err(Refusal::new(409, "RESOURCE_ALREADY_EXISTS", format!("Table '{table}' has a monitor already")));
    }
    let mut doc = Value::Object(call.take_json());
    if let Some(doc) = doc.as_object_mut() {
        doc.shift_remove("skip_builtin_dashboard");
        doc.shift_remove("warehouse_id");
    }
    let output = doc["output_schema_name"].as_str().unwrap_or_default().to_owned();
    let short = table.rsplit('.').next().unwrap_or_default();
    doc["table_name"] = json!(table);
    doc["status"] = json!("MONITOR_STATUS_ACTIVE");
    doc["monitor_version"] = json!(0);
    doc["dashboard_id"] = json!(call.store.ids.uuid().replace('-', ""));
    doc["profile_metrics_table_name"] = json!(format!("{output}.{short}_profile_metrics"));
    doc["drift_metrics_table_name"] = json!(format!("{output}.{short}_drift_metrics"));
    call.store.table("monitors").insert(table, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get(call: &mut Call) -> Answer {
    Reply::json(find(call)?.clone())
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let body = call.take_json();
    let doc = find(call)?;
    for kind in ["inference_log", "snapshot", "time_series"] {
        doc.as_object_mut().and_then(|d| d.shift_remove(kind));
    }
    for (field, value) in body {
        doc[field] = value;
    }
    doc["monitor_version"] = json!(doc["monitor_version"].as_i64().unwrap_or(0) + 1);
    Reply::json(doc.clone())
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    find(call)?;
    let table = call.param("name").to_owned();
    call.store.table("monitors").shift_remove(&table);
    Reply::done()
}
