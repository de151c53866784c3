//! Bytes that are too many for memory: bodies as streams, to the workspace or to a cloud's storage.
//!
//! One request, one answer, nothing repeated: only whoever holds the bytes knows whether they can be sent again. A
//! link or a signature stands in an address here, so addresses are secrets.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::rest::Method;
use crate::domain::Secret;

/// A body as it comes.
pub type Chunks = BoxStream<'static, Result<Bytes, TransferError>>;

#[derive(Clone, Debug)]
pub enum Place {
    /// A path of the workspace, percent-encoded; our token goes along.
    Workspace(String),
    /// A whole address that carries what it needs; our token goes nowhere else.
    Signed(Secret),
}

pub enum Payload {
    None,
    Bytes(Bytes),
    /// Of exactly this length.
    Stream(u64, Chunks),
}

pub struct Outgoing {
    pub method: Method,
    pub place: Place,
    pub headers: Vec<(String, String)>,
    pub payload: Payload,
}

impl Outgoing {
    pub fn new(method: Method, place: Place) -> Self {
        Self { method, place, headers: Vec::new(), payload: Payload::None }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }
}

/// An answer, whatever its status; the body is still to come.
pub struct Incoming {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Chunks,
}

impl Incoming {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// No answer, or none to the end. Addresses are not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferError {
    NotSent(String),
    Lost(String),
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransferError::NotSent(why) => write!(f, "the request was not sent: {why}"),
            TransferError::Lost(why) => write!(f, "the answer broke off: {why}"),
        }
    }
}

impl std::error::Error for TransferError {}

/// Addresses that stand in for the clouds' own: a private endpoint, another server with the same interface.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    pub s3: Option<String>,
    pub s3_region: Option<String>,
    pub azure: Option<String>,
    pub gcs: Option<String>,
}

#[async_trait]
pub trait Transfer: Send + Sync {
    async fn send(&self, request: Outgoing) -> Result<Incoming, TransferError>;

    fn endpoints(&self) -> &Endpoints;
}
