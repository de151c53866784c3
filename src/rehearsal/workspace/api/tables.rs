//! Tables of Unity Catalog: their names and columns. Rows lie where nobody here reads them.

use serde_json::{Value, json};

use super::catalog::{Level, listed_in_schema, parent_schema, stamped};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

pub(crate) const TABLE: Level = Level {
    table: "tables",
    noun: "TABLE",
    title: "Table",
    securable: "table",
    no_such: "TABLE_DOES_NOT_EXIST",
    exists: "TABLE_ALREADY_EXISTS",
};

/// Only an external Delta table can be made without a query engine.
pub(crate) fn create(call: &mut Call) -> Answer {
    let (catalog, schema) = parent_schema(call)?;
    let full_name = format!("{catalog}.{schema}.{}", call.required("name")?);
    TABLE.vacant(call.store, &full_name)?;
    for (field, only) in [("table_type", "EXTERNAL"), ("data_source_format", "DELTA")] {
        if call.required(field)? != only {
            return Err(Refusal::invalid(format!("{field} must be {only}")));
        }
    }
    call.required("storage_location")?;
    let id = call.store.ids.uuid();
    let mut doc = call.take_json();
    stamped(call, &mut doc);
    doc.insert("full_name".into(), json!(full_name));
    doc.insert("table_id".into(), json!(id));
    let doc = Value::Object(doc);
    call.store.table(TABLE.table).insert(full_name, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    Reply::json(TABLE.find(call.store, &name)?.clone())
}

pub(crate) fn list(call: &mut Call) -> Answer {
    listed_in_schema(call, TABLE.table, "tables")
}

/// What watches a table goes with it.
pub(crate) fn delete(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    TABLE.find(call.store, &name)?;
    TABLE.remove(call.store, &name);
    call.store.table("monitors").shift_remove(&name);
    Reply::done()
}
