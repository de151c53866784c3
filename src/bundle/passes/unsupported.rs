//! What the official engine knows and this one does not: found, named and refused.
//!
//! The list says what is known, not what is unknown: a section, a kind or a setting that
//! nobody thought of is refused as well. Settings without meaning for a deployment pass.

use crate::bundle::kinds;
use crate::bundle::passes::bundle::Bundle;
use crate::bundle::source::clean;
use crate::bundle::syntax::reference;
use crate::domain::{Node, Path, Tree};

/// Sections of a bundle with a meaning here.
const SECTIONS: [&str; 12] = [
    "bundle",
    "definitions",
    "include",
    "workspace",
    "artifacts",
    "resources",
    "sync",
    "permissions",
    "presets",
    "run_as",
    "variables",
    "targets",
];

/// What is refused, and what it is. The README lists it; a test holds each row to what is refused.
pub const REFUSED: &[(&str, &str)] = &[
    ("resources.*", "a kind without a table here: Genie spaces, job runs, secrets"),
    ("resources.apps.*.git_source", "an app that is fetched from a repository"),
    ("resources.apps.*.lifecycle.started", "an app that the deployment starts"),
    ("resources.external_locations.*.effective_enable_file_events", "what only the workspace writes"),
    ("resources.external_locations.*.effective_file_event_queue", "the same"),
    ("bundle.engine: terraform", "the older engine"),
    ("bundle.databricks_cli_version", "a release of the official command that is not the one spoken here"),
    ("variables.*.lookup.dashboard", "an older sort of dashboard, by name"),
    ("artifacts.*.dynamic_version", "wheels that get another version at every build: in stages"),
    ("artifacts.*.executable", "another shell for builds"),
    ("presets.artifacts_dynamic_version", "the same for every wheel: in stages"),
    ("presets.source_linked_deployment", "code that stays where it lies in the workspace"),
    ("workspace.artifact_path", "artifacts in a volume: in stages; by hand in one that the bundle itself makes"),
    ("workspace.file_path", "one with `//`, `/./` or `/../` in it"),
    ("workspace.root_path", "the same"),
    ("experimental.scripts", "hooks: in stages; by hand those that use `DATABRICKS_CLI_PATH`"),
    (
        "experimental.*",
        "everything else but `skip_name_prefix_for_schema` and `python`: immutable folders, deployment history",
    ),
    ("python", "configuration that Python code makes: in stages"),
];

/// The pass.
pub fn constructs(bundle: &mut Bundle<'_>) {
    let config = bundle.config.clone();
    let by_hand = bundle.options.by_hand;
    let mut refuse = |path: &[&str], tree: &Tree| bundle.refuse(Path::of(path), tree);
    for (section, tree) in config.as_map().into_iter().flatten() {
        let empty = tree.is_null() || tree.as_map().is_some_and(indexmap::IndexMap::is_empty);
        if section == "python" && by_hand {
            continue;
        }
        if section == "experimental" {
            experimental(tree, by_hand, &mut refuse);
        } else if section == "scripts" {
            scripts(tree, &mut refuse);
        } else if !SECTIONS.contains(&section.as_str()) && !empty {
            refuse(&[section], tree);
        }
    }
    for (kind, group) in config.get("resources").and_then(Tree::as_map).into_iter().flatten() {
        let empty = group.as_map().is_none_or(indexmap::IndexMap::is_empty);
        if kinds::by_name(kind).is_none() && !empty {
            refuse(&["resources", kind], group);
        }
    }
    for (key, app) in config.find(&["resources", "apps"]).and_then(Tree::as_map).into_iter().flatten() {
        for field in [&["git_source"][..], &["lifecycle", "started"]] {
            if let Some(tree) = app.find(field).filter(|v| is_set(v)) {
                refuse(&[&["resources", "apps", key][..], field].concat(), tree);
            }
        }
    }
    for (key, location) in
        config.find(&["resources", "external_locations"]).and_then(Tree::as_map).into_iter().flatten()
    {
        let told = location.as_map().into_iter().flatten().filter(|(field, _)| field.starts_with("effective_"));
        told.for_each(|(field, tree)| refuse(&["resources", "external_locations", key, field], tree));
    }
    for (name, artifact) in config.get("artifacts").and_then(Tree::as_map).into_iter().flatten() {
        if let Some(tree) = artifact.get("dynamic_version").filter(|v| !by_hand && is_set(v)) {
            refuse(&["artifacts", name, "dynamic_version"], tree);
        }
        if let Some(tree) = artifact.get("executable").filter(|v| is_set(v)) {
            refuse(&["artifacts", name, "executable"], tree);
        }
    }
    for (preset, refused) in [("source_linked_deployment", true), ("artifacts_dynamic_version", !by_hand)] {
        if let Some(tree) = config.find(&["presets", preset]).filter(|v| refused && is_set(v)) {
            refuse(&["presets", preset], tree);
        }
    }
}

/// The pass: folders that the official command itself does not address the same in every request. Seen once their
/// references are resolved.
pub fn places(bundle: &mut Bundle<'_>) {
    let by_hand = bundle.options.by_hand;
    // Before anybody is asked who deploys, a folder of that user has a gap for the name.
    let is_known = bundle.facts.user.as_ref().is_some_and(|user| !user.user_name.is_empty());
    let strange = |key: &str, path: &str| match key {
        "artifact_path" => !is_known_place(path, by_hand),
        _ if !is_known => false,
        _ => path.starts_with('/') && path.strip_suffix('/').unwrap_or(path) != clean(path),
    };
    for key in ["artifact_path", "file_path", "root_path"] {
        let tree = bundle.config.find(&["workspace", key]).cloned().unwrap_or_default();
        if tree.as_str().is_some_and(|path| strange(key, path)) {
            bundle.refuse(format!("workspace.{key}"), &tree);
        }
    }
}

/// Not a volume of this bundle, which may be deployed or not; in a stage no volume at all.
fn is_known_place(artifact_path: &str, by_hand: bool) -> bool {
    !artifact_path.contains("${resources.") && (by_hand || !artifact_path.starts_with("/Volumes/"))
}

fn is_set(tree: &Tree) -> bool {
    match &tree.node {
        Node::Null | Node::Bool(false) => false,
        Node::String(s) => !s.is_empty(),
        Node::List(l) => !l.is_empty(),
        Node::Map(m) => !m.is_empty(),
        _ => true,
    }
}

/// Experiments whose meaning is known; everything else there changes what happens.
fn experimental(tree: &Tree, by_hand: bool, refuse: &mut impl FnMut(&[&str], &Tree)) {
    for (key, value) in tree.as_map().into_iter().flatten().filter(|(_, value)| is_set(value)) {
        match key.as_str() {
            "skip_name_prefix_for_schema" => {}
            "python" if by_hand => {}
            "scripts" if by_hand => hooks(value, refuse),
            _ => refuse(&["experimental", key], value),
        }
    }
}

/// A hook that calls the official command by the name it is given there would find none here.
fn hooks(tree: &Tree, refuse: &mut impl FnMut(&[&str], &Tree)) {
    for (name, script) in tree.as_map().into_iter().flatten() {
        if script.as_str().is_some_and(|text| text.contains("DATABRICKS_CLI_PATH")) {
            refuse(&["experimental", "scripts", name], script);
        }
    }
}

/// A script that is wrong is an error with a text of its own in the official command; here it is refused.
fn scripts(tree: &Tree, refuse: &mut impl FnMut(&[&str], &Tree)) {
    for (key, script) in tree.as_map().into_iter().flatten() {
        let runs = script.text(&["content"]).is_some_and(|text| !text.is_empty() && !reference::is_in(text));
        if !runs {
            refuse(&["scripts", key], script);
        }
    }
}
