//! The verbs of a story over HTTP, for tests in other languages and processes: `POST /_rehearsal/story`.
//!
//! ```json
//! {"do": "push", "branch": "main", "author": "ana", "message": "Begin"}
//! {"do": "start-job", "event": {"name": "push", "reference": "refs/heads/main"}, "permissions": "contents: read"}
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::event::Event;
use super::job::{Conclusion, JobEnvironment, JobSpec};
use super::scenario::PullRequest;
use super::standin::World;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Verb {
    Push { branch: String, author: String, message: String, sha: Option<String> },
    Tag { tag: String, commit: String },
    OpenPullRequest(PullRequest),
    Review { number: u64, author: String, verdict: String },
    Merge { number: u64, by: String },
    Comment { number: u64, author: String, body: String },
    ProtectEnvironment { name: String, reviewers: Vec<String>, prevent_self_review: bool },
    SetCommitStatus { sha: String, context: String, state: String },
    StartJob(Box<Asked>),
    FinishJob { id: u64, conclusion: Conclusion },
    Advance { seconds: u64 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    event: Event,
    name: Option<String>,
    actor: Option<String>,
    #[serde(default)]
    permissions: String,
    environment: Option<String>,
    /// Whether the environment makes the job a deployment of its own; it does unless told otherwise.
    deployment: Option<bool>,
    approved_by: Option<String>,
    run: Option<u64>,
    /// Where the runner's folders and files are laid out; without it only tokens are answered.
    folder: Option<PathBuf>,
}

pub(super) fn routes(world: Arc<World>) -> Router {
    Router::new().route("/_rehearsal/story", post(told)).with_state(world)
}

async fn told(State(world): State<Arc<World>>, Json(verb): Json<Verb>) -> (StatusCode, Json<Value>) {
    match act(&world, verb) {
        Ok(answer) => (StatusCode::OK, Json(answer)),
        Err(error) => (StatusCode::CONFLICT, Json(json!({"message": error.to_string()}))),
    }
}

fn act(world: &Arc<World>, verb: Verb) -> Result<Value, Box<dyn std::error::Error>> {
    match verb {
        Verb::Push { branch, author, message, sha } => {
            Ok(json!({"sha": world.push_commit(&branch, sha.as_deref(), &author, &message)?}))
        }
        Verb::Tag { tag, commit } => world.tag(&tag, &commit).map(|()| json!({})).map_err(Into::into),
        Verb::OpenPullRequest(asked) => Ok(json!({"number": world.open_pull_request(asked)?})),
        Verb::Review { number, author, verdict } => {
            world.review(number, &author, &verdict)?;
            Ok(json!({}))
        }
        Verb::Merge { number, by } => Ok(json!({"sha": world.merge(number, &by)?})),
        Verb::Comment { number, author, body } => Ok(json!({"id": world.comment_as(&author, number, &body)})),
        Verb::ProtectEnvironment { name, reviewers, prevent_self_review } => {
            let reviewers: Vec<&str> = reviewers.iter().map(String::as_str).collect();
            world.protect_environment(&name, &reviewers, prevent_self_review);
            Ok(json!({}))
        }
        Verb::SetCommitStatus { sha, context, state } => {
            world.set_commit_status(&sha, &context, &state);
            Ok(json!({}))
        }
        Verb::StartJob(asked) => start(world, *asked),
        Verb::FinishJob { id, conclusion } => {
            world.finish_job(id, conclusion);
            Ok(json!({}))
        }
        Verb::Advance { seconds } => {
            world.advance(Duration::from_secs(seconds));
            Ok(json!({}))
        }
    }
}

fn start(world: &Arc<World>, asked: Asked) -> Result<Value, Box<dyn std::error::Error>> {
    let mut spec = JobSpec::on(asked.event).permit(&asked.permissions)?;
    spec.name = asked.name.unwrap_or(spec.name);
    spec.actor = asked.actor.unwrap_or(spec.actor);
    let deployment = asked.deployment.unwrap_or(true);
    spec.environment = asked.environment.map(|name| JobEnvironment { name, url: None, deployment });
    spec.approved_by = asked.approved_by;
    spec.run = asked.run;
    let job = world.start_job(spec)?;
    let vars = asked.folder.map(|folder| job.runner(&folder)).transpose()?.map(|runner| runner.vars);
    Ok(json!({
        "id": job.id,
        "run": job.run,
        "token": job.token(),
        "deployment": job.own_deployment(),
        "id_token_request": job.id_token_request(),
        "vars": vars,
    }))
}
