//! Sends the requests that the engine describes as data.

use serde_json::Value;

use crate::bundle::kinds;
use crate::bundle::planning::requests;
use crate::ports::{Method, Request, Rest, RestError};

/// The engine's request, ready to be sent.
pub fn ready(described: &requests::Request) -> Request {
    let method = match described.method {
        kinds::Method::Get => Method::Get,
        kinds::Method::Post => Method::Post,
        kinds::Method::Put => Method::Put,
        kinds::Method::Patch => Method::Patch,
        kinds::Method::Delete => Method::Delete,
    };
    let mut request = Request::new(method, described.path.clone());
    request.query.clone_from(&described.query);
    match &described.body {
        Some(body) => request.json(body.clone()),
        None => request,
    }
}

/// The answer as JSON; none where there is no such thing.
pub async fn maybe(rest: &dyn Rest, described: &requests::Request) -> Result<Option<Value>, RestError> {
    match rest.call(ready(described)).await {
        Ok(reply) => reply.json().map(Some),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
