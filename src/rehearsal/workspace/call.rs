//! One request as an API function sees it, and what the function answers.

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::config::{Leniency, ModelFiles, Uploads};
use super::content::Content;
use super::identity::Principal;
use super::links::Links;
use super::store::Store;

pub(crate) type Answer = Result<Reply, Refusal>;

/// Everything a function under `api/` may know. It runs under the workspace's lock and must not wait.
pub(crate) struct Call<'a> {
    pub method: Method,
    /// Variables of the route, decoded.
    pub params: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The body of a request that brings a file, in place of `body`.
    pub content: Option<Content>,
    /// The JSON body; `{}` where there is none.
    pub json: Map<String, Value>,
    /// The parts of a `multipart/form-data` body.
    pub parts: Vec<(String, Bytes)>,
    pub who: Principal,
    pub store: &'a mut Store,
    pub now: i64,
    pub base_url: &'a str,
    pub links: &'a Links,
    pub model_files: &'a ModelFiles,
    pub leniency: Leniency,
    pub uploads: Uploads,
}

impl Call<'_> {
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v)
    }

    /// A wildcard at the end of a route, as an absolute path.
    pub fn rest(&self) -> String {
        format!("/{}", self.param("path").trim_start_matches('/'))
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub fn query_flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// A value that clients send in the query (GET) or in the body (POST), as text.
    pub fn value(&self, name: &str) -> Option<String> {
        if let Some(v) = self.query(name) {
            return Some(v.to_owned());
        }
        match self.json.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(s)) => Some(s.clone()),
            Some(other) => Some(other.to_string()),
        }
    }

    pub fn required(&self, name: &str) -> Result<String, Refusal> {
        self.value(name)
            .filter(|v| !v.is_empty())
            .ok_or_else(|| Refusal::invalid(format!("Missing required field: {name}")))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.value(name).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    pub fn take_json(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.json)
    }

    pub fn is_lenient(&self) -> bool {
        self.leniency == Leniency::Corpus
    }
}

pub(crate) struct Reply {
    pub status: StatusCode,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// In place of `body`, and sent as it is read.
    pub stored: Option<(Content, Range<u64>)>,
}

impl Reply {
    pub fn json(value: Value) -> Answer {
        Ok(Self {
            status: StatusCode::OK,
            headers: vec![("content-type", "application/json".into())],
            body: value.to_string().into(),
            stored: None,
        })
    }

    /// `{}`, which is how most actions answer.
    pub fn done() -> Answer {
        Self::json(json!({}))
    }

    pub fn no_content() -> Answer {
        Ok(Self { status: StatusCode::NO_CONTENT, headers: vec![], body: Bytes::new(), stored: None })
    }

    /// Some deletes of Unity Catalog answer with an empty body and 200.
    pub fn no_content_json() -> Answer {
        Ok(Self {
            status: StatusCode::OK,
            headers: vec![("content-type", "application/json".into())],
            body: Bytes::new(),
            stored: None,
        })
    }

    pub fn bytes(body: Bytes) -> Self {
        let headers = vec![("content-type", "application/octet-stream".into())];
        Self { status: StatusCode::OK, headers, body, stored: None }
    }

    pub fn stored(content: Content) -> Self {
        let end = content.len();
        Self::bytes(Bytes::new()).with("content-length", end.to_string()).part(content, 0..end)
    }

    /// A part of a stored file; the caller says how long it is.
    pub fn part(mut self, content: Content, range: Range<u64>) -> Self {
        self.stored = Some((content, range));
        self
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let body = match self.stored {
            None => Body::from(self.body),
            Some((content, range)) => Body::from_stream(content.stream(range)),
        };
        response.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

/// An error as Databricks writes it: `{"error_code": ..., "message": ...}`.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub details: Vec<Value>,
}

impl Refusal {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code, message: message.into(), details: vec![] }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_PARAMETER_VALUE", message)
    }

    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "MALFORMED_REQUEST", message)
    }

    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(404, "RESOURCE_DOES_NOT_EXIST", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "NOT_FOUND", message)
    }

    pub fn exists(message: impl Into<String>) -> Self {
        Self::new(400, "RESOURCE_ALREADY_EXISTS", message)
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "PERMISSION_DENIED", message)
    }

    /// The stand-in's own disk.
    pub fn disk(error: std::io::Error) -> Self {
        Self::new(500, "INTERNAL_ERROR", error.to_string())
    }

    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(401, "UNAUTHENTICATED", message)
    }

    /// The `google.rpc.ErrorInfo` that newer services attach.
    pub fn because(mut self, reason: &str) -> Self {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "databricks.com"
        }));
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        // An empty code is a real case: some refusals of workspace/import carry only a message.
        if !self.code.is_empty() {
            body.insert("error_code".into(), self.code.into());
        }
        body.insert("message".into(), self.message.into());
        if !self.details.is_empty() {
            body.insert("details".into(), self.details.into());
        }
        (self.status, [(header::CONTENT_TYPE, "application/json")], Value::Object(body).to_string()).into_response()
    }
}

/// Part of a list, as the paged APIs give it: the page, and the token of the next one.
pub(crate) fn page<T>(all: Vec<T>, token: Option<&str>, size: usize) -> Result<(Vec<T>, Option<String>), Refusal> {
    let from = match token.filter(|t| !t.is_empty()) {
        None => 0,
        Some(t) => t
            .strip_prefix("from-")
            .and_then(|n| n.parse::<usize>().ok())
            .ok_or_else(|| Refusal::invalid(format!("Invalid page token: {t}")))?,
    };
    let next = (size < all.len().saturating_sub(from)).then(|| format!("from-{}", from + size));
    Ok((all.into_iter().skip(from).take(size).collect(), next))
}
