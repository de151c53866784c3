//! Where the files of runs and logged models lie: in the Files API, under a folder that only MLflow names.

use serde_json::{Value, json};

use super::runs;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::store::Store;
use crate::rehearsal::workspace::tree::{What, base_name};

const ROOT: &str = "/WorkspaceInternal/Mlflow/Artifacts";

/// How many names the folder of one run or model has, from the root.
const DEPTH: usize = 6;

/// Whether a path lies in the folder of a run or a logged model that exists; nothing for a path elsewhere.
pub(crate) fn belongs(store: &Store, path: &str) -> Option<bool> {
    let inside = path.strip_prefix(ROOT)?.strip_prefix('/')?;
    let mut parts = inside.split('/');
    let (experiment, kind, id) = (parts.next()?, parts.next()?, parts.next()?);
    let of = match kind {
        "Runs" => runs::info(store, id).and_then(|info| info.get("experiment_id").cloned()),
        "LoggedModels" => store.get("logged_models", id).map(|m| m["info"]["experiment_id"].clone()),
        _ => None,
    };
    Some(of.is_some_and(|of| of == experiment))
}

/// The folder itself, which exists as soon as the run does.
pub(crate) fn is_root(path: &str) -> bool {
    path.starts_with(ROOT) && path.trim_matches('/').split('/').count() == DEPTH
}

/// What a run logged, as the tracking API lists it.
pub(crate) fn list(call: &mut Call) -> Answer {
    let id = call.required("run_id")?;
    let info = runs::info(call.store, &id).ok_or_else(|| Refusal::missing(format!("Run '{id}' not found.")))?;
    let text = |field: &str| info.get(field).and_then(Value::as_str).unwrap_or_default();
    let root = format!("{ROOT}/{}/Runs/{id}/artifacts", text("experiment_id"));
    let below = call.value("path").unwrap_or_default();
    let folder = if below.is_empty() { root.clone() } else { format!("{root}/{below}") };
    let files = call.store.uc.storage.children(&folder).into_iter().map(|(path, node)| {
        let name = path.strip_prefix(&root).map_or(base_name(path), |p| p.trim_start_matches('/'));
        match &node.what {
            What::File(bytes) => json!({"path": name, "is_dir": false, "file_size": bytes.len()}),
            _ => json!({"path": name, "is_dir": true}),
        }
    });
    let files: Vec<Value> = files.collect();
    Reply::json(json!({"root_uri": text("artifact_uri"), "files": files}))
}
