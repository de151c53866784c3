//! What was asked and what was answered, in order of arrival.
//!
//! Credentials are not kept: a header that carries one says whose it was, as far as the stand-in
//! told (`Caller`). Bodies are kept up to a mebibyte, so that streaming a model of gigabytes
//! through a stand-in does not fill the memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use serde::Serialize;
use serde_json::Value;

use super::Fault;

/// Whose credentials a request carried; a stand-in leaves it in the reply's extensions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller(pub String);

/// A body as it was kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    Empty,
    Json(Value),
    Text(String),
    /// Bytes that are no text, or too many to keep.
    Bytes(Option<u64>),
}

impl Content {
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Content::Empty;
        }
        if let Ok(value) = serde_json::from_slice(bytes) {
            return Content::Json(value);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Bytes(Some(bytes.len() as u64)),
        }
    }

    pub fn json(&self) -> Option<&Value> {
        match self {
            Content::Json(value) => Some(value),
            _ => None,
        }
    }
}

/// One request and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// Counts from 1 in order of arrival.
    pub number: usize,
    pub method: String,
    /// As it was sent, without the query.
    pub path: String,
    pub query: Option<String>,
    /// Lower-case names; a credential is replaced by `***`.
    pub headers: BTreeMap<String, String>,
    pub body: Content,
    pub caller: Option<Caller>,
    pub fault: Option<Fault>,
    /// Whether the stand-in acted on it.
    pub applied: bool,
    /// None while there is no answer, or when there never was one.
    pub status: Option<u16>,
    pub reply_headers: BTreeMap<String, String>,
    pub reply: Content,
}

impl Exchange {
    /// `POST /repos/acme/churn/deployments`
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it asked for a change.
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

/// Two moments of a request at which a test may want to act, such as killing the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Arrived,
    Applied,
}

type Hook = Arc<dyn Fn(Moment, &Exchange) + Send + Sync>;

/// Every exchange so far.
#[derive(Default)]
pub struct Log {
    exchanges: Mutex<Vec<Exchange>>,
    arrived: AtomicUsize,
    changed: Condvar,
    hook: Mutex<Option<Hook>>,
}

impl Log {
    pub fn all(&self) -> Vec<Exchange> {
        self.lock().clone()
    }

    /// The requests as lines, for comparing.
    pub fn lines(&self) -> Vec<String> {
        self.lock().iter().map(Exchange::line).collect()
    }

    /// The requests that asked for a change.
    pub fn writes(&self) -> Vec<Exchange> {
        self.lock().iter().filter(|exchange| exchange.is_write()).cloned().collect()
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Calls `hook` on the stand-in's own thread at both moments of every request.
    pub fn watch(&self, hook: impl Fn(Moment, &Exchange) + Send + Sync + 'static) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
    }

    /// Blocks until an exchange satisfies `wanted`, or the time is up.
    pub fn wait_for(&self, limit: Duration, wanted: impl Fn(&Exchange) -> bool) -> Option<Exchange> {
        let deadline = Instant::now() + limit;
        let mut exchanges = self.lock();
        loop {
            if let Some(found) = exchanges.iter().find(|exchange| wanted(exchange)) {
                return Some(found.clone());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            exchanges = self.changed.wait_timeout(exchanges, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn arrive(&self, mut exchange: Exchange) -> usize {
        {
            let mut exchanges = self.lock();
            exchange.number = self.arrived.fetch_add(1, Ordering::Relaxed) + 1;
            exchanges.push(exchange.clone());
        }
        self.changed.notify_all();
        self.tell(Moment::Arrived, &exchange);
        exchange.number
    }

    pub(super) fn applied(&self, number: usize) {
        if let Some(exchange) = self.update(number, |exchange| exchange.applied = true) {
            self.tell(Moment::Applied, &exchange);
        }
    }

    // None when the log has been cleared since the request arrived.
    pub(super) fn update(&self, number: usize, change: impl FnOnce(&mut Exchange)) -> Option<Exchange> {
        let updated = {
            let mut exchanges = self.lock();
            let exchange = exchanges.iter_mut().rfind(|exchange| exchange.number == number)?;
            change(exchange);
            exchange.clone()
        };
        self.changed.notify_all();
        Some(updated)
    }

    fn tell(&self, moment: Moment, exchange: &Exchange) {
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hook) = hook {
            hook(moment, exchange);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn headers(map: &HeaderMap) -> BTreeMap<String, String> {
    map.iter()
        .map(|(name, value)| {
            let secret = name == header::AUTHORIZATION || name == header::COOKIE || name == header::SET_COOKIE;
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), if secret { "***".to_owned() } else { text })
        })
        .collect()
}
