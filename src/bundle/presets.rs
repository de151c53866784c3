//! Presets reach into every resource of a target: prefixes, tags, pauses, concurrency.
//!
//! What a resource says itself wins, except its name. Tags reach jobs, pipelines and
//! experiments only; names in Unity Catalog take a plain form of the prefix.

use crate::bundle::lists::resources;
use crate::bundle::names;
use crate::bundle::resolve::Bundle;
use crate::domain::{Diagnostic, Node, Tree};

/// The pass.
pub fn apply(bundle: &mut Bundle<'_>) {
    let prefix = bundle.config.text(&["presets", "name_prefix"]).unwrap_or_default().to_owned();
    prefix_names(bundle, &prefix);
    let status = bundle.config.find(&["presets", "trigger_pause_status"]).cloned().unwrap_or_default();
    tags(bundle);
    concurrency(bundle);
    match status.as_str().unwrap_or_default() {
        "" | "PAUSED" | "UNPAUSED" => {}
        _ => {
            let what = "Invalid value for trigger_pause_status, should be PAUSED or UNPAUSED";
            return bundle.report(Diagnostic::error(what).at_tree(&status));
        }
    }
    jobs(bundle, status.as_str().unwrap_or_default());
    pipelines(bundle, status.as_str().unwrap_or_default());
}

fn prefix_names(bundle: &mut Bundle<'_>, prefix: &str) {
    for kind in ["jobs", "pipelines"] {
        for resource in resources(bundle, kind) {
            rename(resource, |name| format!("{prefix}{name}"), !prefix.is_empty());
        }
    }
    for experiment in resources(bundle, "experiments") {
        // The folder stays: the prefix belongs to the last part of the name.
        rename(experiment, |name| experiment_name(name, prefix), true);
    }
    let plain = plain_prefix(prefix);
    let schemas_keep = bundle.config.find(&["experimental", "skip_name_prefix_for_schema"]).and_then(Tree::as_bool);
    for kind in ["registered_models", "schemas"] {
        if kind == "schemas" && schemas_keep == Some(true) {
            continue;
        }
        for resource in resources(bundle, kind) {
            rename(resource, |name| format!("{plain}{name}"), !prefix.is_empty());
        }
    }
}

fn rename(resource: &mut Tree, new: impl Fn(&str) -> String, wanted: bool) {
    if !wanted || resource.as_map().is_none() {
        return;
    }
    let renamed = new(resource.get("name").and_then(Tree::as_str).unwrap_or_default());
    resource.set(&["name"], renamed);
}

fn experiment_name(name: &str, prefix: &str) -> String {
    let trimmed = name.trim_end_matches('/');
    let base = match trimmed.rsplit('/').next().unwrap_or_default() {
        "" if name.is_empty() => ".",
        "" => "/",
        base => base,
    };
    let folder = match name.rfind('/') {
        None => return format!("{prefix}{base}"),
        Some(0) => "/".to_owned(),
        Some(at) => crate::bundle::source::clean(&name[..at]),
    };
    format!("{folder}/{prefix}{base}")
}

/// `[dev jane] ` becomes `dev_jane_`, `prod_` becomes `prod`.
fn plain_prefix(prefix: &str) -> String {
    let trimmed = prefix.trim();
    let (inner, ending) = match trimmed.strip_suffix(']') {
        Some(inner) => (inner, "_"),
        None => (trimmed, ""),
    };
    names::plain(&inner.to_lowercase(), '_') + ending
}

fn tags(bundle: &mut Bundle<'_>) {
    let Some(tags) = bundle.config.find(&["presets", "tags"]).and_then(Tree::as_map).cloned() else { return };
    if tags.is_empty() {
        return;
    }
    for kind in ["jobs", "pipelines"] {
        for resource in resources(bundle, kind).filter(|r| r.as_map().is_some()) {
            for (key, value) in &tags {
                if resource.find(&["tags", key]).is_none() {
                    resource.set(&["tags", key], Node::String(value.as_str().unwrap_or_default().to_owned()));
                }
            }
        }
    }
    let mut sorted: Vec<(&String, &Tree)> = tags.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    for experiment in resources(bundle, "experiments").filter(|r| r.as_map().is_some()) {
        let has = |experiment: &Tree, key: &str| {
            let list = experiment.get("tags").and_then(Tree::as_list).unwrap_or_default();
            list.iter().any(|tag| tag.text(&["key"]) == Some(key))
        };
        for (key, value) in &sorted {
            if !has(experiment, key) {
                if experiment.get("tags").and_then(Tree::as_list).is_none() {
                    experiment.set(&["tags"], Tree::list());
                }
                let mut tag = Tree::map();
                tag.set(&["key"], key.as_str());
                tag.set(&["value"], value.as_str().unwrap_or_default());
                if let Some(list) = experiment.get_mut("tags").and_then(Tree::as_list_mut) {
                    list.push(tag);
                }
            }
        }
    }
}

fn concurrency(bundle: &mut Bundle<'_>) {
    let limit = bundle.config.find(&["presets", "jobs_max_concurrent_runs"]).and_then(Tree::as_int).unwrap_or(0);
    for job in resources(bundle, "jobs").filter(|j| limit > 0 && j.as_map().is_some()) {
        if job.get("max_concurrent_runs").and_then(Tree::as_int).unwrap_or(0) == 0 {
            job.set(&["max_concurrent_runs"], limit);
        }
    }
}

fn jobs(bundle: &mut Bundle<'_>, status: &str) {
    for job in resources(bundle, "jobs").filter(|j| !status.is_empty() && j.as_map().is_some()) {
        for trigger in ["schedule", "continuous", "trigger"] {
            if job.get(trigger).is_some_and(|t| t.as_map().is_some()) && job.text(&[trigger, "pause_status"]).is_none()
            {
                job.set(&[trigger, "pause_status"], status);
            }
        }
    }
}

fn pipelines(bundle: &mut Bundle<'_>, status: &str) {
    let development = bundle.config.find(&["presets", "pipelines_development"]).and_then(Tree::as_bool);
    for pipeline in resources(bundle, "pipelines").filter(|p| p.as_map().is_some()) {
        if development == Some(true) {
            pipeline.set(&["development"], true);
        }
        if status == "PAUSED" && pipeline.get("continuous").and_then(Tree::as_bool) == Some(true) {
            pipeline.remove("continuous");
        }
    }
}
