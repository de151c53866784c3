//! An endpoint as it is, and the wait until an update of it has ended.

use std::time::Duration;

use serde_json::Value;
use tracing::info;

use crate::domain::endpoint::Serving;
use crate::domain::{Failure, ModelName, ModelVersion};
use crate::ports::{Request, RestError, World};
use crate::saga::Stop;
use crate::steps::bundle::workspace_files::escape;

const POLL_FIRST: Duration = Duration::from_millis(500);
const POLL_AT_MOST: Duration = Duration::from_secs(10);

/// How the last update stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    Ended,
    GoesOn,
    /// It failed, or somebody called it off: what served before serves on.
    Failed,
}

#[derive(Clone, Debug)]
pub struct Endpoint {
    pub name: String,
    /// In whose name models are loaded, whoever updates it.
    pub creator: String,
    pub ready: bool,
    pub update: Update,
    pub serving: Serving,
    /// What an update that goes on would make of it.
    pub pending: Option<Serving>,
    pub version: u64,
    /// Whether the workspace lets us change it.
    pub permission: String,
}

pub fn path(name: &str) -> String {
    format!("/api/2.0/serving-endpoints/{}", escape(name))
}

/// None where it truly does not exist: any other error is one.
pub async fn read(world: &World, name: &str) -> Result<Option<Endpoint>, Failure> {
    match world.workspace.call(Request::get(path(name))).await.and_then(|r| r.json()) {
        Ok(shown) => Ok(Some(endpoint(name, &shown))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into_failure(format!("read endpoint `{name}`"))),
    }
}

/// An endpoint that has this version among what it serves, with traffic or without.
pub async fn that_serves(world: &World, model: &ModelName, version: ModelVersion) -> Result<Option<String>, Failure> {
    let answer: Result<Value, RestError> =
        world.workspace.call(Request::get("/api/2.0/serving-endpoints")).await.and_then(|r| r.json());
    let all = match answer {
        Ok(all) => all,
        // A workspace that serves nothing need not know the question.
        Err(error) if error.status().is_some_and(|status| status < 500 && status != 429) => return Ok(None),
        Err(error) => {
            return Err(error.into_failure(format!("look for endpoints that serve version {version} of {model}")));
        }
    };
    let mut endpoints = all["endpoints"].as_array().into_iter().flatten();
    let found = endpoints.find(|one| Serving::read(&one["config"]).entity_of(model, version).is_some());
    Ok(found.map(|one| one["name"].as_str().unwrap_or_default().to_owned()))
}

fn endpoint(name: &str, shown: &Value) -> Endpoint {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Endpoint {
        name: name.to_owned(),
        creator: text(&shown["creator"]),
        ready: shown["state"]["ready"] == "READY",
        update: match shown["state"]["config_update"].as_str() {
            Some("IN_PROGRESS") => Update::GoesOn,
            Some("UPDATE_FAILED" | "UPDATE_CANCELED") => Update::Failed,
            _ => Update::Ended,
        },
        serving: Serving::read(&shown["config"]),
        pending: shown.get("pending_config").filter(|c| c.is_object()).map(Serving::read),
        version: shown["config"]["config_version"].as_u64().unwrap_or(0),
        permission: text(&shown["permission_level"]),
    }
}

/// Waits until no update goes on, or until `limit`; none where the endpoint is gone by then. An update cannot be called
/// off: a run that is told to stop leaves it alone, and whoever takes that run back waits for its end.
pub async fn settled(
    world: &World,
    name: &str,
    limit: Duration,
    stop: Option<&Stop>,
) -> Result<Option<Endpoint>, Failure> {
    let started = world.clock.now();
    let mut pause = POLL_FIRST;
    let mut told = Duration::ZERO;
    loop {
        let Some(endpoint) = read(world, name).await? else { return Ok(None) };
        let waited = world.clock.now().duration_since(started).unsigned_abs();
        if endpoint.update != Update::GoesOn || waited >= limit || stop.is_some_and(Stop::requested) {
            return Ok(Some(endpoint));
        }
        if waited >= told {
            info!(endpoint = %name, "endpoint `{name}` is being updated ({} s)", waited.as_secs());
            told = waited + Duration::from_secs(30);
        }
        world.clock.sleep(pause.min(limit - waited)).await;
        pause = (pause * 2).min(POLL_AT_MOST);
    }
}

/// The last lines of what building an entity said, for people.
pub async fn build_log(world: &World, name: &str, entity: &str) -> String {
    const LINES: usize = 5;
    let request = Request::get(format!("{}/served-models/{}/build-logs", path(name), escape(entity)));
    let answer: Result<Value, RestError> = world.workspace.call(request).await.and_then(|r| r.json());
    let logs = answer.ok().and_then(|a| a["logs"].as_str().map(str::to_owned)).unwrap_or_default();
    let lines: Vec<&str> = logs.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n  ")
}
