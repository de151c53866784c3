//! AI/BI dashboards: drafts, and what is published of them. A dashboard is also a file of the workspace tree.

use serde_json::{Value, json};

use super::permissions;
use super::workspace_files::Place;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::clock::rfc3339;
use crate::rehearsal::workspace::tree::What;

fn find<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let id = call.param("id").to_owned();
    let missing = Refusal::missing(format!("Unable to find dashboard [dashboardId={id}]"));
    call.store.table("dashboards").get_mut(&id).ok_or(missing)
}

/// The service writes the document anew; what comes back is not byte for byte what was sent.
fn stored(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |doc| format!("{doc}\n"))
}

/// The draft without what was published.
fn draft(doc: &Value) -> Value {
    let mut doc = doc.clone();
    if let Some(doc) = doc.as_object_mut() {
        doc.shift_remove("published");
    }
    doc
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let name = call.required("display_name")?;
    let home = format!("/Users/{}", call.who.user_name);
    let parent = Place::of(&call.value("parent_path").unwrap_or(home))?.path;
    if !call.store.files.is_folder(&parent) {
        return Err(Refusal::missing(format!("Path ({parent}) doesn't exist.")));
    }
    let path = format!("{}/{name}.lvdash.json", parent.trim_end_matches('/'));
    if call.store.files.get(&path).is_some() {
        return Err(Refusal::exists(format!("Node named '{name}.lvdash.json' already exists")));
    }
    let id = call.store.ids.uuid().replace('-', "");
    permissions::own(call, "dashboards", &id);
    let at = rfc3339(call.now);
    let number = call.store.ids.number();
    let doc = json!({
        "dashboard_id": id, "display_name": name, "path": path, "parent_path": parent, "create_time": at,
        "update_time": at, "etag": (number % 100_000_000).to_string(), "lifecycle_state": "ACTIVE",
        "serialized_dashboard": stored(&call.value("serialized_dashboard").unwrap_or_else(|| "{}".into())),
        "warehouse_id": call.value("warehouse_id").unwrap_or_default(),
    });
    call.store.files.put(&path, What::Elsewhere("DASHBOARD"), number, call.now);
    call.store.table("dashboards").insert(id, doc.clone());
    Reply::json(doc)
}

pub(crate) fn get(call: &mut Call) -> Answer {
    Reply::json(draft(find(call)?))
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let all: Vec<Value> =
        call.store.table("dashboards").values().filter(|d| d["lifecycle_state"] == "ACTIVE").map(draft).collect();
    Reply::json(if all.is_empty() { json!({}) } else { json!({"dashboards": all}) })
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let (body, now) = (call.take_json(), call.now);
    let doc = find(call)?;
    let sent = body.get("etag").and_then(Value::as_str).filter(|e| !e.is_empty());
    if sent.is_some_and(|e| doc["etag"] != e) {
        return Err(Refusal::new(409, "ABORTED", "The dashboard has been modified since the given etag"));
    }
    let old = doc["path"].as_str().unwrap_or_default().to_owned();
    for field in ["display_name", "serialized_dashboard", "warehouse_id"] {
        if let Some(value) = body.get(field).filter(|v| !v.is_null()) {
            doc[field] = value.clone();
        }
    }
    doc["serialized_dashboard"] = json!(stored(doc["serialized_dashboard"].as_str().unwrap_or_default()));
    let etag = doc["etag"].as_str().and_then(|e| e.parse::<u64>().ok()).unwrap_or(0) + 1;
    doc["etag"] = json!(etag.to_string());
    doc["update_time"] = json!(rfc3339(now));
    let parent = doc["parent_path"].as_str().unwrap_or_default();
    let path = format!("{parent}/{}.lvdash.json", doc["display_name"].as_str().unwrap_or_default());
    doc["path"] = json!(path);
    let answer = draft(doc);
    call.store.files.rename(&old, &path);
    Reply::json(answer)
}

/// To the trash, where it can still be looked at.
pub(crate) fn trash(call: &mut Call) -> Answer {
    let path = find(call)?["path"].as_str().unwrap_or_default().to_owned();
    let id = call.param("id").to_owned();
    let doc = find(call)?;
    doc["lifecycle_state"] = json!("TRASHED");
    let answer = draft(doc);
    call.store.files.remove(&path);
    call.store.acls.remove(&format!("dashboards/{id}"));
    Reply::json(answer)
}

pub(crate) fn publish(call: &mut Call) -> Answer {
    let (body, now) = (call.take_json(), call.now);
    let doc = find(call)?;
    let published = json!({
        "display_name": doc["display_name"],
        "embed_credentials": body.get("embed_credentials").cloned().unwrap_or(json!(true)),
        "warehouse_id": body.get("warehouse_id").cloned().unwrap_or(doc["warehouse_id"].clone()),
        "revision_create_time": rfc3339(now),
    });
    doc["published"] = published.clone();
    Reply::json(published)
}

pub(crate) fn get_published(call: &mut Call) -> Answer {
    let id = call.param("id").to_owned();
    match find(call)?.get("published") {
        Some(published) => Reply::json(published.clone()),
        None => Err(Refusal::missing(format!("Unable to find published dashboard [dashboardId={id}]"))),
    }
}

pub(crate) fn unpublish(call: &mut Call) -> Answer {
    if let Some(doc) = find(call)?.as_object_mut() {
        doc.shift_remove("published");
    }
    Reply::done()
}
