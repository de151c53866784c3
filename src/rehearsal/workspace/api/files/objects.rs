//! One file: written whole, read whole or in ranges.

use std::ops::Range;

use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::Bytes;

use super::rules::{is_folder, no_such, place, writable};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::content::Content;
use crate::rehearsal::workspace::store::Store;
use crate::rehearsal::workspace::tree::{What, parent};

const LIMIT: u64 = 5 * 1024 * 1024 * 1024;

pub(crate) fn put(call: &mut Call) -> Answer {
    let path = place(call)?;
    writable(call, &path)?;
    let content = call.content.take().unwrap_or_else(|| Bytes::new().into());
    if content.len() > LIMIT {
        return Err(Refusal::new(413, "INVALID_PARAMETER_VALUE", "A file may have at most 5 GiB"));
    }
    vacant(call.store, &path, call.query_flag("overwrite"))?;
    store(call.store, &path, content, call.now)?;
    Reply::no_content()
}

/// Refuses a path that is taken. Nobody makes the folders of a volume before its files.
pub(crate) fn vacant(store: &Store, path: &str, overwrite: bool) -> Result<(), Refusal> {
    if is_folder(store, path) {
        return Err(Refusal::invalid(format!("{path} is a directory")));
    }
    if store.uc.storage.get(path).is_some() && !overwrite {
        return Err(Refusal::new(409, "ALREADY_EXISTS", format!("The file being created already exists: {path}")));
    }
    Ok(())
}

/// Puts it there, with the folders around it.
pub(crate) fn store(store: &mut Store, path: &str, content: Content, now: i64) -> Result<(), Refusal> {
    let ids = &mut store.ids;
    let made = store.uc.storage.folders(parent(path), now, || ids.number());
    made.map_err(|at| Refusal::new(409, "ALREADY_EXISTS", format!("A file is in the way: {at}")))?;
    let id = store.ids.number();
    store.uc.storage.put(path, What::File(content), id, now);
    Ok(())
}

/// A file's bytes and when they were written.
pub(crate) fn stored(store: &Store, path: &str) -> Result<(Content, i64), Refusal> {
    match store.uc.storage.get(path).map(|n| (&n.what, n.modified)) {
        Some((What::File(content), modified)) => Ok((content.clone(), modified)),
        _ => Err(no_such("file", path)),
    }
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let path = place(call)?;
    let (content, modified) = stored(call.store, &path)?;
    if call.method == Method::HEAD {
        // hyper takes the length of a HEAD answer from this header, the body being empty.
        let reply = Reply::bytes(Bytes::new()).with("last-modified", http_date(modified));
        return Ok(reply.with("content-length", content.len().to_string()));
    }
    answer(content, modified, &call.headers)
}

/// The file, or the range that was asked for.
pub(crate) fn answer(content: Content, modified: i64, headers: &HeaderMap) -> Answer {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let since = text(header::IF_UNMODIFIED_SINCE).and_then(seconds);
    if since.is_some_and(|since| modified / 1000 > since) {
        return Err(Refusal::new(412, "FAILED_PRECONDITION", "The file has been modified since"));
    }
    let date = http_date(modified);
    let Some(range) = text(header::RANGE) else { return Ok(Reply::stored(content).with("last-modified", date)) };
    let length = content.len();
    let Some(Range { start, end }) = part_of(range, length) else {
        return Err(Refusal::new(416, "INVALID_PARAMETER_VALUE", format!("The range {range} is not in the file")));
    };
    let mut reply = Reply::bytes(Bytes::new()).with("last-modified", date).part(content, start..end);
    reply.status = StatusCode::PARTIAL_CONTENT;
    let reply = reply.with("content-length", (end - start).to_string());
    Ok(reply.with("content-range", format!("bytes {start}-{}/{length}", end - 1)))
}

fn http_date(millis: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

fn seconds(date: &str) -> Option<i64> {
    Some(jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?.as_second())
}

/// `bytes=FROM-[TO]`.
fn part_of(range: &str, length: u64) -> Option<Range<u64>> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let from: u64 = from.parse().ok()?;
    let to = if to.is_empty() { length } else { to.parse::<u64>().ok()? + 1 };
    (from < length && from < to).then(|| from..to.min(length))
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let path = place(call)?;
    writable(call, &path)?;
    stored(call.store, &path)?;
    call.store.uc.storage.remove(&path);
    Reply::no_content()
}
