//! Faults on demand: the n-th request that matches meets a bad day.
//!
//! Before or after the request is applied is the whole point. An error status before means that nothing happened; after,
//! or a lost reply, that it did, and a client that just sends it again makes two.

use std::sync::Mutex;

use axum::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What goes wrong, where, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// `POST`; any method if empty.
    #[serde(default)]
    pub method: String,
    /// A path in which `*` stands for anything; a pattern that begins with `*` matches inside.
    pub path: String,
    /// The first matching request that is hit, counted from 1.
    #[serde(default = "one")]
    pub nth: u32,
    /// How many matching requests are hit from then on.
    #[serde(default = "one")]
    pub times: u32,
    #[serde(flatten)]
    pub kind: FaultKind,
}

fn one() -> u32 {
    1
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Answered with this status; nothing is applied.
    Status {
        status: u16,
        #[serde(default)]
        body: Option<Value>,
    },
    /// Applied, but answered with this status.
    StatusAfter {
        status: u16,
        #[serde(default)]
        body: Option<Value>,
    },
    /// Applied and answered, late.
    Delay { millis: u64 },
    /// Applied at once, answered late.
    DelayAfter { millis: u64 },
    /// The connection is reset; nothing is applied.
    Reset,
    /// Applied; then the connection is reset.
    LostReply,
    /// Applied; the answer is cut in the middle, with a length that says so.
    MalformedBody,
    /// 429 with `Retry-After`; nothing is applied.
    TooManyRequests { retry_after: u64 },
    /// One byte of the file that is sent or answered is another.
    FlipByte { at: u64 },
    /// The file that is sent or answered ends there, as if it were whole.
    CutBody { at: u64 },
    /// Answered as if the file were stored; it is not.
    Swallow,
    /// The bearer token of the request expires before it is looked at.
    TokenExpired,
}

impl Fault {
    /// Hits the first request with that method and path.
    pub fn on(method: &str, path: &str, kind: FaultKind) -> Self {
        Self { method: method.into(), path: path.into(), nth: 1, times: 1, kind }
    }

    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

#[derive(Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Armed>>,
    /// Told whenever an answer is being delayed.
    pub delaying: tokio::sync::Notify,
}

struct Armed {
    fault: Fault,
    seen: u32,
}

impl Faults {
    pub fn arm(&self, fault: Fault) {
        self.lock().push(Armed { fault, seen: 0 });
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The fault that this request meets. Every matching fault counts it, the first one due is dealt.
    pub fn meet(&self, method: &Method, path: &str) -> Option<FaultKind> {
        let mut dealt = None;
        for armed in self.lock().iter_mut() {
            let fault = &armed.fault;
            let method_fits = fault.method.is_empty() || fault.method.eq_ignore_ascii_case(method.as_str());
            if !method_fits || !matches(&fault.path, path) {
                continue;
            }
            armed.seen += 1;
            let due = armed.seen >= fault.nth && armed.seen < fault.nth.saturating_add(fault.times);
            if due && dealt.is_none() {
                dealt = Some(fault.kind.clone());
            }
        }
        dealt
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Armed>> {
        self.armed.lock().expect("nothing panics while the list of faults is held")
    }
}

/// `*` stands for any run of characters, `/` too.
fn matches(pattern: &str, path: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(tail) = path.strip_prefix(head) else { return false };
    (0..=tail.len()).filter(|i| tail.is_char_boundary(*i)).any(|i| matches(rest, &tail[i..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("/api/2.2/jobs/*", "/api/2.2/jobs/create"));
        assert!(matches("*/import-file/*/deploy.lock", "/api/2.0/workspace-files/import-file/Users/a/b/deploy.lock"));
        assert!(!matches("/api/2.2/jobs/get", "/api/2.2/jobs/get-output"));
    }

    #[test]
    fn the_second_request_is_hit_once() {
        let faults = Faults::default();
        faults.arm(Fault::on("POST", "/x", FaultKind::Reset).nth(2));
        let hits: Vec<bool> = (0..4).map(|_| faults.meet(&Method::POST, "/x").is_some()).collect();
        assert_eq!(hits, [false, true, false, false]);
        assert!(faults.meet(&Method::GET, "/x").is_none());
    }
}
