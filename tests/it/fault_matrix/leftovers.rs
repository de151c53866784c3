//! What a run that was taken back may leave: empty folders with their rights, and what a training made, which is the
//! user's.
//!
//! A model that has a version cannot be deleted, nor can the schema around it: both stay then, and the state names them
//! and nothing else, so that the next run does not make them again.

use std::collections::BTreeSet;

use serde_json::Value;

use super::judge::check;
use super::sight::stores_mut;
use crate::stage_world::At;

/// Where a training works, and what must stay for it.
const EXPERIMENT: &str = "/Shared/fit";
const STAYS: [&str; 2] = ["resources.registered_models.churn", "resources.schemas.scores"];

/// What there is and what there was, both without what may stay.
pub fn without_what_may_stay(at: At, now: &Value, was: &Value) -> Result<(Value, Value), String> {
    let (mut now, mut was) = (now.clone(), was.clone());
    for dump in [&mut now, &mut was] {
        stores_mut(dump).for_each(forget_folders);
    }
    if at == At::Staging {
        let versions = |dump: &Value| of_staging(&dump["workspace"]["tables"]["model_versions"]);
        if versions(&was) == 0 && versions(&now) > 0 {
            forget_what_holds_a_version(&mut now["workspace"])?;
        }
        for dump in [&mut now, &mut was] {
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

fn of_staging(table: &Value) -> usize {
    table.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("staging.")).count()
}

fn forget_trainings(store: &mut Value) {
    retain(store, "files", |path| path != EXPERIMENT);
    retain(store, "storage", |path| !path.starts_with("/Models/staging/"));
    retain(store, "permissions", |object| !object.contains(EXPERIMENT));
    retain(&mut store["tables"], "model_versions", |name| !name.starts_with("staging."));
    retain(store, "tables", |kind| !["experiments", "mlflow_runs"].contains(&kind));
    retain_filled(&mut store["tables"]);
}

fn forget_what_holds_a_version(store: &mut Value) -> Result<(), String> {
    let state = format!("{}/state/resources.json", At::Staging.root());
    let known = store["files"][&state]["content"]["state"].as_object();
    let known: BTreeSet<&str> = known.into_iter().flatten().map(|(node, _)| node.as_str()).collect();
    check(known == BTreeSet::from(STAYS), || format!("the state names {known:?}, and {STAYS:?} stay"))?;
    retain(store, "files", |path| path != state);
    for kind in ["registered_models", "schemas"] {
        retain(&mut store["tables"], kind, |name| !name.starts_with("staging.scores"));
    }
    retain(store, "grants", |name| !name.contains("/staging.scores"));
    Ok(())
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
