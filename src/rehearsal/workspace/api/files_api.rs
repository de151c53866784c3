//! The Files API: bytes under `/Volumes/<catalog>/<schema>/<volume>/` (and `/Models/...` once there are versions).

use axum::http::{Method, StatusCode, header};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::tree::{What, base_name, parent};

const LIMIT: usize = 5 * 1024 * 1024 * 1024;

/// The path, if its volume exists.
fn place(call: &Call) -> Result<String, Refusal> {
    let path = call.rest();
    let path = path.trim_end_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["", "Volumes", catalog, schema, volume, ..] => {
            let name = format!("{catalog}.{schema}.{volume}");
            match call.store.get("volumes", &name) {
                Some(_) => Ok(path),
                None => Err(Refusal::not_found(format!("Volume '{name}' does not exist."))),
            }
        }
        ["", "Models", _, _, _, ..] => Ok(path),
        _ => {
            Err(Refusal::invalid(format!("Invalid path: {path}. Files are under /Volumes/<catalog>/<schema>/<volume>")))
        }
    }
}

/// A volume's own folder exists as soon as the volume does.
fn is_root(path: &str) -> bool {
    path.split('/').count() == 5
}

fn is_folder(call: &Call, path: &str) -> bool {
    is_root(path) || call.store.uc.storage.is_folder(path)
}

fn no_such(kind: &str, path: &str) -> Refusal {
    Refusal::not_found(format!("The {kind} being accessed is not found: {path}"))
}

pub(crate) fn put_file(call: &mut Call) -> Answer {
    let path = place(call)?;
    if call.body.len() > LIMIT {
        return Err(Refusal::new(413, "INVALID_PARAMETER_VALUE", "A file may have at most 5 GiB"));
    }
    if is_folder(call, &path) {
        return Err(Refusal::invalid(format!("{path} is a directory")));
    }
    if !is_folder(call, parent(&path)) {
        return Err(no_such("directory", parent(&path)));
    }
    if call.store.uc.storage.get(&path).is_some() && !call.query_flag("overwrite") {
        return Err(Refusal::new(409, "ALREADY_EXISTS", format!("The file being created already exists: {path}")));
    }
    let id = call.store.ids.number();
    let content = What::File(call.body.clone());
    call.store.uc.storage.put(&path, content, id, call.now);
    Reply::no_content()
}

pub(crate) fn get_file(call: &mut Call) -> Answer {
    let path = place(call)?;
    let Some((What::File(content), modified)) = call.store.uc.storage.get(&path).map(|n| (&n.what, n.modified)) else {
        return Err(no_such("file", &path));
    };
    let at = jiff::Timestamp::from_millisecond(modified).unwrap_or_default();
    let modified = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default();
    if call.method == Method::HEAD {
        // hyper takes the length of a HEAD answer from this header, the body being empty.
        let reply = Reply::bytes(Bytes::new()).with("last-modified", modified);
        return Ok(reply.with("content-length", content.len().to_string()));
    }
    let range = call.headers.get(header::RANGE).and_then(|v| v.to_str().ok());
    let Some((from, to)) = range.and_then(|r| part_of(r, content.len())) else {
        return Ok(Reply::bytes(content.clone()).with("last-modified", modified));
    };
    let mut reply = Reply::bytes(content.slice(from..to)).with("last-modified", modified);
    reply.status = StatusCode::PARTIAL_CONTENT;
    Ok(reply.with("content-range", format!("bytes {from}-{}/{}", to.saturating_sub(1), content.len())))
}

/// `bytes=FROM-[TO]` as a half-open range.
fn part_of(range: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let from: usize = from.parse().ok()?;
    let to = if to.is_empty() { length } else { to.parse::<usize>().ok()? + 1 };
    (from < length).then_some((from, to.min(length)))
}

pub(crate) fn delete_file(call: &mut Call) -> Answer {
    let path = place(call)?;
    match call.store.uc.storage.get(&path).map(|n| &n.what) {
        Some(What::File(_)) => {
            call.store.uc.storage.remove(&path);
            Reply::no_content()
        }
        _ => Err(no_such("file", &path)),
    }
}

pub(crate) fn put_directory(call: &mut Call) -> Answer {
    let path = place(call)?;
    let (now, ids) = (call.now, &mut call.store.ids);
    let made = call.store.uc.storage.folders(&path, now, || ids.number());
    made.map_err(|at| Refusal::new(409, "ALREADY_EXISTS", format!("A file is in the way: {at}")))?;
    Reply::no_content()
}

pub(crate) fn delete_directory(call: &mut Call) -> Answer {
    let path = place(call)?;
    if is_root(&path) {
        return Err(Refusal::invalid("The root of a volume cannot be deleted"));
    }
    if !is_folder(call, &path) {
        return Err(no_such("directory", &path));
    }
    if !call.store.uc.storage.children(&path).is_empty() {
        return Err(Refusal::new(400, "DIRECTORY_NOT_EMPTY", format!("The directory is not empty: {path}")));
    }
    call.store.uc.storage.remove(&path);
    Reply::no_content()
}

pub(crate) fn list_directory(call: &mut Call) -> Answer {
    let path = place(call)?;
    if !is_folder(call, &path) {
        return Err(no_such("directory", &path));
    }
    if call.method == Method::HEAD {
        return Ok(Reply::bytes(Bytes::new()));
    }
    let entry = |(p, n): (&str, &crate::rehearsal::workspace::tree::Node)| -> Value {
        let mut doc = json!({"path": p, "name": base_name(p), "is_directory": n.what == What::Folder, "last_modified": n.modified});
        if let What::File(content) = &n.what {
            doc["file_size"] = json!(content.len());
        }
        doc
    };
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
