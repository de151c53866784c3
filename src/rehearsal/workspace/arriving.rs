//! What a request brings: JSON in memory, files as they stream.

use axum::body::Body;
use axum::http::Method;
use bytes::Bytes;
use futures::StreamExt;

use super::call::Refusal;
use super::content::{Content, Spool};
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

    pub fn into_body(self) -> Body {
        match self {
            Arriving::Whole(bytes) => Body::from(bytes),
            Arriving::Streamed(body) => body,
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
