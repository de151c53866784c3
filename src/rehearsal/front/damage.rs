//! What a bad line, or a bad middle box, makes of a body.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_LENGTH, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures::{StreamExt, TryStreamExt};

use super::Fault;

/// With one byte changed, or ending early without an error; as it is for every other fault.
pub(super) fn of_body(body: Body, fault: &Fault) -> Body {
    let (flip, cut) = match fault {
        Fault::FlipByte { at } => (Some(*at), u64::MAX),
        Fault::CutBody { at } => (None, *at),
        _ => return body,
    };
    let mut passed: u64 = 0;
    let chunks = body.into_data_stream().map_ok(move |chunk| {
        let from = passed;
        passed += chunk.len() as u64;
        let keep = usize::try_from(cut.saturating_sub(from)).unwrap_or(usize::MAX).min(chunk.len());
        let mut chunk = BytesMut::from(&chunk[..keep]);
        if let Some(byte) = flip.and_then(|at| chunk.get_mut(usize::try_from(at.checked_sub(from)?).ok()?)) {
            *byte ^= 1;
        }
        chunk.freeze()
    });
    Body::from_stream(chunks)
}

/// The same for an answer. What says how long it is says so of what is left.
pub(super) fn of_reply(reply: Response, fault: &Fault) -> Response {
    let (mut parts, body) = reply.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if let (Fault::CutBody { at }, Some(length)) = (fault, length) {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length.min(*at)));
    }
    Response::from_parts(parts, of_body(body, fault))
}

/// Takes the file, says that it is stored, and does not store it.
pub(super) async fn swallowed(body: Body) -> Response {
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        if chunk.is_err() {
            return StatusCode::BAD_REQUEST.into_response();
        }
    }
    (StatusCode::OK, [(ETAG, "\"swallowed\"")]).into_response()
}

/// Half of the body, well-formed as HTTP: what a broken middle box makes of JSON.
pub(super) async fn halved(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(CONTENT_LENGTH);
    let cut = if bytes.len() > 1 { bytes.slice(..bytes.len() / 2) } else { "{\"".into() };
    Response::from_parts(parts, Body::from(cut))
}
