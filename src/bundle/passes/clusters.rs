//! Clusters of jobs: one cluster for all tasks on wish, and settings that exclude each other.

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::lists::resources;
use crate::domain::{Diagnostic, Tree};

/// The pass: `--cluster-id`, or `bundle.cluster_id`, takes the place of every task's compute.
pub fn replace_compute(bundle: &mut Bundle<'_>) {
    let development = bundle.config.text(&["bundle", "mode"]) == Some("development");
    let by_flag = bundle.options.cluster_id.clone().filter(|id| !id.is_empty());
    let by_environment = bundle.options.environment.get("DATABRICKS_CLUSTER_ID").cloned().filter(|id| !id.is_empty());
    let mut ours = None;
    if let Some(id) = by_flag {
        bundle.config.set(&["bundle", "cluster_id"], id);
    } else if let Some(id) = by_environment {
        if development {
            ours = Some(id);
        } else {
            let what = "The DATABRICKS_CLUSTER_ID variable is set but is ignored since the current target \
                        does not use 'mode: development'";
            bundle.report(Diagnostic::warning(what));
        }
    }
    let Some(id) = ours.or_else(|| bundle.config.text(&["bundle", "cluster_id"]).map(str::to_owned)) else { return };
    if bundle.config.text(&["bundle", "mode"]) == Some("production") {
        let what = "Setting a cluster override for a target that uses 'mode: production' is not recommended";
        let why = "A production target does best to use the same compute every time.";
        bundle.report(Diagnostic::warning(what).detail(why));
    }
    for job in resources(bundle, "jobs") {
        for task in job.get_mut("tasks").and_then(Tree::as_list_mut).into_iter().flatten() {
            on_cluster(task, &id);
            if let Some(inner) = task.find_mut(&["for_each_task", "task"]) {
                on_cluster(inner, &id);
            }
        }
    }
}

fn on_cluster(task: &mut Tree, id: &str) {
    const COMPUTE: [&str; 4] = ["new_cluster", "job_cluster_key", "environment_key", "existing_cluster_id"];
    let names_compute = COMPUTE.iter().any(|key| task.get(key).is_some_and(|v| !v.is_null() && v.as_str() != Some("")));
    if !names_compute {
        return;
    }
    for key in COMPUTE {
        task.remove(key);
    }
    task.set(&["existing_cluster_id"], id);
}

/// The pass: a cluster out of a pool has the pool's machines, and a job cluster without
/// workers says so.
pub fn settle(bundle: &mut Bundle<'_>) {
    for cluster in resources(bundle, "clusters").filter(|c| c.as_map().is_some()) {
        machines_of_pool(cluster);
    }
    for job in resources(bundle, "jobs") {
        for task in job.get_mut("tasks").and_then(Tree::as_list_mut).into_iter().flatten() {
            if let Some(new) = task.get_mut("new_cluster").filter(|c| c.as_map().is_some()) {
                machines_of_pool(new);
            }
        }
        for cluster in job.get_mut("job_clusters").and_then(Tree::as_list_mut).into_iter().flatten() {
            let Some(new) = cluster.get_mut("new_cluster").filter(|c| c.as_map().is_some()) else { continue };
            machines_of_pool(new);
            let unset = |key: &str| new.get(key).is_none_or(Tree::is_null);
            if unset("num_workers") && unset("autoscale") {
                new.set(&["num_workers"], 0i64);
            }
        }
    }
}

/// What the pool decides goes; an identity on the machines stays the cluster's.
fn machines_of_pool(cluster: &mut Tree) {
    if cluster.text(&["instance_pool_id"]).is_none() {
        cluster.remove("driver_instance_pool_id");
        return;
    }
    for key in ["node_type_id", "driver_node_type_id"] {
        cluster.remove(key);
    }
    if cluster.get("enable_elastic_disk").and_then(Tree::as_bool) == Some(true) {
        cluster.remove("enable_elastic_disk");
    }
    const STAYS: [&str; 2] = ["instance_profile_arn", "google_service_account"];
    for key in ["aws_attributes", "azure_attributes", "gcp_attributes"] {
        if let Some(attributes) = cluster.get_mut(key).and_then(Tree::as_map_mut) {
            attributes.retain(|name, _| STAYS.contains(&name.as_str()));
        }
    }
}
