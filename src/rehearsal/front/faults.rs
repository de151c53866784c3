//! The ways an exchange can go wrong, and the rules that say which one does: one vocabulary for
//! both stand-ins.
//!
//! A rule counts: it lets `skip` matching requests pass and breaks the next `times`. The first
//! rule that is due breaks a request, and only that rule counts it as broken. Rules are data
//! with the same names over HTTP, because clients in other languages and processes need them too.
//!
//! Before or after the request is applied is the whole point. An error status before means that
//! nothing happened; after, or a lost reply, that it did, and a client that just sends it again
//! makes two.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

/// One way an exchange goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// Answered with this status; nothing was applied.
    StatusBefore {
        status: u16,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
    },
    /// Applied, then answered with this status.
    StatusAfter {
        status: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
    },
    /// Applied and answered, after this many milliseconds.
    Delay { millis: u64 },
    /// Applied at once, answered after this many milliseconds.
    DelayAfter { millis: u64 },
    /// The connection is reset; nothing was applied.
    Reset,
    /// Applied; the connection is reset in place of the reply.
    LostReply,
    /// Applied; the reply breaks off in the middle of its JSON.
    MalformedBody,
    /// 429 with `retry-after` in seconds; nothing was applied.
    TooManyRequests { retry_after: u64 },
    /// One byte of the file that is sent or answered is another.
    FlipByte { at: u64 },
    /// The file that is sent or answered ends there, as if it were whole.
    CutBody { at: u64 },
    /// Answered as if the file were stored; it is not.
    Swallow,
    /// The bearer token of the request ends before it is looked at.
    TokenExpired,
    /// Never answered; nothing was applied.
    Hang,
}

impl Fault {
    /// A plain status in place of the reply; nothing was applied.
    pub fn status(status: u16) -> Self {
        Fault::StatusBefore { status, headers: BTreeMap::new(), body: None }
    }

    /// A plain status in place of the reply to what was applied.
    pub fn status_after(status: u16) -> Self {
        Fault::StatusAfter { status, body: None }
    }

    /// Whether the request reaches the stand-in's state.
    pub fn applies(&self) -> bool {
        let nothing =
            matches!(self, Fault::StatusBefore { .. } | Fault::Reset | Fault::TooManyRequests { .. } | Fault::Hang);
        !nothing && *self != Fault::Swallow
    }
}

/// Which requests a fault happens to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Any method when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path without its query, decoded; `*` stands for any run of characters, `/` too.
    pub path: String,
    /// So many matching requests pass first.
    #[serde(default)]
    pub skip: u32,
    /// So many are broken then; all of them when absent.
    #[serde(default = "once")]
    pub times: Option<u32>,
    pub fault: Fault,
}

// A nullable default: absent means once, `null` means always.
fn once() -> Option<u32> {
    Some(1)
}

impl Rule {
    /// Breaks the first matching request. The method `*` matches every method.
    pub fn on(method: &str, path: impl Into<String>, fault: Fault) -> Self {
        let method = (method != "*").then(|| method.to_owned());
        Rule { method, path: path.into(), skip: 0, times: once(), fault }
    }

    /// Lets so many matching requests pass first.
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Breaks so many.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Breaks every matching request.
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method)) && glob(&self.path, path)
    }
}

/// The rules in force, in the order they were added.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    delaying: Notify,
}

impl Faults {
    pub fn add(&self, rule: Rule) {
        self.lock().push(rule);
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What is left of the rules: a test that ends with a rule left has not reached it.
    pub fn pending(&self) -> Vec<Rule> {
        self.lock().iter().filter(|rule| rule.times != Some(0)).cloned().collect()
    }

    /// Waits until an answer is being delayed or withheld: the moment to kill who waits for it.
    pub async fn delaying(&self) {
        self.delaying.notified().await;
    }

    pub(super) fn delays(&self) {
        self.delaying.notify_one();
    }

    /// The fault that this request meets.
    pub(crate) fn next(&self, method: &str, path: &str) -> Option<Fault> {
        let mut rules = self.lock();
        for rule in rules.iter_mut().filter(|rule| rule.matches(method, path)) {
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            match &mut rule.times {
                None => return Some(rule.fault.clone()),
                Some(0) => continue,
                Some(left) => *left -= 1,
            }
            return Some(rule.fault.clone());
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).filter(|&at| tail.is_char_boundary(at)).any(|at| glob(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_skips_then_breaks_then_is_used_up() {
        let faults = Faults::default();
        faults.add(Rule::on("POST", "/repos/*/deployments", Fault::Reset).skip(1).times(2));
        let seen: Vec<bool> = (0..4).map(|_| faults.next("POST", "/repos/a/b/deployments").is_some()).collect();
        assert_eq!(seen, [false, true, true, false]);
        assert!(faults.pending().is_empty());
        assert_eq!(faults.next("GET", "/repos/a/b/deployments"), None);
    }

    #[test]
    fn a_rule_reads_as_json_and_breaks_once_unless_told_otherwise() {
        let rule: Rule =
            serde_json::from_str(r#"{"path": "/api/*", "fault": {"kind": "too-many-requests", "retry_after": 2}}"#)
                .unwrap();
        assert_eq!(rule, Rule::on("*", "/api/*", Fault::TooManyRequests { retry_after: 2 }));
        let always: Rule =
            serde_json::from_str(r#"{"path": "*", "times": null, "fault": {"kind": "lost-reply"}}"#).unwrap();
        assert_eq!(always.times, None);
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        assert!(glob("*", ""));
        assert!(glob("/a/*/c", "/a/b/b/c"));
        assert!(glob("*/import-file/*/deploy.lock", "/api/2.0/workspace-files/import-file/Users/a/b/deploy.lock"));
        assert!(!glob("/a/*/c", "/a/b/d"));
        assert!(!glob("/api/2.2/jobs/get", "/api/2.2/jobs/get-output"));
    }
}
