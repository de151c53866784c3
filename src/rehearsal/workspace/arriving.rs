//! What a request brings: JSON in memory, files as they stream; and what a bad line makes of a file's bytes.

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};

use super::call::Refusal;
use super::content::{Content, Spool};
use super::faults::FaultKind;
use super::links;

/// A request's body: gigabytes are not kept in memory.
pub(crate) enum Arriving {
    Whole(Bytes),
    Streamed(Body),
}

impl Arriving {
    /// Empty for a file: it is not looked at before it is stored.
    pub fn whole(&self) -> Bytes {
        match self {
            Arriving::Whole(bytes) => bytes.clone(),
            Arriving::Streamed(_) => Bytes::new(),
        }
    }

    pub fn into_body(self, fault: Option<&FaultKind>) -> Body {
        match self {
            Arriving::Whole(bytes) => Body::from(bytes),
            Arriving::Streamed(body) => damaged(body, fault),
        }
    }
}

pub(crate) fn brings_a_file(method: &Method, path: &str) -> bool {
    method == Method::PUT && (path.starts_with("/api/2.0/fs/files/") || path.starts_with(links::PREFIX))
}

pub(crate) async fn spooled(body: Body) -> Result<Content, Refusal> {
    let (mut spool, mut chunks) = (Spool::default(), body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::malformed("The body broke off"))?;
        spool.write(&chunk).map_err(Refusal::disk)?;
    }
    Ok(spool.finish())
}

/// With one byte changed, or ending early without an error; as it is for every other fault.
fn damaged(body: Body, fault: Option<&FaultKind>) -> Body {
    let (flip, cut) = match fault {
        Some(FaultKind::FlipByte { at }) => (Some(*at), u64::MAX),
        Some(FaultKind::CutBody { at }) => (None, *at),
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
pub(crate) fn damaged_reply(reply: Response, fault: &FaultKind) -> Response {
    let (mut parts, body) = reply.into_parts();
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if let (FaultKind::CutBody { at }, Some(length)) = (fault, length) {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length.min(*at)));
    }
    Response::from_parts(parts, damaged(body, Some(fault)))
}

/// Takes the file, says that it is stored, and does not store it.
pub(crate) async fn swallowed(body: Body) -> Response {
    match spooled(body).await {
        Ok(_) => (StatusCode::OK, [(header::ETAG, "\"swallowed\"")]).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}
