//! External locations: places of the cloud that catalogs, external tables and volumes may lie in.

use serde_json::{Value, json};

use super::catalog::{Level, listed, overlaid, stamped};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

pub(crate) const EXTERNAL_LOCATION: Level = Level {
    table: "external_locations",
    noun: "EXTERNAL_LOCATION",
    title: "External location",
    securable: "external_location",
    no_such: "EXTERNAL_LOCATION_DOES_NOT_EXIST",
    exists: "EXTERNAL_LOCATION_ALREADY_EXISTS",
};

pub(crate) fn create(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    EXTERNAL_LOCATION.vacant(call.store, &name)?;
    let url = call.required("url")?;
    call.required("credential_name")?;
    outside_others(call, &url, &name)?;
    let credential = call.store.ids.uuid();
    let mut doc = call.take_json();
    doc.shift_remove("skip_validation");
    stamped(call, &mut doc);
    for flag in ["enable_file_events", "fallback", "read_only"] {
        doc.entry(flag).or_insert(json!(false));
    }
    doc.insert("credential_id".into(), json!(credential));
    doc.insert("isolation_mode".into(), json!("ISOLATION_MODE_OPEN"));
    let doc = Value::Object(doc);
    call.store.table(EXTERNAL_LOCATION.table).insert(name, doc.clone());
    Reply::json(doc)
}

/// No location lies in another one.
fn outside_others(call: &Call, url: &str, name: &str) -> Result<(), Refusal> {
    let folder = |url: &str| format!("{}/", url.trim_end_matches('/'));
    let mine = folder(url);
    let others =
        call.store.get_table(EXTERNAL_LOCATION.table).into_iter().flatten().filter(|(other, _)| *other != name);
    for (other, doc) in others {
        let theirs = folder(doc["url"].as_str().unwrap_or_default());
        if mine.starts_with(&theirs) || theirs.starts_with(&mine) {
            let message = format!("Input path url '{url}' overlaps with external location '{other}'");
            return Err(Refusal::new(400, "LOCATION_OVERLAP", message));
        }
    }
    Ok(())
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    Reply::json(EXTERNAL_LOCATION.find(call.store, &name)?.clone())
}

pub(crate) fn list(call: &mut Call) -> Answer {
    listed(call, EXTERNAL_LOCATION.table, "external_locations", |_| true)
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    EXTERNAL_LOCATION.find(call.store, &name)?;
    if let Some(url) = call.value("url") {
        outside_others(call, &url, &name)?;
    }
    let fields = ["comment", "credential_name", "enable_file_events", "fallback", "owner", "read_only", "url"];
    overlaid(call, &EXTERNAL_LOCATION, &name, &fields)
}

/// What lies there is not the catalog's, and stays.
pub(crate) fn delete(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    EXTERNAL_LOCATION.find(call.store, &name)?;
    EXTERNAL_LOCATION.remove(call.store, &name);
    Reply::done()
}
