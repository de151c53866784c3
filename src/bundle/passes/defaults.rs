//! What a resource is when it does not say.

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::lists::resources;
use crate::bundle::source::join;
use crate::domain::{Node, Tree};

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
        for cluster in job.get_mut("job_clusters").and_then(Tree::as_list_mut).into_iter().flatten() {
            if let Some(new) = cluster.get_mut("new_cluster") {
                clients(new);
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
    for cluster in resources(bundle, "clusters").filter(|c| c.as_map().is_some()) {
        default(cluster, "autotermination_minutes", 60i64);
        clients(cluster);
    }
    for warehouse in resources(bundle, "sql_warehouses").filter(|w| w.as_map().is_some()) {
        default(warehouse, "auto_stop_mins", 120i64);
        default(warehouse, "enable_photon", true);
        default(warehouse, "max_num_clusters", 1i64);
        default(warehouse, "spot_instance_policy", "COST_OPTIMIZED");
    }
    for dashboard in resources(bundle, "dashboards").filter(|d| d.as_map().is_some()) {
        if let Some(parent) = dashboard.get_mut("parent_path")
            && let Some(written) = parent.as_str()
        {
            parent.node = Node::String(in_workspace(written));
        }
    }
    let folder = bundle.config.text(&["workspace", "resource_path"]).unwrap_or_default().to_owned();
    for kind in ["alerts", "dashboards"] {
        for resource in resources(bundle, kind).filter(|r| r.as_map().is_some()) {
            default(resource, "parent_path", folder.as_str());
            if kind == "dashboards" {
                default(resource, "embed_credentials", false);
            }
        }
    }
}

/// A cluster that names who may use it is for everybody that it does not exclude.
fn clients(cluster: &mut Tree) {
    if let Some(clients) = cluster.find_mut(&["workload_type", "clients"]).filter(|c| c.as_map().is_some()) {
        default(clients, "jobs", true);
        default(clients, "notebooks", true);
    }
}

/// A dashboard's folder is named from the root of the workspace, however it is written.
fn in_workspace(folder: &str) -> String {
    match folder == "/Workspace" || folder.starts_with("/Workspace/") {
        true => folder.to_owned(),
        false => join("/Workspace", folder.trim_start_matches('/')),
    }
}

fn default(tree: &mut Tree, key: &str, value: impl Into<Tree>) {
    if tree.get(key).is_none_or(Tree::is_null) {
        tree.set(&[key], value);
    }
}

/// The pass: an app is described, if by an empty text.
pub fn descriptions(bundle: &mut Bundle<'_>) {
    for app in resources(bundle, "apps").filter(|a| a.as_map().is_some()) {
        default(app, "description", "");
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
