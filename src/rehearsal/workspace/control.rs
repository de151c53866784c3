//! The handle of a running stand-in: what a test may look at and turn that a client may not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::request::Parts;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::api::files::objects;
use super::config::Identity;
use super::content::Content;
use super::dump;
use super::identity::{Issued, Principal};
use super::serve::Server;
use super::served::{Answer, Build};
use super::store::Store;
use super::tasks::{Outcome, Training};
use crate::rehearsal::front::{Faults, Rule};

/// Cheap to clone.
#[derive(Clone)]
pub struct Control {
    server: Arc<Server>,
}

/// A workspace at one moment.
pub struct Memory(Store);

/// One request, as the log keeps it.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    /// JSON as sent; otherwise size and digest.
    pub body: Value,
    /// 0 while it is being answered, and for a connection that was cut before anything was applied.
    pub status: u16,
    pub principal: Option<String>,
}

impl Seen {
    pub fn is_write(&self) -> bool {
        self.method != "GET" && self.method != "HEAD"
    }
}

#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<Seen>>);

impl Log {
    pub fn begin(&self, head: &Parts, body: &Bytes) -> usize {
        let seen = Seen {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: summary(body),
            status: 0,
            principal: None,
        };
        let mut log = self.lock();
        log.push(seen);
        log.len() - 1
    }

    pub fn end(&self, index: usize, status: u16, principal: Option<String>) {
        // The log may have been cleared while the request was answered.
        if let Some(seen) = self.lock().get_mut(index) {
            seen.status = status;
            seen.principal = principal.or(seen.principal.take());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A token request holds an ID token: it is not kept.
fn summary(body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let digest: String = Sha256::digest(body).iter().map(|b| format!("{b:02x}")).collect();
        serde_json::json!({"bytes": body.len(), "sha256": digest})
    })
}

impl Control {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self { server }
    }

    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Every request since the start or the last `forget_requests`, in order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.server.log.lock().clone()
    }

    pub fn forget_requests(&self) {
        self.server.log.lock().clear();
    }

    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    pub fn fail(&self, rule: Rule) {
        self.server.faults.add(rule);
    }

    /// Moves the stand-in's clock; tokens expire by it.
    pub fn advance(&self, by: Duration) {
        self.server.clock.advance(by);
    }

    /// The whole state as JSON with sorted keys, file contents as digests.
    pub fn dump(&self) -> Value {
        self.server.look(dump::exact)
    }

    /// The state without what differs between two runs that did the same: times, ids, who touched it last.
    pub fn settled(&self) -> Value {
        self.server.look(dump::settled)
    }

    /// A token without the exchange, for a test that is not about identity. `None` in a workspace per token,
    /// where any word is a token, and for a principal that is not known.
    pub fn token_for(&self, user_name: &str) -> Option<String> {
        let Identity::Federated(federation) = &self.server.config.identity else { return None };
        let principal = federation.principals.iter().find(|(p, _)| p.user_name == user_name)?.0.clone();
        let token = format!("standin.{}", uuid::Uuid::new_v4().simple());
        self.issue(principal, token.clone(), i64::MAX);
        Some(token)
    }

    pub(crate) fn issue(&self, principal: Principal, token: String, expires: i64) {
        self.server.issued().push(Issued { token, principal, expires });
    }

    /// Puts a file behind the clients' backs: under `/Volumes` or `/Models`, also of a version that is READY.
    pub fn put_file(&self, token: &str, path: &str, kind: PutFile) -> Result<(), String> {
        let name = self.server.store_name(token);
        self.server.with_store(&name, |store, now| {
            let was = objects::stored(store, path).map(|(content, _)| content);
            let content = match kind {
                PutFile::Text(text) => Bytes::from(text).into(),
                PutFile::Sparse(size) => Content::sparse(size, path).map_err(|e| e.to_string())?,
                PutFile::Flip(at) => was.map_err(|r| r.message)?.flipped(at).map_err(|e| e.to_string())?,
                PutFile::Remove => {
                    store.uc.storage.remove(path);
                    return Ok(());
                }
            };
            objects::store(store, path, content, now).map_err(|r| r.message)
        })
    }

    /// How a task ends when tasks are scripted: `job` is the job's name, `task` its key, `*` for any.
    pub fn script(&self, job: &str, task: &str, outcome: Outcome) {
        self.server.config.tasks.script(job, task, outcome);
    }

    /// Scripted runs go on from now, however often they are looked at.
    pub fn hold_runs(&self) {
        self.server.with_only(|store| store.runs.held = true);
    }

    /// Held runs end the next time that they are looked at.
    pub fn let_runs_end(&self) {
        self.server.with_only(|store| store.runs.held = false);
    }

    /// What scripted runs of a job leave from now on, which otherwise leave nothing.
    pub fn trains(&self, job: &str, training: Training) {
        self.server.with_only(|store| store.runs.trainings.insert(job.to_owned(), training));
    }

    /// The workspace as it is, to come back to.
    pub fn remember(&self) -> Memory {
        Memory(self.server.with_only(|store| store.clone()))
    }

    /// As it was, with the metastore that it shares. Tokens and the clock stay.
    pub fn rewind(&self, to: &Memory) {
        self.server.with_only(|store| store.clone_from(&to.0));
    }

    /// How the next updates of an endpoint go, one after the other; the last goes on for good.
    pub fn builds(&self, endpoint: &str, builds: Vec<Build>) {
        self.server.with_only(|store| store.served.script_builds(endpoint, builds));
    }

    /// How a served model answers from now on.
    pub fn answers(&self, model: &str, version: u64, answer: Answer) {
        self.server.with_only(|store| store.served.script_answer(&format!("{model}/{version}"), answer));
    }
}

/// What is done to a file behind the clients' backs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PutFile {
    Text(String),
    /// Of that many bytes, most of them zero, no two megabytes the same.
    Sparse(u64),
    /// The byte at this place is another.
    Flip(u64),
    Remove,
}

/// The same over HTTP, for a stand-in in another process: faults, log, dump, clock, scripted tasks.
pub(crate) fn admin() -> Router<Arc<Server>> {
    let with = |State(server): State<Arc<Server>>| Control::new(server);
    Router::new()
        .route("/__standin/requests", get(move |s| async move { Json(with(s).requests()) }))
        .route("/__standin/requests", delete(move |s| async move { with(s).forget_requests() }))
        .route("/__standin/faults", post(move |s, Json(rule): Json<Rule>| async move { with(s).fail(rule) }))
        .route("/__standin/faults", delete(move |s| async move { with(s).faults().clear() }))
        .route("/__standin/dump", get(move |s| async move { Json(with(s).dump()) }))
        .route("/__standin/settled", get(move |s| async move { Json(with(s).settled()) }))
        .route(
            "/__standin/file",
            post(move |s, Json(File { token, path, kind }): Json<File>| async move {
                let done = with(s).put_file(&token, &path, kind);
                done.map_err(|message| (axum::http::StatusCode::BAD_REQUEST, message))
            }),
        )
        .route(
            "/__standin/clock",
            post(move |s, Json(by): Json<Advance>| async move { with(s).advance(Duration::from_secs(by.seconds)) }),
        )
        .route(
            "/__standin/script",
            post(move |s, Json(line): Json<Line>| async move { with(s).script(&line.job, &line.task, line.outcome) }),
        )
}

#[derive(Deserialize)]
struct File {
    token: String,
    path: String,
    #[serde(flatten)]
    kind: PutFile,
}

#[derive(Deserialize)]
struct Advance {
    seconds: u64,
}

#[derive(Deserialize)]
struct Line {
    job: String,
    task: String,
    outcome: Outcome,
}
