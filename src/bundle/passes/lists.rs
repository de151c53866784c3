//! Lists whose items have names: declared twice, they are one item.
//!
//! A target overrides one task of a job by naming it; merging appended it to the list, and
//! here the two become one. The later one wins field by field, as everywhere; what an app uses is replaced whole.

use std::collections::HashMap;

use crate::bundle::kinds;
use crate::bundle::load::merge::{self, NameOf};
use crate::bundle::passes::bundle::Bundle;
use crate::domain::{Map, Node, Tree};

/// The pass.
pub fn merge_named(bundle: &mut Bundle<'_>) {
    for job in resources(bundle, "jobs") {
        named(job, "job_clusters", "job_cluster_key");
        named(job, "parameters", "name");
        named(job, "tasks", "task_key");
        if let Some(tasks) = job.get_mut("tasks").and_then(Tree::as_list_mut) {
            tasks.sort_by(|a, b| name(a, "task_key").cmp(name(b, "task_key")));
        }
    }
    for pipeline in resources(bundle, "pipelines") {
        let clusters = pipeline.get_mut("clusters").and_then(Tree::as_list_mut);
        for cluster in clusters.into_iter().flatten() {
            let label = cluster.text(&["label"]).unwrap_or("default").to_lowercase();
            if cluster.is_null() || cluster.as_map().is_some() {
                cluster.set(&["label"], label);
            }
        }
        named(pipeline, "clusters", "label");
    }
    for app in resources(bundle, "apps") {
        joined(app, "resources", "name", merge::replace_by_key);
    }
    for kind in kinds::with_grants() {
        for resource in resources(bundle, kind) {
            grants(resource);
        }
    }
}

/// The resources of a kind, each to be edited.
pub fn resources<'b>(bundle: &'b mut Bundle<'_>, kind: &str) -> impl Iterator<Item = &'b mut Tree> {
    by_key(bundle, kind).map(|(_, resource)| resource)
}

pub fn by_key<'b>(bundle: &'b mut Bundle<'_>, kind: &str) -> impl Iterator<Item = (&'b String, &'b mut Tree)> {
    let group = bundle.config.find_mut(&["resources", kind]).and_then(Tree::as_map_mut);
    group.into_iter().flat_map(Map::iter_mut)
}

fn name<'t>(item: &'t Tree, key: &str) -> &'t str {
    item.get(key).and_then(Tree::as_str).unwrap_or_default()
}

fn named(tree: &mut Tree, list: &str, key: &str) {
    joined(tree, list, key, merge::merge_by_key);
}

fn joined(tree: &mut Tree, list: &str, key: &str, join: fn(&mut Vec<Tree>, NameOf<'_>)) {
    if let Some(list) = tree.get_mut(list).and_then(Tree::as_list_mut) {
        for item in list.iter_mut().filter(|item| item.get(key).is_none()) {
            item.set(&[key], "");
        }
        join(list, &|item| name(item, key).to_owned());
        // An item without a name is named by an empty text from here on.
        for item in
            list.iter_mut().filter(|item| key != "principal" && item.as_map().is_some() && item.get(key).is_none())
        {
            item.set(&[key], "");
        }
    }
}

/// One entry for each principal, each privilege once.
fn grants(resource: &mut Tree) {
    if let Some(list) = resource.get_mut("grants").and_then(Tree::as_list_mut) {
        merge::merge_by_key(list, &|item| name(item, "principal").to_owned());
    }
    for grant in resource.get_mut("grants").and_then(Tree::as_list_mut).into_iter().flatten() {
        if let Some(privileges) = grant.get_mut("privileges").and_then(Tree::as_list_mut) {
            let mut seen = HashMap::new();
            privileges.retain(|p| match &p.node {
                Node::String(text) => seen.insert(text.clone(), ()).is_none(),
                _ => true,
            });
        }
    }
}
