//! The way in to the REST API: who asks, may they, and what every answer carries.
//!
//! The order of refusals is GitHub's: a client without a name, bad credentials, the wrong repository, a missing
//! permission, and only then what is wrong with the request itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{OriginalUri, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on, post};
use serde_json::{Value, json};

use super::access::Grant;
use super::api::{ENDPOINTS, Endpoint};
use super::call::{Answer, Call, Refusal, Reply};
use super::standin::World;
use super::state::State;
use crate::rehearsal::front::{Caller, TokenEnds};

const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];
const HOUR: i64 = 3600;

pub(super) fn routes(world: Arc<World>, prefix: &'static str) -> Router {
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        let Ok(filter) = MethodFilter::try_from(endpoint.method.clone()) else { continue };
        // By name and by number, because the links to other pages name the number.
        for place in ["/repos/{owner}/{repo}", "/repositories/{repository_id}"] {
            let world = world.clone();
            let answer = async move |params: RawPathParams, uri: OriginalUri, headers: HeaderMap, body: Bytes| {
                let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                answer(&world, endpoint, Asked { params, uri: uri.0, headers, body, prefix })
            };
            router = router.route(&format!("{prefix}{place}{}", endpoint.path), on(filter, answer));
        }
    }
    let (limits, person, viewer, nowhere, ends) = (world.clone(), world.clone(), world.clone(), world.clone(), world);
    let graph = format!("{}/graphql", prefix.trim_end_matches("/v3"));
    router
        .route(&graph, post(async move |headers: HeaderMap, body: Bytes| graphql(&viewer, &headers, &body)))
        .route(&format!("{prefix}/rate_limit"), get(async move |headers: HeaderMap| rate_limit(&limits, &headers)))
        .route(&format!("{prefix}/user"), get(async move |headers: HeaderMap| user(&person, &headers)))
        .method_not_allowed_fallback(async || Refusal::not_found())
        .fallback(async move |uri: OriginalUri| unknown(&nowhere, uri.0.path()))
        .layer(from_fn(move |request: Request, next: Next| {
            if request.extensions().get::<TokenEnds>().is_some() {
                end_token(&ends, request.headers());
            }
            next.run(request)
        }))
}

/// The token is revoked before anybody looks at it.
fn end_token(world: &World, headers: &HeaderMap) {
    let mut state = world.lock();
    if let Some(grant) = given_token(headers).and_then(|token| state.tokens.get_mut(token)) {
        grant.live = false;
    }
}

fn given_token(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    ["Bearer ", "bearer ", "token "].iter().find_map(|scheme| given.strip_prefix(scheme))
}

struct Asked {
    params: BTreeMap<String, String>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
    prefix: &'static str,
}

fn answer(world: &World, endpoint: &Endpoint, asked: Asked) -> Response {
    let mut state = world.lock();
    let who = match authenticate(&state, &asked.headers) {
        Ok(who) => who,
        Err(refusal) => return refusal.into_response(),
    };
    let reply = limited(&mut state).and_then(|()| run(&mut state, endpoint, &who, asked));
    let mut response = match reply {
        Ok(reply) => reply.into_response(),
        Err(refusal) => refusal.into_response(),
    };
    decorate(&state, &mut response);
    put(&mut response, "x-accepted-github-permissions", &endpoint.needs.header());
    let caller = match who.job {
        Some(job) => format!("job {job}"),
        None => who.login,
    };
    response.extensions_mut().insert(Caller(caller));
    response
}

fn run(state: &mut State, endpoint: &Endpoint, who: &Grant, asked: Asked) -> Answer {
    if !is_ours(state, &asked.params) {
        return Err(Refusal::not_found());
    }
    if !endpoint.needs.met_by(&who.permissions) {
        return Err(Refusal::new(403, "Resource not accessible by integration"));
    }
    let query = asked.uri.query().unwrap_or_default();
    let path = asked.uri.path().strip_prefix(asked.prefix).unwrap_or_default().to_owned();
    let mut call = Call {
        params: asked.params,
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        path,
        body: asked.body,
        who: who.clone(),
        state,
    };
    (endpoint.run)(&mut call)
}

fn is_ours(state: &State, params: &BTreeMap<String, String>) -> bool {
    let repository = &state.repository;
    match (params.get("owner"), params.get("repo"), params.get("repository_id")) {
        (Some(owner), Some(name), _) => {
            owner.eq_ignore_ascii_case(&repository.owner) && name.eq_ignore_ascii_case(&repository.name)
        }
        (_, _, Some(id)) => *id == repository.id.to_string(),
        _ => false,
    }
}

fn authenticate(state: &State, headers: &HeaderMap) -> Result<Grant, Refusal> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::USER_AGENT).is_none_or(str::is_empty) {
        return Err(Refusal::new(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        ));
    }
    let version = text(HeaderName::from_static("x-github-api-version"));
    if version.is_some_and(|version| !VERSIONS.contains(&version)) {
        return Err(Refusal::new(400, "The version of the API that was asked for is not supported"));
    }
    let accepted = text(header::ACCEPT).unwrap_or("*/*");
    if !accepted.split(',').any(|kind| readable(kind.trim())) {
        return Err(Refusal::new(
            415,
            format!("Unsupported 'Accept' header: '{accepted}'. Must accept 'application/json'."),
        ));
    }
    if text(header::AUTHORIZATION).is_none() {
        return Err(Refusal::new(401, "Requires authentication"));
    }
    let grant = given_token(headers).and_then(|token| state.tokens.get(token)).filter(|grant| grant.live);
    grant.cloned().ok_or_else(|| Refusal::new(401, "Bad credentials"))
}

fn readable(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    matches!(kind, "*/*" | "application/*" | "application/json") || kind.starts_with("application/vnd.github")
}

/// One limit for the repository, as a job's token has it.
fn limited(state: &mut State) -> Result<(), Refusal> {
    let now = state.now();
    if now - state.window >= HOUR {
        state.window = now;
        state.requests_left = state.repository.rate_limit;
    }
    if state.requests_left == 0 {
        return Err(Refusal::new(403, "API rate limit exceeded for installation."));
    }
    state.requests_left -= 1;
    Ok(())
}

fn decorate(state: &State, response: &mut Response) {
    let limit = state.repository.rate_limit;
    let headers = [
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", state.requests_left.to_string()),
        ("x-ratelimit-used", (limit - state.requests_left).to_string()),
        ("x-ratelimit-reset", (state.window + HOUR).to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
        ("x-github-api-version-selected", VERSIONS[0].to_owned()),
        ("x-github-media-type", "github.v3; format=json".to_owned()),
        ("x-github-request-id", uuid::Uuid::new_v4().simple().to_string()),
    ];
    for (name, value) in headers {
        put(response, name, &value);
    }
}

fn put(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// Asking costs nothing.
fn rate_limit(world: &World, headers: &HeaderMap) -> Response {
    let state = world.lock();
    if let Err(refusal) = authenticate(&state, headers) {
        return refusal.into_response();
    }
    let (limit, left, reset) = (state.repository.rate_limit, state.requests_left, state.window + HOUR);
    let core = json!({"limit": limit, "remaining": left, "reset": reset, "used": limit - left});
    let search = json!({"limit": 30, "remaining": 30, "reset": reset, "used": 0});
    let body = Reply::ok(json!({"resources": {"core": core, "search": search}, "rate": core}));
    let mut response = body.map_or_else(IntoResponse::into_response, IntoResponse::into_response);
    decorate(&state, &mut response);
    response
}

/// A job's token is no user's.
fn user(world: &World, headers: &HeaderMap) -> Response {
    let state = world.lock();
    match authenticate(&state, headers) {
        Err(refusal) => refusal.into_response(),
        Ok(grant) if grant.job.is_some() => Refusal::new(403, "Resource not accessible by integration").into_response(),
        Ok(grant) => axum::Json(super::view::user(&state, &grant.login)).into_response(),
    }
}

/// Only who asks: `GET /user` refuses a job's token, and this is how one learns its own name.
fn graphql(world: &World, headers: &HeaderMap, body: &[u8]) -> Response {
    let state = world.lock();
    let who = match authenticate(&state, headers) {
        Ok(who) => who,
        Err(refusal) => return refusal.into_response(),
    };
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let words: String = asked["query"].as_str().unwrap_or_default().split_whitespace().collect();
    if words.trim_start_matches("query") != "{viewer{login}}" {
        let message = "the stand-in GitHub knows no GraphQL query but the viewer's login";
        return (StatusCode::NOT_IMPLEMENTED, axum::Json(json!({"message": message}))).into_response();
    }
    let mut response = axum::Json(json!({"data": {"viewer": {"login": who.login}}})).into_response();
    decorate(&state, &mut response);
    response
}

/// Not GitHub's answer, and not meant to look like it.
fn unknown(world: &World, path: &str) -> Response {
    let base = world.lock().urls.api.clone();
    let message = format!("the stand-in GitHub at {base} knows no {path}");
    (StatusCode::NOT_IMPLEMENTED, axum::Json(json!({"message": message}))).into_response()
}
