//! Writes into the state what the workspace has and the state does not: what an interrupted run made, and what could not
//! be taken back. The next plan makes nothing twice.

use serde_json::{Map, Value};

use super::change_resource;
use super::state_files;
use super::workspace_files::{UploadRoute, WorkspaceFiles};
use crate::bundle::compatibility::CLI_VERSION;
use crate::bundle::state::{Deployed, State};
use crate::domain::Failure;
use crate::ports::World;
use crate::saga::Begun;

/// Of what was begun, resources alone belong there; one without an outcome was not made, or is gone.
pub async fn adopt(world: &World, state_path: &str, made: &[Begun]) -> Result<(), Failure> {
    let resources: Vec<&Begun> = made.iter().filter(|begun| begun.spec.verb == change_resource::VERB).collect();
    if resources.is_empty() {
        return Ok(());
    }
    let files = WorkspaceFiles::new(world.workspace.clone(), UploadRoute::Multipart);
    let before = state_files::pull_state(&files, world.files.as_ref(), state_path, None).await?.state;
    let mut state = before.next(|| uuid::Uuid::new_v4().to_string(), CLI_VERSION);
    resources.iter().for_each(|resource| enter(&mut state, resource));
    if state.resources == before.resources {
        return Ok(());
    }
    let pushed = files.put(&format!("{state_path}/resources.json"), state.render().into()).await;
    pushed.map_err(|e| e.into_failure("write down what the workspace has by now"))
}

fn enter(state: &mut State, resource: &Begun) {
    let node = resource.spec.subject.as_str();
    let outcome = resource.outcome.as_ref().map_or(&Value::Null, |outcome| &outcome.0);
    let Some(id) = outcome["id"].as_str() else { return state.remove(node) };
    let made = outcome.get("made").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let depends_on = serde_json::from_value(outcome["depends_on"].clone()).unwrap_or_default();
    state.put(node, Deployed { id: id.to_owned(), state: made, depends_on });
}
