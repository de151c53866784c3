//! What a run that was taken back may leave: empty folders with their rights, what a training made, which is the user's,
//! and what holds something by now.
//!
//! A model that has a version, the schema around it, a job that is at work: they stay, and the state names them and nothing
//! else beside what was there before, so that the next run does not make them again.

use std::collections::BTreeSet;

use serde_json::Value;

use super::judge::check;
use super::sight::stores_mut;
use super::situation::Scene;
use crate::stage_world::At;

/// Where a training works.
const EXPERIMENT: &str = "/Shared/fit";

/// What there is and what there was, both without what may stay.
pub fn without_what_may_stay(scene: &Scene) -> Result<(Value, Value), String> {
    let (mut now, mut was) = (scene.snapshot(), scene.before.clone());
    forget_kept(scene, &mut now["workspace"], &was["workspace"])?;
    for dump in [&mut now, &mut was] {
        stores_mut(dump).for_each(forget_folders);
        if scene.situation.at == At::Staging {
            forget_trainings(&mut dump["workspace"]);
        }
    }
    Ok((now, was))
}

fn forget_folders(store: &mut Value) {
    for tree in ["files", "storage"] {
        if let Some(files) = store[tree].as_object_mut() {
            files.retain(|_, file| file["type"] != "DIRECTORY");
        }
    }
    retain(store, "permissions", |object| !object.starts_with("directories/"));
}

fn forget_trainings(store: &mut Value) {
    retain(store, "files", |path| path != EXPERIMENT);
    retain(store, "storage", |path| !path.starts_with("/Models/staging/"));
    retain(store, "permissions", |object| !object.contains(EXPERIMENT));
    retain(&mut store["tables"], "model_versions", |name| !name.starts_with("staging."));
    retain(store, "tables", |kind| !["experiments", "mlflow_runs"].contains(&kind));
    retain_filled(&mut store["tables"]);
}

/// What only the state of now names must hold something.
fn forget_kept(scene: &Scene, now: &mut Value, was: &Value) -> Result<(), String> {
    let state = format!("{}/state/resources.json", scene.situation.at.root());
    let named = |store: &Value| -> BTreeSet<String> {
        let nodes = store["files"][&state]["content"]["state"].as_object();
        nodes.into_iter().flatten().map(|(node, _)| node.clone()).collect()
    };
    let kept: Vec<String> = named(now).difference(&named(was)).cloned().collect();
    let exact = scene.workspace().dump();
    for node in &kept {
        let (kind, key) = node.strip_prefix("resources.").and_then(|node| node.split_once('.')).unwrap_or_default();
        check(holds_something(&exact["workspace"], now, kind, key), || format!("{node} is kept and holds nothing"))?;
        let tier = scene.situation.at.name();
        let name = match kind {
            "schemas" => format!("{tier}.{key}"),
            "registered_models" => format!("{tier}.scores.{key}"),
            _ => format!("<{kind}:{key}>"),
        };
        retain(&mut now["tables"], kind, |row| row != name);
        for rights in ["permissions", "grants"] {
            retain(now, rights, |object| !object.ends_with(&format!("/{name}")));
        }
        retain(&mut now["files"][&state]["content"], "state", |known| known != node);
    }
    if !kept.is_empty() && was["files"][&state].is_null() {
        retain(now, "files", |path| path != state);
    }
    retain_filled(&mut now["tables"]);
    Ok(())
}

fn holds_something(exact: &Value, settled: &Value, kind: &str, key: &str) -> bool {
    let at_work =
        || exact["runs"].as_array().into_iter().flatten().any(|run| run["name"] == key && run["result"] == "");
    let versions = settled["tables"]["model_versions"].as_object();
    let has_version = || versions.into_iter().flatten().any(|(version, _)| version.starts_with("staging."));
    match kind {
        "jobs" => at_work(),
        "registered_models" | "schemas" => has_version(),
        _ => false,
    }
}

fn retain(parent: &mut Value, map: &str, keep: impl Fn(&str) -> bool) {
    if let Some(map) = parent.get_mut(map).and_then(Value::as_object_mut) {
        map.retain(|key, _| keep(key));
    }
}

/// A table without rows is not shown.
fn retain_filled(tables: &mut Value) {
    if let Some(tables) = tables.as_object_mut() {
        tables.retain(|_, table| table.as_object().is_none_or(|rows| !rows.is_empty()));
    }
}
