//! Uploads in parts: begun, filled through links, and put in place whole or forgotten.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::objects;
use super::rules::{place, writable};
use super::urls;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::config::ModelFiles;
use crate::rehearsal::workspace::content::{Arena, Content, Piece};
use crate::rehearsal::workspace::links::Verb;
use crate::rehearsal::workspace::store::Store;

/// Every part but the last, as in S3.
const LEAST: u64 = 5 * 1024 * 1024;
const MOST_PARTS: u32 = 10_000;

/// An upload that is not complete.
#[derive(Clone)]
pub(crate) struct Upload {
    path: String,
    arena: Arena,
    parts: BTreeMap<u32, (String, Piece)>,
}

/// `POST /api/2.0/fs/files{path}?action=...`.
pub(crate) fn act(call: &mut Call) -> Answer {
    match call.query("action") {
        Some("initiate-upload") => initiate(call),
        Some("complete-upload") => complete(call),
        Some("abort-upload") => abort(call),
        other => Err(Refusal::invalid(format!("Unknown action: {}", other.unwrap_or("none")))),
    }
}

fn initiate(call: &mut Call) -> Answer {
    let path = place(call)?;
    writable(call, &path)?;
    objects::vacant(call.store, &path, call.query_flag("overwrite"))?;
    // Where there are no uploads in parts, the answer just does not speak of one.
    if *call.model_files != ModelFiles::FilesApi && path.starts_with("/Models/") {
        return Reply::done();
    }
    let token = call.store.ids.uuid();
    let arena = Arena::new().map_err(Refusal::disk)?;
    call.store.uploads.insert(token.clone(), Upload { path, arena, parts: BTreeMap::new() });
    Reply::json(json!({"multipart_upload": {"session_token": token}}))
}

/// `POST /api/2.0/fs/create-upload-part-urls`.
pub(crate) fn part_urls(call: &mut Call) -> Answer {
    let (path, session) = (call.required("path")?, call.required("session_token")?);
    let number = |name: &str| call.value(name).and_then(|v| v.parse::<u32>().ok());
    let (first, count) = (number("start_part_number").unwrap_or(1), number("count").unwrap_or(1).clamp(1, 100));
    let upload = find(call.store, &session)?;
    if upload.path != path {
        return Err(Refusal::invalid("The upload is of another file"));
    }
    writable(call, &path)?;
    if first == 0 || first.saturating_add(count - 1) > MOST_PARTS {
        return Err(Refusal::invalid(format!("A part number is between 1 and {MOST_PARTS}")));
    }
    let made: Result<Vec<Value>, Refusal> = (first..first + count)
        .map(|part| {
            let mut doc = urls::signed(call, Verb::Part, &path, &session, part)?;
            doc["part_number"] = json!(part);
            Ok(doc)
        })
        .collect();
    Reply::json(json!({"upload_part_urls": made?}))
}

fn complete(call: &mut Call) -> Answer {
    let path = place(call)?;
    writable(call, &path)?;
    let session = call.required("session_token")?;
    let upload = find(call.store, &session)?;
    if upload.path != path {
        return Err(Refusal::invalid("The upload is of another file"));
    }
    let mut pieces: Vec<Piece> = vec![];
    for (i, given) in call.json.get("parts").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let number = given["part_number"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
        if i > 0 && pieces[i - 1].len() < LEAST {
            return Err(Refusal::invalid(format!("Part {i} is smaller than the least allowed size")));
        }
        match upload.parts.get(&number) {
            Some((etag, piece)) if given["etag"] == etag.as_str() && number as usize == i + 1 => {
                pieces.push(piece.clone());
            }
            _ => return Err(Refusal::invalid(format!("Part {number} is missing, out of order or has another ETag"))),
        }
    }
    if pieces.is_empty() {
        return Err(Refusal::invalid("An upload has at least one part"));
    }
    call.store.uploads.remove(&session);
    objects::store(call.store, &path, Content::joined(pieces), call.now)?;
    Reply::done()
}

fn abort(call: &mut Call) -> Answer {
    let session = call.required("session_token")?;
    find(call.store, &session)?;
    call.store.uploads.remove(&session);
    // An answer without content would be an error to the SDK.
    Reply::done()
}

fn find<'a>(store: &'a Store, session: &str) -> Result<&'a Upload, Refusal> {
    store.uploads.get(session).ok_or_else(|| Refusal::not_found("The upload session does not exist"))
}

pub(crate) fn reserve(store: &Store, session: &str, length: u64) -> Result<Piece, Refusal> {
    find(store, session)?.arena.reserve(length).map_err(Refusal::disk)
}

/// Keeps a part; one that was there under its number is forgotten.
pub(crate) fn keep(store: &mut Store, session: &str, part: u32, piece: Piece) -> Result<String, Refusal> {
    let etag = format!("\"{}\"", store.ids.uuid());
    let upload = store.uploads.get_mut(session);
    let upload = upload.ok_or_else(|| Refusal::not_found("The upload session does not exist"))?;
    upload.parts.insert(part, (etag.clone(), piece));
    Ok(etag)
}
