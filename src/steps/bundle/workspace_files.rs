//! Files of the workspace: look, read, write, delete.
//!
//! There are two upload routes. The multipart import is the one that will stay; the older
//! one writes to an address made from the path. Which of them a workspace knows shows only
//! when it is tried, and a refusal does not say clearly that the route is unknown (400, 404,
//! 500 and 501 were all seen). So a refused first upload is tried by the other route, and
//! the answer that succeeds settles the route for the rest of the run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::bundle::source::clean;
use crate::ports::{Body, Method, Part, Request, Rest, RestError};

/// How files are uploaded. A compatibility setting: programs of version 1.20 and older of
/// the official command know only the older route, newer ones only the multipart import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadRoute {
    Multipart,
    ImportFile,
}

impl UploadRoute {
    fn other(self) -> Self {
        match self {
            UploadRoute::Multipart => UploadRoute::ImportFile,
            UploadRoute::ImportFile => UploadRoute::Multipart,
        }
    }
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub path: String,
    /// `FILE`, `NOTEBOOK`, `DIRECTORY`, `REPO`.
    pub kind: String,
    pub id: i64,
    /// Milliseconds since 1970, where the workspace says so.
    pub modified_at: Option<i64>,
    pub size: Option<i64>,
}

#[derive(Debug)]
pub enum WriteError {
    /// Something lies there already, in any of the four forms in which a workspace says so.
    Exists,
    NoParent(RestError),
    Rest(RestError),
}

/// Whether something may lie at the path already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    Yes,
    No,
}

const UNSETTLED: u8 = 0;
const MULTIPART: u8 = 1;
const IMPORT_FILE: u8 = 2;

/// The files of one workspace.
#[derive(Clone)]
pub struct WorkspaceFiles {
    rest: Arc<dyn Rest>,
    preferred: UploadRoute,
    settled: Arc<AtomicU8>,
    /// Folders of our own that are made.
    made: Arc<Mutex<BTreeSet<String>>>,
}

impl WorkspaceFiles {
    pub fn new(rest: Arc<dyn Rest>, preferred: UploadRoute) -> Self {
        Self { rest, preferred, settled: Arc::new(AtomicU8::new(UNSETTLED)), made: Arc::default() }
    }

    pub fn rest(&self) -> &dyn Rest {
        self.rest.as_ref()
    }

    pub async fn stat(&self, path: &str) -> Result<Option<Object>, RestError> {
        let request = Request::get("/api/2.0/workspace/get-status").query("path", clean(path));
        match self.rest.call(request).await {
            Ok(reply) => Ok(Some(object(&reply.json()?)?)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The bytes of a file; none where there is nothing.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>, RestError> {
        let request =
            Request::get("/api/2.0/workspace/export").query("path", clean(path)).query("direct_download", "true");
        match self.rest.call(request).await {
            Ok(reply) => Ok(Some(reply.body)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What lies in a folder; none where there is no such folder.
    pub async fn list(&self, folder: &str) -> Result<Option<Vec<Object>>, RestError> {
        let request = Request::get("/api/2.0/workspace/list").query("path", clean(folder));
        let reply = match self.rest.call(request).await {
            Ok(reply) => reply.json()?,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let objects = reply.get("objects").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        objects.iter().map(object).collect::<Result<_, _>>().map(Some)
    }

    pub async fn mkdirs(&self, path: &str) -> Result<(), RestError> {
        let request = Request::post("/api/2.0/workspace/mkdirs", json!({"path": addressed(path)})).repeatable();
        self.rest.call(request).await.map(drop)
    }

    /// Deleting what is not there is no error; says whether something was.
    pub async fn delete(&self, path: &str, recursive: bool) -> Result<bool, RestError> {
        let path = addressed(path);
        let body = if recursive { json!({"path": path, "recursive": true}) } else { json!({"path": path}) };
        match self.rest.call(Request::post("/api/2.0/workspace/delete", body).repeatable()).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes a file, making its folder when that is missing.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<(), RestError> {
        match self.write_making_folder(path, bytes, Overwrite::Yes).await {
            Ok(()) => Ok(()),
            Err(WriteError::NoParent(error) | WriteError::Rest(error)) => Err(error),
            // An object of another sort lies there: a notebook where a file is to be.
            Err(WriteError::Exists) => Err(RestError::Status {
                status: 400,
                error_code: "RESOURCE_ALREADY_EXISTS".to_owned(),
                message: format!("{path} already exists and is not a file"),
                details: Value::Null,
            }),
        }
    }

    /// Writes into a folder that is this run's own: made once, and before the first of many writes at the same time.
    pub async fn put_into_own_folder(&self, path: &str, bytes: Bytes) -> Result<(), RestError> {
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let mut made = self.made.lock().await;
        if !made.contains(folder) {
            self.mkdirs(folder).await?;
            made.insert(folder.to_owned());
        }
        drop(made);
        self.put(path, bytes).await
    }

    pub async fn write_making_folder(&self, path: &str, bytes: Bytes, overwrite: Overwrite) -> Result<(), WriteError> {
        match self.write(path, bytes.clone(), overwrite).await {
            Err(WriteError::NoParent(_)) => {
                let path = clean(path);
                let folder = path.rfind('/').map_or("/", |at| &path[..at.max(1)]);
                self.mkdirs(folder).await.map_err(WriteError::Rest)?;
                self.write(&path, bytes, overwrite).await
            }
            other => other,
        }
    }

    /// Writes a file whose folder is there.
    pub async fn write(&self, path: &str, bytes: Bytes, overwrite: Overwrite) -> Result<(), WriteError> {
        let path = &clean(path);
        let settled = match self.settled.load(Ordering::Relaxed) {
            MULTIPART => Some(UploadRoute::Multipart),
            IMPORT_FILE => Some(UploadRoute::ImportFile),
            _ => None,
        };
        let route = settled.unwrap_or(self.preferred);
        let first = self.send(route, path, bytes.clone(), overwrite).await;
        let error = match first {
            Ok(()) => {
                self.settle(route);
                return Ok(());
            }
            Err(error) => error,
        };
        if settled.is_some() || !may_be_unknown_route(&error) {
            return Err(sort(error));
        }
        match self.send(route.other(), path, bytes, overwrite).await {
            Ok(()) => {
                self.settle(route.other());
                Ok(())
            }
            // The other route says no more clearly what is wrong: believe the first answer,
            // unless the second is one that only a known route gives.
            Err(second) => match sort(second) {
                WriteError::Exists => {
                    self.settle(route.other());
                    Err(WriteError::Exists)
                }
                WriteError::NoParent(second) => Err(WriteError::NoParent(second)),
                WriteError::Rest(_) => Err(sort(error)),
            },
        }
    }

    fn settle(&self, route: UploadRoute) {
        let value = match route {
            UploadRoute::Multipart => MULTIPART,
            UploadRoute::ImportFile => IMPORT_FILE,
        };
        self.settled.store(value, Ordering::Relaxed);
    }

    async fn send(&self, route: UploadRoute, path: &str, bytes: Bytes, overwrite: Overwrite) -> Result<(), RestError> {
        let yes = overwrite == Overwrite::Yes;
        let mut request = match route {
            UploadRoute::ImportFile => {
                let address = format!("/api/2.0/workspace-files/import-file/{}", escape(path.trim_start_matches('/')));
                let mut request = Request::new(Method::Post, address).query("overwrite", yes.to_string());
                request.body = Body::Bytes(bytes);
                request
            }
            UploadRoute::Multipart => {
                let mut request = Request::new(Method::Post, "/api/2.0/workspace/import");
                request.body = Body::Multipart(form(path, bytes, yes));
                request
            }
        };
        // A repeated write of the same bytes is harmless; a repeated "only if absent" would
        // find its own first try.
        request.repeatable = yes;
        request.timeout = Some(Duration::from_secs(300));
        self.rest.call(request).await.map(drop)
    }
}

/// A folder keeps the slash at its end, where somebody wrote one.
fn addressed(path: &str) -> String {
    let cleaned = clean(path);
    if path.len() > 1 && path.ends_with('/') { cleaned + "/" } else { cleaned }
}

fn form(path: &str, bytes: Bytes, overwrite: bool) -> Vec<Part> {
    let text = |name: &str, value: &str| Part {
        name: name.to_owned(),
        filename: None,
        bytes: Bytes::copy_from_slice(value.as_bytes()),
    };
    let content = Part { name: "content".to_owned(), filename: Some("content".to_owned()), bytes };
    let mut parts = vec![text("path", path), content, text("format", "AUTO")];
    if overwrite {
        parts.push(text("overwrite", "true"));
    }
    parts
}

/// An answer that a workspace gives to a route that it does not know, or may give.
fn may_be_unknown_route(error: &RestError) -> bool {
    let RestError::Status { status, error_code, message, .. } = error else { return false };
    if exists(error) || is_missing_parent(error) {
        return false;
    }
    match status {
        401 | 403 | 409 | 429 => false,
        404 => error_code != "RESOURCE_DOES_NOT_EXIST" || message.contains("No API found"),
        _ => true,
    }
}

fn is_missing_parent(error: &RestError) -> bool {
    match error {
        RestError::Status { status: 404, error_code, message, .. } => {
            error_code != "ENDPOINT_NOT_FOUND" && !message.contains("No API found") && !message.contains("No stub")
        }
        _ => false,
    }
}

/// The four forms of "exists".
fn exists(error: &RestError) -> bool {
    let RestError::Status { status, error_code, message, details } = error else { return false };
    match status {
        409 => true,
        400 => {
            error_code == "RESOURCE_ALREADY_EXISTS"
                || message.contains("already exists.")
                || details.to_string().contains("WORKSPACE_OBJECT_TYPE_MISMATCH")
                || message.contains("type mismatch")
                || message.contains("is different from the existing node type")
        }
        _ => false,
    }
}

fn sort(error: RestError) -> WriteError {
    if exists(&error) {
        WriteError::Exists
    } else if is_missing_parent(&error) {
        WriteError::NoParent(error)
    } else {
        WriteError::Rest(error)
    }
}

fn object(value: &Value) -> Result<Object, RestError> {
    let kind = value.get("object_type").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| RestError::Malformed("an object without `object_type`".to_owned()))?;
    Ok(Object {
        path: value.get("path").and_then(Value::as_str).unwrap_or_default().to_owned(),
        kind: kind.to_owned(),
        id: value.get("object_id").and_then(Value::as_i64).unwrap_or_default(),
        modified_at: value.get("modified_at").and_then(Value::as_i64),
        size: value.get("size").and_then(Value::as_i64),
    })
}

/// Percent-encodes what a path segment may not hold; `/` stays.
pub fn escape(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, code: &str, message: &str) -> RestError {
        RestError::Status { status, error_code: code.to_owned(), message: message.to_owned(), details: Value::Null }
    }

    #[test]
    fn a_workspace_says_in_four_ways_that_something_is_there() {
        assert!(exists(&status(400, "RESOURCE_ALREADY_EXISTS", "")));
        assert!(exists(&status(409, "", "")));
        assert!(exists(&status(400, "", "Path (/a) already exists.")));
        assert!(exists(&status(
            400,
            "INVALID_PARAMETER_VALUE",
            "The node type is different from the existing node type"
        )));
        assert!(!exists(&status(400, "INVALID_PARAMETER_VALUE", "bad path")));
        assert!(!exists(&status(404, "", "")));
    }

    #[test]
    fn a_missing_folder_is_not_an_unknown_route() {
        let folder = status(404, "RESOURCE_DOES_NOT_EXIST", "The parent folder (/a) does not exist.");
        assert!(is_missing_parent(&folder) && !may_be_unknown_route(&folder));
        let route = status(404, "ENDPOINT_NOT_FOUND", "No API found for 'POST /workspace/import'");
        assert!(!is_missing_parent(&route) && may_be_unknown_route(&route));
        assert!(may_be_unknown_route(&status(501, "NOT_IMPLEMENTED", "")));
        assert!(!may_be_unknown_route(&status(403, "PERMISSION_DENIED", "")));
    }

    #[test]
    fn names_are_escaped_and_folders_kept() {
        assert_eq!(escape("/Workspace/u@x/a b#?%.txt"), "/Workspace/u@x/a%20b%23%3F%25.txt");
    }
}
