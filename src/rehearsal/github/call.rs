//! One request as a function under `api/` sees it, and what the function answers.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::access::Grant;
use super::state::State;

const DOCUMENTATION: &str = "https://docs.github.com/rest";

pub(super) type Answer = Result<Reply, Refusal>;

/// Runs under the state's lock and must not wait.
pub(super) struct Call<'a> {
    /// Variables of the route, decoded.
    pub params: BTreeMap<String, String>,
    pub query: BTreeMap<String, String>,
    /// The path as it was asked for, for the links to other pages.
    pub path: String,
    pub body: Bytes,
    pub who: Grant,
    pub state: &'a mut State,
}

impl Call<'_> {
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// A number in the path; what is no number names nothing.
    pub fn id(&self, name: &str) -> Result<u64, Refusal> {
        self.param(name).parse().map_err(|_| Refusal::not_found())
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub fn json(&self) -> Result<Map<String, Value>, Refusal> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(Refusal::new(400, "Body should be a JSON object")),
            Err(_) => Err(Refusal::new(400, "Problems parsing JSON")),
        }
    }
}

pub(super) struct Reply {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, String)>,
    pub body: Option<Value>,
}

impl Reply {
    pub fn ok(body: Value) -> Answer {
        Ok(Reply { status: StatusCode::OK, headers: Vec::new(), body: Some(body) })
    }

    /// 201, with the address of what was made.
    pub fn created(body: Value) -> Answer {
        let location = body["url"].as_str().map(|url| (axum::http::header::LOCATION, url.to_owned()));
        Ok(Reply { status: StatusCode::CREATED, headers: location.into_iter().collect(), body: Some(body) })
    }

    pub fn accepted(body: Value) -> Answer {
        Ok(Reply { status: StatusCode::ACCEPTED, headers: Vec::new(), body: Some(body) })
    }

    pub fn gone() -> Answer {
        Ok(Reply { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: None })
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            Some(body) => (self.status, Json(body)).into_response(),
            None => self.status.into_response(),
        };
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A refusal as GitHub words it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub message: String,
    pub errors: Vec<Value>,
}

impl Refusal {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Refusal { status, message: message.into(), errors: Vec::new() }
    }

    pub fn not_found() -> Self {
        Self::new(404, "Not Found")
    }

    /// The body does not have the shape that the API's description demands.
    pub fn shape(what: impl AsRef<str>) -> Self {
        Self::new(422, format!("Invalid request.\n\n{}", what.as_ref()))
    }

    /// The shape is right and the content is not.
    pub fn validation(error: Value) -> Self {
        Refusal { errors: vec![error], ..Self::new(422, "Validation Failed") }
    }

    /// A validation error in words of its own.
    pub fn custom(resource: &str, field: &str, message: impl Into<String>) -> Self {
        Self::validation(json!({"resource": resource, "code": "custom", "field": field, "message": message.into()}))
    }

    pub fn with_error(mut self, error: Value) -> Self {
        self.errors.push(error);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({
            "message": self.message,
            "documentation_url": DOCUMENTATION,
            "status": self.status.as_str(),
        });
        if !self.errors.is_empty() {
            body["errors"] = self.errors.into();
        }
        (self.status, Json(body)).into_response()
    }
}
