//! ID tokens of jobs: the endpoint that issues them, their claims, and the issuer's published keys.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config::Subjects;
use super::keys;
use super::standin::World;
use super::state::{Job, Repository, Run, State};

/// Below the server's address; where GitHub Enterprise Server has its issuer too.
pub(super) const ISSUER: &str = "/_services/token";
const REQUEST: &str = "/_services/pipelines";
/// Seconds between `iat` and `exp`.
const LIFE: i64 = 300;

pub(super) fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route(&format!("{ISSUER}/.well-known/openid-configuration"), get(configuration))
        .route(&format!("{ISSUER}/.well-known/jwks"), get(async || Json(keys::jwks())))
        .route(&format!("{REQUEST}/{{run}}/{{job}}/idtoken"), get(issue))
        .with_state(world)
}

/// `ACTIONS_ID_TOKEN_REQUEST_URL`: it has a query already, so that a client must add `&audience=`.
pub(super) fn request_url(state: &State, job: &Job) -> String {
    format!("{}{REQUEST}/{}/{}/idtoken?api-version=2.0", state.urls.server, job.run, job.id)
}

async fn configuration(Shared(world): Shared<Arc<World>>) -> Json<Value> {
    let issuer = world.lock().urls.issuer.clone();
    Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/jwks"),
        "subject_types_supported": ["public", "pairwise"],
        "response_types_supported": ["id_token"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
        "claims_supported": ["sub", "aud", "exp", "iat", "iss", "jti", "nbf", "ref", "sha", "repository", "environment"],
    }))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "api-version")]
    api_version: Option<String>,
    audience: Option<String>,
}

async fn issue(
    Shared(world): Shared<Arc<World>>,
    Path((run, job)): Path<(u64, u64)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let state = world.lock();
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let holder = bearer.and_then(|token| state.request_tokens.get(token));
    let (Some(holder), Some(found)) = (holder, state.jobs.get(&job)) else {
        return (StatusCode::UNAUTHORIZED, Json(json!({"message": "the request token is not valid"}))).into_response();
    };
    if *holder != found.id || found.run != run || found.completed.is_some() {
        return (StatusCode::UNAUTHORIZED, Json(json!({"message": "the job of this token is over"}))).into_response();
    }
    if asked.api_version.as_deref() != Some("2.0") {
        return (StatusCode::BAD_REQUEST, Json(json!({"message": "No api-version was supplied"}))).into_response();
    }
    let token = keys::sign(&claims(&state, found, asked.audience));
    Json(json!({"count": token.len(), "value": token})).into_response()
}

fn claims(state: &State, job: &Job, audience: Option<String>) -> Value {
    let Some(run) = state.runs.get(&job.run) else { return Value::Null };
    let repository = &state.repository;
    let situation = run.event.situation(state);
    let workflow = format!("{}/{}@{}", repository.full_name(), run.workflow_path, situation.reference);
    let owner_page = format!("{}/{}", state.urls.server, repository.owner);
    let now = state.now();
    let said = json!({
        "jti": uuid::Uuid::new_v4().to_string(),
        "iss": state.urls.issuer,
        "aud": audience.filter(|audience| !audience.is_empty()).unwrap_or(owner_page),
        "iat": now,
        "nbf": now - 600,
        "exp": now + LIFE,
        "ref": situation.reference,
        "ref_type": situation.ref_type(),
        "ref_protected": situation.is_default(state).to_string(),
        "sha": situation.sha,
        "base_ref": situation.base_ref,
        "head_ref": situation.head_ref,
        "event_name": run.event.name(),
        "repository": repository.full_name(),
        "repository_id": repository.id.to_string(),
        "repository_owner": repository.owner,
        "repository_owner_id": repository.owner_id.to_string(),
        "repository_visibility": if repository.private { "private" } else { "public" },
        "actor": run.actor,
        "actor_id": state.user_id(&run.actor).to_string(),
        "run_id": run.id.to_string(),
        "run_number": run.number.to_string(),
        "run_attempt": job.attempt.to_string(),
        "check_run_id": job.id.to_string(),
        "runner_environment": if job.self_hosted { "self-hosted" } else { "github-hosted" },
        "workflow": run.workflow,
        "workflow_ref": workflow,
        "workflow_sha": situation.sha,
        "job_workflow_ref": workflow,
        "job_workflow_sha": situation.sha,
    });
    let Value::Object(mut said) = said else { return Value::Null };
    if let Some(environment) = &job.environment {
        said.insert("environment".to_owned(), environment.clone().into());
        said.insert("environment_node_id".to_owned(), format!("EN_{environment}").into());
    }
    let subject = subject(repository, run, job, state, &said);
    said.insert("sub".to_owned(), subject.into());
    Value::Object(said)
}

/// `repo:acme/churn`, or the form that a rename does not change.
pub(super) fn prefix(repository: &Repository, immutable: bool) -> String {
    if immutable {
        format!("repo:{}@{}/{}@{}", repository.owner, repository.owner_id, repository.name, repository.id)
    } else {
        format!("repo:{}", repository.full_name())
    }
}

fn subject(repository: &Repository, run: &Run, job: &Job, state: &State, said: &Map<String, Value>) -> String {
    let prefix = prefix(repository, repository.subjects == Subjects::Immutable);
    let context = match &job.environment {
        Some(environment) => format!("environment:{}", escaped(environment)),
        None if run.event.name() == "pull_request" => "pull_request".to_owned(),
        None => format!("ref:{}", escaped(&run.event.situation(state).reference)),
    };
    let Some(keys) = &repository.subject_claims else { return format!("{prefix}:{context}") };
    let part = |key: &String| match key.as_str() {
        "repo" => prefix.clone(),
        "context" => context.clone(),
        claim => format!("{claim}:{}", escaped(said.get(claim).and_then(Value::as_str).unwrap_or_default())),
    };
    keys.iter().map(part).collect::<Vec<_>>().join(":")
}

/// A colon separates the parts, so one inside a value is written otherwise.
fn escaped(value: &str) -> String {
    value.replace(':', "%3A")
}
