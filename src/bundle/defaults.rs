//! What a resource is when it does not say.

use crate::bundle::lists::resources;
use crate::bundle::resolve::Bundle;
use crate::domain::Tree;

/// The pass that gives every resource its defaults.
pub fn fill(bundle: &mut Bundle<'_>) {
    for job in resources(bundle, "jobs").filter(|j| j.as_map().is_some()) {
        default(job, "name", "Untitled");
        if job.get("max_concurrent_runs").is_none_or(Tree::is_null) {
            job.set(&["max_concurrent_runs"], 1i64);
        }
        if job.get("queue").is_none() {
            job.set(&["queue", "enabled"], true);
        }
        for trigger in ["schedule", "continuous", "trigger"] {
            let Some(trigger) = job.get_mut(trigger).filter(|t| t.as_map().is_some()) else { continue };
            if trigger.text(&["pause_status"]).is_none() {
                trigger.set(&["pause_status"], "UNPAUSED");
            }
        }
    }
    for pipeline in resources(bundle, "pipelines").filter(|p| p.as_map().is_some()) {
        default(pipeline, "edition", "ADVANCED");
        default(pipeline, "channel", "CURRENT");
    }
    for volume in resources(bundle, "volumes").filter(|v| v.as_map().is_some()) {
        default(volume, "volume_type", "MANAGED");
    }
}

fn default(tree: &mut Tree, key: &str, value: &str) {
    if tree.get(key).is_none_or(Tree::is_null) {
        tree.set(&[key], value);
    }
}

/// The pass at the end: jobs and pipelines say that a bundle made them, and are locked in the UI.
pub fn annotate(bundle: &mut Bundle<'_>) {
    let state = bundle.config.text(&["workspace", "state_path"]).unwrap_or_default();
    let metadata = crate::bundle::source::clean(&format!("{state}/metadata.json"));
    for kind in ["jobs", "pipelines"] {
        for resource in resources(bundle, kind).filter(|r| r.as_map().is_some()) {
            let mut deployment = Tree::map();
            deployment.set(&["kind"], "BUNDLE");
            deployment.set(&["metadata_file_path"], metadata.as_str());
            resource.set(&["deployment"], deployment);
            if kind == "jobs" {
                resource.set(&["edit_mode"], "UI_LOCKED");
                resource.set(&["format"], "MULTI_TASK");
            }
        }
    }
}
