//! Presets reach into every resource of a target: prefixes, tags, pauses, concurrency.
//!
//! What a resource says itself wins, except its name. Tags reach jobs, pipelines and
//! experiments only; names in Unity Catalog take a plain form of the prefix.

use crate::bundle::kinds::{self, Prefix};
use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::lists::resources;
use crate::bundle::passes::names;
use crate::domain::{Diagnostic, Node, Tree};

/// The pass.
pub fn apply(bundle: &mut Bundle<'_>) {
    let prefix = bundle.config.text(&["presets", "name_prefix"]).unwrap_or_default().to_owned();
    prefix_names(bundle, &prefix);
    let status = bundle.config.find(&["presets", "trigger_pause_status"]).cloned().unwrap_or_default();
    wheels(bundle);
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
    schedules(bundle, status.as_str().unwrap_or_default());
}

/// An alert's schedule can be paused, a monitor's can only be left out.
fn schedules(bundle: &mut Bundle<'_>, status: &str) {
    for alert in resources(bundle, "alerts").filter(|_| !status.is_empty()) {
        let has_schedule = alert.get("schedule").is_some_and(|s| s.as_map().is_some());
        if has_schedule && alert.text(&["schedule", "pause_status"]).is_none() {
            alert.set(&["schedule", "pause_status"], status);
        }
    }
    for monitor in resources(bundle, "quality_monitors").filter(|_| status == "PAUSED") {
        if monitor.text(&["schedule", "pause_status"]) != Some("UNPAUSED") {
            monitor.remove("schedule");
        }
    }
}

/// Also of an artifact that says otherwise.
fn wheels(bundle: &mut Bundle<'_>) {
    if bundle.config.find(&["presets", "artifacts_dynamic_version"]).and_then(Tree::as_bool) != Some(true) {
        return;
    }
    let artifacts = bundle.config.get_mut("artifacts").and_then(Tree::as_map_mut);
    for artifact in artifacts.into_iter().flat_map(|map| map.values_mut()) {
        if artifact.text(&["type"]) == Some("whl") {
            artifact.set(&["dynamic_version"], true);
        }
    }
}

fn prefix_names(bundle: &mut Bundle<'_>, prefix: &str) {
    let plain = plain_prefix(prefix);
    let schemas_keep = bundle.config.find(&["experimental", "skip_name_prefix_for_schema"]).and_then(Tree::as_bool);
    for kind in kinds::ALL {
        if kind.name == "schemas" && schemas_keep == Some(true) {
            continue;
        }
        for resource in resources(bundle, kind.name).filter(|r| r.as_map().is_some()) {
            let name = resource.get(kind.name_field).and_then(Tree::as_str).unwrap_or_default();
            let renamed = match kind.prefix {
                Prefix::LastSegment => experiment_name(name, prefix),
                Prefix::Verbatim if !prefix.is_empty() => format!("{prefix}{name}"),
                Prefix::Normalised if !prefix.is_empty() => format!("{plain}{name}"),
                _ => continue,
            };
            resource.set(&[kind.name_field], renamed);
        }
    }
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
    if folder == "." { format!("{prefix}{base}") } else { format!("{folder}/{prefix}{base}") }
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
    for (kind, field) in [("jobs", "tags"), ("pipelines", "tags")] {
        for resource in resources(bundle, kind).filter(|r| r.as_map().is_some()) {
            for (key, value) in &tags {
                if resource.text(&[field, key]).is_none() {
                    resource.set(&[field, key], Node::String(value.as_str().unwrap_or_default().to_owned()));
                }
            }
        }
    }
    let mut sorted: Vec<(&String, &Tree)> = tags.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    let tags: Vec<(&str, &str)> = sorted.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap_or_default())).collect();
    for (kind, field) in [("experiments", "tags"), ("models", "tags")] {
        for resource in resources(bundle, kind).filter(|r| r.as_map().is_some()) {
            tags.iter().for_each(|(key, value)| tag(resource, &[field], key, value));
        }
    }
    let cloud = bundle.cloud();
    for kind in ["clusters", "instance_pools"] {
        for resource in resources(bundle, kind).filter(|r| r.as_map().is_some()) {
            for (key, value) in tags.iter().map(|(key, value)| (cloud.key(key), cloud.value(value))) {
                if resource.text(&["custom_tags", &key]).is_none() {
                    resource.set(&["custom_tags", &key], value);
                }
            }
        }
    }
    for warehouse in resources(bundle, "sql_warehouses").filter(|r| r.as_map().is_some()) {
        for (key, value) in &tags {
            tag(warehouse, &["tags", "custom_tags"], &cloud.key(key), &cloud.value(value));
        }
    }
}

/// Adds to a list of keys and values what it does not have.
fn tag(resource: &mut Tree, field: &[&str], key: &str, value: &str) {
    let list = resource.find(field).and_then(Tree::as_list);
    if list.unwrap_or_default().iter().any(|tag| tag.text(&["key"]) == Some(key)) {
        return;
    }
    if list.is_none() {
        resource.set(field, Tree::list());
    }
    let mut tag = Tree::map();
    tag.set(&["key"], key);
    tag.set(&["value"], value);
    if let Some(list) = resource.find_mut(field).and_then(Tree::as_list_mut) {
        list.push(tag);
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
