//! Folders, and what lies in them.

use axum::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};

use super::rules::{is_folder, is_root, no_such, place, writable};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::tree::{Node, What, base_name};

pub(crate) fn put(call: &mut Call) -> Answer {
    let path = place(call)?;
    writable(call, &path)?;
    let (now, ids) = (call.now, &mut call.store.ids);
    let made = call.store.uc.storage.folders(&path, now, || ids.number());
    made.map_err(|at| Refusal::new(409, "ALREADY_EXISTS", format!("A file is in the way: {at}")))?;
    Reply::no_content()
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let path = place(call)?;
    writable(call, &path)?;
    if is_root(&path) {
        return Err(Refusal::invalid("The root of a volume cannot be deleted"));
    }
    if !is_folder(call.store, &path) {
        return Err(no_such("directory", &path));
    }
    if !call.store.uc.storage.children(&path).is_empty() {
        return Err(Refusal::new(400, "DIRECTORY_NOT_EMPTY", format!("The directory is not empty: {path}")));
    }
    call.store.uc.storage.remove(&path);
    Reply::no_content()
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let path = place(call)?;
    if !is_folder(call.store, &path) {
        return Err(no_such("directory", &path));
    }
    if call.method == Method::HEAD {
        return Ok(Reply::bytes(Bytes::new()));
    }
    let all: Vec<Value> = call.store.uc.storage.children(&path).into_iter().map(entry).collect();
    let size = call.query("page_size").and_then(|s| s.parse().ok()).unwrap_or(1000).clamp(1, 1000);
    let (contents, next) = page(all, call.query("page_token"), size)?;
    let mut doc = json!({});
    if !contents.is_empty() {
        doc["contents"] = json!(contents);
    }
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}

fn entry((path, node): (&str, &Node)) -> Value {
    let is_directory = node.what == What::Folder;
    let mut doc = json!({
        "path": path, "name": base_name(path), "is_directory": is_directory, "last_modified": node.modified,
    });
    if let What::File(content) = &node.what {
        doc["file_size"] = json!(content.len());
    }
    doc
}
