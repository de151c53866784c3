//! What is still wrong when a target is resolved: found last, printed with everything else.

use crate::bundle::fields;
use crate::bundle::kinds;
use crate::bundle::passes::bundle::Bundle;
use crate::domain::{Diagnostic, Map, Path, Tree};

/// The pass: required fields and enum values, before what follows from them is filled in.
pub fn fields(bundle: &mut Bundle<'_>) {
    let found = fields::required(&bundle.config, fields::ROOT);
    bundle.diagnostics.extend(found);
    let found = fields::enums(&bundle.config, fields::ROOT);
    bundle.diagnostics.extend(found);
}

/// The pass: clusters that tasks name, and tasks that name none.
pub fn clusters(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    for (key, job) in group(&bundle.config, "jobs") {
        job_clusters(job, &Path::of(&["resources", "jobs", key]), &mut found);
    }
    bundle.diagnostics.extend(found);
}

/// The pass: clusters without workers.
pub fn single_nodes(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    for (key, cluster) in group(&bundle.config, "clusters") {
        single_node(cluster, &Path::of(&["resources", "clusters", key]), &mut found);
    }
    for (key, job) in group(&bundle.config, "jobs") {
        let at = Path::of(&["resources", "jobs", key]);
        for (i, cluster) in items(job, "job_clusters") {
            if let Some(new) = cluster.get("new_cluster") {
                single_node(new, &at.clone().key("job_clusters").index(i).key("new_cluster"), &mut found);
            }
        }
        for (i, task) in items(job, "tasks") {
            let at = at.clone().key("tasks").index(i);
            let inner =
                task.find(&["for_each_task", "task"]).map(|inner| (inner, at.clone().key("for_each_task").key("task")));
            for (task, at) in [(task, at)].into_iter().chain(inner) {
                if let Some(new) = task.get("new_cluster") {
                    single_node(new, &at.key("new_cluster"), &mut found);
                }
            }
        }
    }
    for (key, pipeline) in group(&bundle.config, "pipelines") {
        let at = Path::of(&["resources", "pipelines", key]);
        for (i, cluster) in items(pipeline, "clusters") {
            single_node(cluster, &at.clone().key("clusters").index(i), &mut found);
        }
    }
    bundle.diagnostics.extend(found);
}

fn group<'t>(config: &'t Tree, kind: &str) -> impl Iterator<Item = (&'t String, &'t Tree)> {
    config.find(&["resources", kind]).and_then(Tree::as_map).into_iter().flatten()
}

fn items<'t>(tree: &'t Tree, key: &str) -> impl Iterator<Item = (usize, &'t Tree)> {
    tree.get(key).and_then(Tree::as_list).unwrap_or_default().iter().enumerate()
}

fn job_clusters(job: &Tree, at: &Path, found: &mut Vec<Diagnostic>) {
    let keys: Vec<&str> = items(job, "job_clusters").filter_map(|(_, c)| c.text(&["job_cluster_key"])).collect();
    for (i, task) in items(job, "tasks") {
        let at = at.clone().key("tasks").index(i);
        task_cluster(task, &at, &keys, found);
        if let Some(inner) = task.find(&["for_each_task", "task"]) {
            task_cluster(inner, &at.key("for_each_task").key("task"), &keys, found);
        }
    }
}

/// Tasks that run code of their own, somewhere.
const NEEDS_COMPUTE: [&str; 5] =
    ["spark_python_task", "python_wheel_task", "spark_jar_task", "spark_submit_task", "dbt_task"];
const COMPUTE: [&str; 3] = ["job_cluster_key", "environment_key", "existing_cluster_id"];

fn task_cluster(task: &Tree, at: &Path, keys: &[&str], found: &mut Vec<Diagnostic>) {
    if let Some(key) = task.text(&["job_cluster_key"]).filter(|key| !keys.contains(key)) {
        let what = Diagnostic::warning(format!("job_cluster_key {key} is not defined"));
        let place = task.get("job_cluster_key").map(|t| t.origins.clone()).unwrap_or_default();
        found.push(what.path(at.clone().key("job_cluster_key")).at(place));
    }
    let is_set = |key: &str| task.get(key).is_some_and(|t| !t.is_null());
    let placed = COMPUTE.iter().any(|key| task.text(&[key]).is_some()) || is_set("new_cluster");
    if !placed && NEEDS_COMPUTE.iter().any(|key| is_set(key)) {
        let name = task.text(&["task_key"]).unwrap_or_default();
        let detail = format!(
            "Task \"{name}\" runs on a cluster or in an environment: \
             set one of {}, new_cluster.",
            COMPUTE.join(", ")
        );
        let what = Diagnostic::error("Missing required cluster or environment settings");
        found.push(what.path(at).at_tree(task).detail(detail));
    }
}

/// No workers at all is one machine, and wants the settings of one machine.
fn single_node(cluster: &Tree, at: &Path, found: &mut Vec<Diagnostic>) {
    // A zero that nobody wrote was filled in for the workspace's sake.
    let asked = cluster.get("num_workers").is_some_and(|n| n.as_int() == Some(0) && !n.origins.is_empty());
    let managed = cluster.text(&["policy_id"]).is_some()
        || cluster.get("is_single_node").and_then(Tree::as_bool) == Some(true)
        || cluster.get("autoscale").is_some_and(|a| !a.is_null());
    if !asked || managed {
        return;
    }
    let profile = cluster.text(&["spark_conf", "spark.databricks.cluster.profile"]);
    let master = cluster.text(&["spark_conf", "spark.master"]).unwrap_or_default();
    let class = cluster.text(&["custom_tags", "ResourceClass"]);
    if profile == Some("singleNode") && master.starts_with("local") && class == Some("SingleNode") {
        return;
    }
    let detail = "num_workers: 0 makes a cluster of one machine. It needs, besides:\n\n  \
                  spark_conf:\n    spark.databricks.cluster.profile: singleNode\n    spark.master: local[*]\n\n  \
                  custom_tags:\n    ResourceClass: SingleNode\n";
    found.push(
        Diagnostic::warning("Single node cluster is not correctly configured").path(at).at_tree(cluster).detail(detail),
    );
}

/// The pass: an etag is the workspace's to give.
pub fn etags(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    for (key, dashboard) in group(&bundle.config, "dashboards").filter(|(_, d)| d.text(&["etag"]).is_some()) {
        let name = dashboard.text(&["display_name"]).unwrap_or_default();
        let what = format!("dashboard {name:?} has an etag set. Etags must not be set in bundle configuration");
        found.push(Diagnostic::error(what).path(Path::of(&["resources", "dashboards", key])).at_tree(dashboard));
    }
    bundle.diagnostics.extend(found);
}

/// The pass: the key is a resource's name in plan and state.
pub fn keys(bundle: &mut Bundle<'_>) {
    let groups = bundle.config.get("resources").and_then(Tree::as_map).into_iter().flat_map(Map::values);
    let nameless = groups.filter_map(Tree::as_map).find_map(|group| group.get(""));
    if let Some(resource) = nameless {
        let what = Diagnostic::error("failed to collect resources: can't parse resource key");
        let what = what.at_tree(resource).detail("The key of a resource must not be empty.");
        bundle.report(what);
    }
}

/// The pass: what the workspace would not take without a name.
pub fn names(bundle: &mut Bundle<'_>) {
    const NEEDED: [(&str, &str, &[&str]); 2] = [
        ("dashboards", "dashboard", &["display_name", "warehouse_id"]),
        ("sql_warehouses", "sql_warehouse", &["name"]),
    ];
    let mut found = Vec::new();
    for (kind, word, fields) in NEEDED {
        for (key, resource) in group(&bundle.config, kind) {
            for field in fields.iter().filter(|field| resource.text(&[field]).is_none()) {
                let what = Diagnostic::error(format!("{word} {field} is required"));
                found.push(what.path(Path::of(&["resources", kind, key])).at_tree(resource));
            }
        }
    }
    bundle.diagnostics.extend(found);
}

/// The pass: an app gets its code from one place, and no two from the same folder.
pub fn apps(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    let mut folders: Vec<(&str, &str, &Tree)> = Vec::new();
    for (key, app) in group(&bundle.config, "apps") {
        let from_repository = app.get("git_source").is_some_and(|g| !g.is_null());
        let (what, why) = match (app.text(&["source_code_path"]), from_repository) {
            (None, false) => ("Missing app source code path or git source", "needs a source_code_path or a git_source"),
            (Some(_), true) => ("Both source_code_path and git_source fields are set", "takes one of the two"),
            (Some(folder), false) => {
                folders.push((folder, key, app.get("source_code_path").unwrap_or(app)));
                continue;
            }
            (None, true) => continue,
        };
        found.push(Diagnostic::error(what).at_tree(app).detail(format!("App '{key}' {why}.")));
    }
    for (at, (folder, key, place)) in folders.iter().enumerate() {
        if let Some((_, other, _)) = folders[at + 1..].iter().find(|(other, _, _)| other == folder) {
            let why = format!("Apps '{key}' and '{other}' would write their configuration over one another.");
            found.push(Diagnostic::error("Duplicate app source code path").at_tree(place).detail(why));
        }
    }
    bundle.diagnostics.extend(found);
}

/// The pass: grants name somebody and something, and permissions of a secret scope somebody.
pub fn grants(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    for kind in kinds::with_grants() {
        for (key, resource) in group(&bundle.config, kind) {
            for (i, grant) in items(resource, "grants") {
                let at = Path::of(&["resources", kind, key, "grants"]).index(i);
                if grant.text(&["principal"]).is_none() {
                    found.push(Diagnostic::error("grant principal is required").path(&at).at_tree(grant));
                }
                if grant.get("privileges").and_then(Tree::as_list).is_none_or(<[Tree]>::is_empty) {
                    found.push(Diagnostic::error("grant privileges is required").path(&at).at_tree(grant));
                }
            }
        }
    }
    for (key, scope) in group(&bundle.config, "secret_scopes") {
        for (i, entry) in items(scope, "permissions") {
            let names = ["user_name", "group_name", "service_principal_name"];
            if names.iter().all(|name| entry.text(&[name]).is_none()) {
                let at = Path::of(&["resources", "secret_scopes", key, "permissions"]).index(i);
                let what = Diagnostic::error("secret scope permission principal is required");
                found.push(what.path(&at).at_tree(scope).detail(format!("Set one of {}", names.join(", "))));
            }
        }
    }
    bundle.diagnostics.extend(found);
}

/// The pass: nobody knows what another level in a secret scope would be.
pub fn levels_of_secret_scopes(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    for (key, scope) in group(&bundle.config, "secret_scopes") {
        let levels = items(scope, "permissions").map(|(_, entry)| entry.text(&["level"]).unwrap_or_default());
        if let Some(level) = levels.into_iter().find(|level| !["READ", "WRITE", "MANAGE"].contains(level)) {
            let what = Diagnostic::error("the permissions of a secret scope cannot be set").at_tree(scope);
            let why = format!("`{level}` is no level of a secret scope: READ, WRITE or MANAGE");
            found.push(what.path(Path::of(&["resources", "secret_scopes", key])).detail(why));
        }
    }
    bundle.diagnostics.extend(found);
}

/// The pass: only artifacts may go to a volume.
pub fn volumes_hold_artifacts_only(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    for key in ["root_path", "file_path", "state_path", "resource_path"] {
        let Some(tree) = bundle.config.find(&["workspace", key]) else { continue };
        if let Some(path) = tree.as_str().filter(|p| p.starts_with("/Volumes/")) {
            let what = format!(
                "workspace.{key} {path} starts with /Volumes. /Volumes can only be used with workspace.artifact_path."
            );
            found.push(Diagnostic::error(what).path(format!("workspace.{key}")).at_tree(tree));
        }
    }
    bundle.diagnostics.extend(found.into_iter().take(1));
}
