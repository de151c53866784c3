//! One model version's files, behind whichever route leads to them.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;

use crate::domain::{Failure, Reason, Secret};
use crate::ports::transfer::{Chunks, Incoming, TransferError};

/// A file by its path below the version, as listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileEntry {
    pub path: String,
    pub size: u64,
}

/// Why bytes did not arrive.
#[derive(Debug)]
pub enum BytesError {
    /// It may go well the next time: a line broke, a server was busy, a link or key had expired
    /// and is renewed.
    Again(Failure),
    Final(Failure),
}

impl BytesError {
    pub fn into_failure(self) -> Failure {
        match self {
            BytesError::Again(failure) | BytesError::Final(failure) => failure,
        }
    }
}

impl From<Failure> for BytesError {
    fn from(failure: Failure) -> Self {
        BytesError::Final(failure)
    }
}

/// How an upload wants a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In parts, in any order and again if need be; each but the last at least this long.
    Parts { least: u64, most_parts: u64 },
    /// In one piece from beginning to end.
    Stream,
    /// By itself, from a link to the source: nothing passes through us.
    Link { part: u64 },
}

#[async_trait]
pub trait Store: Send + Sync {
    /// For the log, such as `the Files API`.
    fn route(&self) -> &str;

    /// Every file, at any depth.
    async fn list(&self) -> Result<Vec<FileEntry>, Failure>;

    /// The bytes of a range; never empty.
    async fn read(&self, file: &FileEntry, range: Range<u64>) -> Result<Chunks, BytesError>;

    /// A small file, whole; an older one of that name is replaced.
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), BytesError>;

    /// Begins to write a big file; an older one of that name is replaced when it is finished.
    async fn begin(&self, file: &FileEntry) -> Result<Arc<dyn Upload>, BytesError>;

    async fn remove(&self, path: &str) -> Result<(), Failure>;

    /// Whether another store of the same cloud may fetch from this one by itself.
    fn gives_links(&self) -> bool {
        false
    }

    /// Storage did not fetch from storage: from now on bytes pass through us. Whether that is another way.
    fn gives_up_links(&self) -> bool {
        false
    }

    /// The address for that, with a signature in it.
    async fn link(&self, _: &FileEntry) -> Option<Secret> {
        None
    }
}

/// A big file on its way.
#[async_trait]
pub trait Upload: Send + Sync {
    fn way(&self) -> Way;

    /// Part `number`, from 1.
    async fn part(&self, number: u64, bytes: Bytes) -> Result<(), BytesError>;

    async fn stream(&self, length: u64, chunks: Chunks) -> Result<(), BytesError>;

    async fn part_from(&self, _: u64, _: &Secret, _: Range<u64>) -> Result<(), BytesError> {
        Err(BytesError::Final(Failure::new(Reason::Internal, "copy by link: this route cannot")))
    }

    async fn finish(&self) -> Result<(), BytesError>;

    /// Forgets what was sent. Not being able to only leaves something that expires.
    async fn abort(&self);
}

/// What a route's answer means. A refused link or key is worth another try: it is renewed meanwhile.
pub async fn judged(
    doing: impl Fn() -> String,
    answer: Result<Incoming, TransferError>,
) -> Result<Incoming, BytesError> {
    match answer {
        Ok(incoming) if incoming.is_good() => Ok(incoming),
        Ok(incoming) => {
            let status = incoming.status;
            let said = said(incoming.body).await;
            let failure = Failure::new(reason(status), doing()).because(format!("{said} ({status})"));
            Err(match status {
                400 | 404 | 405 | 409 | 411 | 412 | 413 | 416 | 501 if !is_expiry(&said) => {
                    BytesError::Final(failure.hint("run again; the copy goes on where it can"))
                }
                _ => BytesError::Again(failure.hint("run again: a finished copy is used, a half one is replaced")),
            })
        }
        Err(error) => {
            let failure = Failure::new(Reason::WorkspaceUnreachable, doing()).because(error);
            Err(BytesError::Again(
                failure.hint("the runner must reach the storage behind the workspace, not only the workspace"),
            ))
        }
    }
}

fn reason(status: u16) -> Reason {
    match status {
        401 | 403 => Reason::PermissionDenied,
        404 => Reason::NotFound,
        429 => Reason::RateLimited,
        _ => Reason::WorkspaceError,
    }
}

/// The words by which clouds say that a signature or a key is too old.
fn is_expiry(said: &str) -> bool {
    ["ExpiredToken", "Request has expired", "not valid in the specified time frame", "InvalidToken"]
        .iter()
        .any(|words| said.contains(words))
}

/// An error's message: of JSON the message, of XML the code and message, else its beginning. It
/// is foreign text and may repeat an address: whatever looks like one is dropped.
async fn said(mut body: Chunks) -> String {
    const MOST: usize = 4096;
    let mut text = Vec::new();
    while let Some(Ok(chunk)) = body.next().await {
        text.extend_from_slice(&chunk[..chunk.len().min(MOST - text.len())]);
        if text.len() >= MOST {
            break;
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text)
        && let Some(message) = json["message"].as_str()
    {
        return without_addresses(message);
    }
    let tag = |name: &str| {
        let from = text.find(&format!("<{name}>"))? + name.len() + 2;
        let to = from + text[from..].find(&format!("</{name}>"))?;
        Some(text[from..to].to_owned())
    };
    match (tag("Code"), tag("Message")) {
        (Some(code), Some(message)) => without_addresses(&format!("{code}: {message}")),
        _ if text.trim().is_empty() => "no message".to_owned(),
        _ => without_addresses(text.lines().next().unwrap_or_default()),
    }
}

fn without_addresses(text: &str) -> String {
    let words = text.split_whitespace().filter(|w| !w.contains("://") && !w.contains("sig") && !w.contains('?'));
    words.collect::<Vec<_>>().join(" ").chars().take(300).collect()
}
