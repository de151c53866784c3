//! Makes links: the SDK asks with a query, MLflow with a JSON body.

use serde_json::{Value, json};

use super::objects;
use super::rules::{exists, writable};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::links::{Link, Verb};

/// Without an `expire_time`.
const MILLIS: i64 = 15 * 60 * 1000;

/// `POST /api/2.0/fs/create-download-url`.
pub(crate) fn download(call: &mut Call) -> Answer {
    let path = exists(call.store, &call.required("path")?)?;
    objects::stored(call.store, &path)?;
    Reply::json(signed(call, Verb::Get, &path, "", 0)?)
}

/// `POST /api/2.0/fs/create-upload-url`.
pub(crate) fn upload(call: &mut Call) -> Answer {
    let path = exists(call.store, &call.required("path")?)?;
    writable(call, &path)?;
    objects::vacant(call.store, &path, true)?;
    Reply::json(signed(call, Verb::Put, &path, "", 0)?)
}

/// `{url, headers}`, good until `expire_time`.
pub(crate) fn signed(call: &Call, verb: Verb, path: &str, session: &str, part: u32) -> Result<Value, Refusal> {
    let asked = call.value("expire_time").and_then(|t| t.parse::<jiff::Timestamp>().ok());
    let expires = asked.map_or(call.now + MILLIS, jiff::Timestamp::as_millisecond);
    let store = call.store.name.clone();
    let link = Link { verb, store, path: path.to_owned(), session: session.to_owned(), part, expires };
    let url = call.links.url(&link).ok_or_else(|| Refusal::invalid(format!("No link can be made to {path}")))?;
    Ok(json!({"url": url, "headers": []}))
}
