//! Where in the workspace a target lives: who deploys, and the folders that follow from it.
//!
//! All of it comes before references are resolved: a folder may name variables, and a
//! variable may name a folder.

use crate::bundle::fields;
use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::names;
use crate::bundle::source::clean;
use crate::bundle::syntax::reference;
use crate::domain::{Diagnostic, Node, Path, Tree};

const FOLDERS: [(&str, &str); 4] =
    [("file_path", "files"), ("artifact_path", "artifacts"), ("state_path", "state"), ("resource_path", "resources")];

/// Who deploys becomes part of the configuration, so that references may name it.
pub fn current_user(bundle: &mut Bundle<'_>) {
    if let Some(host) = bundle.config.text(&["workspace", "host"]).filter(|h| reference::is_in(h)) {
        let url = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
        let what = format!("failed during request visitor: parse \"{url}\": invalid character \"{{\" in host name");
        return bundle.report(Diagnostic::error(what));
    }
    let Some(user) = &bundle.facts.user else { return };
    let principal = user.is_service_principal();
    let mut tree = if user.profile.as_map().is_some() { user.profile.clone() } else { Tree::map() };
    // What the type has no field for is dropped unsaid: a workspace may say more of a person, and the bundle's author
    // can do nothing about it.
    fields::normalize(&mut tree, "bundle.User", &mut Vec::new());
    tree.set(&["userName"], user.user_name.as_str());
    if !user.id.is_empty() {
        tree.set(&["id"], user.id.as_str());
    }
    tree.set(&["short_name"], names::short_name(&user.user_name, &user.display_name, principal));
    let friendly = names::domain_friendly_name(&user.user_name, &user.display_name, principal);
    tree.set(&["domain_friendly_name"], friendly);
    bundle.config.set(&["workspace", "current_user"], tree);
}

/// `root_path` and the folders below it, where nobody named them.
pub fn folders(bundle: &mut Bundle<'_>) {
    let config = &mut bundle.config;
    if config.text(&["workspace", "root_path"]).is_none() {
        let (Some(name), target) = (config.text(&["bundle", "name"]), bundle.target.as_str()) else {
            let what = "unable to define default workspace root: bundle name not defined";
            return bundle.report(Diagnostic::error(what));
        };
        let root = format!("~/.bundle/{name}/{target}");
        config.set(&["workspace", "root_path"], root);
    }
    let root = config.text(&["workspace", "root_path"]).unwrap_or_default().to_owned();
    let root = match root.strip_prefix("~/") {
        Some(rest) => {
            // Unknown while offline: then the folder keeps a reference.
            let user = config.text(&["workspace", "current_user", "userName"]);
            let expanded = clean(&format!("/Workspace/Users/{}/{rest}", user.unwrap_or(USER)));
            config.set(&["workspace", "root_path"], expanded.as_str());
            expanded
        }
        None => root,
    };
    for (key, folder) in FOLDERS {
        if config.text(&["workspace", key]).is_none() {
            config.set(&["workspace", key], clean(&format!("{root}/{folder}")));
        }
    }
    for key in FOLDERS.iter().map(|(key, _)| *key).chain(["root_path"]) {
        let Some(path) = config.text(&["workspace", key]) else { continue };
        let rooted = path.starts_with('/') && !["/Workspace/", "/Volumes/"].iter().any(|p| path.starts_with(p));
        if rooted {
            let prefixed = format!("/Workspace{path}");
            config.set(&["workspace", key], prefixed);
        }
    }
}

const USER: &str = "${workspace.current_user.userName}";

/// `/Workspace/${workspace.root_path}` was needed once and doubles the prefix now.
pub fn doubled_prefix(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    let mut path = Path::root();
    rewrite(&mut bundle.config, &mut path, &mut found);
    bundle.diagnostics.extend(found);
}

fn rewrite(tree: &mut Tree, path: &mut Path, found: &mut Vec<Diagnostic>) {
    match &mut tree.node {
        Node::String(text) if text.contains("/Workspace") && text.contains("${workspace.") => {
            let mut now = text.clone();
            for slash in ["/", ""] {
                for key in ["root_path", "file_path", "artifact_path", "state_path"] {
                    let old = format!("/Workspace{slash}${{workspace.{key}}}");
                    if now.contains(&old) {
                        let new = now.replace(&old, &format!("${{workspace.{key}}}"));
                        let what = format!("substring \"{old}\" found in \"{text}\". Please update this to \"{new}\".");
                        let mut diagnostic = Diagnostic::warning(what).path(&*path);
                        diagnostic.origins.clone_from(&tree.origins);
                        found.push(diagnostic);
                        now = new;
                    }
                }
            }
            *text = now;
        }
        Node::List(list) => {
            for (i, item) in list.iter_mut().enumerate() {
                path.push_index(i);
                rewrite(item, path, found);
                path.pop();
            }
        }
        Node::Map(map) => {
            for (key, value) in map.iter_mut() {
                path.push_key(key);
                rewrite(value, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// What the repository says about the bundle; a branch that a target pins stays beside the
/// actual one.
pub fn git(bundle: &mut Bundle<'_>) {
    let Some(git) = bundle.facts.git.clone() else {
        // Without a repository it is seen from the root of the files, which has said so where it lies higher up.
        if bundle.sync_root == "." {
            bundle.config.set(&["bundle", "git", "bundle_root_path"], ".");
        }
        return;
    };
    let config = &mut bundle.config;
    if let Some(branch) = git.branch.filter(|b| !b.is_empty()) {
        if config.text(&["bundle", "git", "branch"]).is_none() {
            config.set(&["bundle", "git", "branch"], branch.as_str());
        }
        config.set(&["bundle", "git", "actual_branch"], branch);
    }
    for (key, value) in [("commit", git.commit), ("origin_url", git.origin_url)] {
        if let Some(value) = value.filter(|v| !v.is_empty())
            && config.text(&["bundle", "git", key]).is_none()
        {
            config.set(&["bundle", "git", key], value);
        }
    }
    config.set(&["bundle", "git", "bundle_root_path"], git.bundle_path);
}
