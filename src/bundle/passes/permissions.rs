//! Who may do what with the resources: the bundle's permissions, mapped to each kind.
//!
//! A deployment that locks out its own deployer could never be repeated: so whoever deploys
//! is added to every list that is written, as owner where a kind has owners and nobody else is.

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::lists::resources;
use crate::domain::{Diagnostic, Map, Node, Tree};

use crate::bundle::kinds::{self, Entries, Levels};

const LEVELS: [&str; 3] = ["CAN_MANAGE", "CAN_VIEW", "CAN_RUN"];

/// A kind with permissions: what the bundle's levels are called there.
struct Kind {
    name: &'static str,
    mapped: [Option<&'static str>; 3],
    has_owner: bool,
    /// Each principal once, and whoever deploys among them.
    is_merged: bool,
}

fn kinds() -> impl Iterator<Item = Kind> {
    kinds::ALL.iter().filter_map(|kind| {
        let child = kind.child?;
        let Levels::Of { manage, view, run, owner } = child.levels else { return None };
        let is_merged = child.entries == Entries::Written;
        Some(Kind { name: kind.name, mapped: [Some(manage), view, run], has_owner: owner, is_merged })
    })
}

/// From the weakest to the strongest; a principal named twice keeps the strongest.
const RANKS: [&str; 15] = [
    "CAN_READ",
    "CAN_VIEW",
    "CAN_ATTACH_TO",
    "CAN_USE",
    "CAN_QUERY",
    "CAN_RUN",
    "CAN_MONITOR",
    "CAN_RESTART",
    "CAN_EDIT",
    "CAN_MANAGE_STAGING_VERSIONS",
    "CAN_MANAGE_PRODUCTION_VERSIONS",
    "CAN_MANAGE_RUN",
    "CAN_MANAGE",
    "IS_OWNER",
    "IS_RUN_AS",
];

fn rank(level: &str) -> usize {
    RANKS.iter().position(|known| *known == level).unwrap_or(0)
}

/// The pass.
pub fn apply(bundle: &mut Bundle<'_>) {
    let list = bundle.config.get_mut("permissions").and_then(Tree::as_list_mut);
    let mut wanted = Vec::new();
    for entry in list.into_iter().flatten() {
        if entry.is_null() {
            entry.node = Node::Map(Map::new());
        } else {
            wanted.push(entry.clone());
        }
    }
    let nothing = |group: &Tree| group.as_map().is_none_or(Map::is_empty);
    let groups = bundle.config.get("resources").and_then(Tree::as_map).into_iter().flat_map(Map::values);
    if groups.into_iter().all(nothing) {
        return;
    }
    for entry in &wanted {
        let level = entry.text(&["level"]).unwrap_or_default();
        if !LEVELS.contains(&level) {
            let allowed = LEVELS.join(", ");
            let mut what = Diagnostic::error(format!("invalid permission level: {level}, allowed values: [{allowed}]"));
            what.place = entry.origin().cloned();
            return bundle.report(what);
        }
    }
    let mut found = Vec::new();
    for kind in kinds() {
        for resource in resources(bundle, kind.name).filter(|r| r.as_map().is_some()) {
            add(resource, &kind, &wanted, &mut found);
        }
    }
    bundle.diagnostics.extend(found);
}

/// The pass: each principal once, and whoever deploys among them.
pub fn settle(bundle: &mut Bundle<'_>) {
    let me = deployer(bundle);
    for kind in kinds() {
        for resource in resources(bundle, kind.name).filter(|r| r.as_map().is_some()) {
            if let Some(list) = resource.get_mut("permissions").and_then(Tree::as_list_mut).filter(|_| kind.is_merged) {
                let merged = merged(list, &kind, me.as_ref());
                *list = merged;
            }
            // Written anew, entries are nowhere in a file; `merged` makes new ones.
            for entry in resource.get_mut("permissions").and_then(Tree::as_list_mut).into_iter().flatten() {
                entry.origins.clear();
                if let Some(fields) = entry.as_map_mut() {
                    fields.retain(|field, value| field != "level" || value.as_str() != Some(""));
                    fields.values_mut().for_each(|value| value.origins.clear());
                }
            }
            if resource.get("permissions").and_then(Tree::as_list).is_some_and(<[Tree]>::is_empty) {
                resource.remove("permissions");
            }
        }
    }
}

/// The bundle's entries for one resource; who is named there already keeps what it has.
fn add(resource: &mut Tree, kind: &Kind, wanted: &[Tree], found: &mut Vec<Diagnostic>) {
    let own: Vec<(&'static str, String)> = resource
        .get("permissions")
        .and_then(Tree::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(principal)
        .map(|(key, name)| (key, name.to_owned()))
        .collect();
    for entry in wanted {
        let level = entry.text(&["level"]).unwrap_or_default();
        let Some(mapped) = LEVELS.iter().position(|l| *l == level).and_then(|at| kind.mapped[at]) else { continue };
        let Some((key, name)) = principal(entry) else { continue };
        if own.iter().any(|(k, n)| *k == key && n == name) {
            let sort = match key {
                "user_name" => "user name",
                "group_name" => "group",
                _ => "service principal name",
            };
            found.push(Diagnostic::warning(format!("'{}' already has permissions set for '{name}' {sort}", kind.name)));
            continue;
        }
        if resource.get("permissions").and_then(Tree::as_list).is_none() {
            resource.set(&["permissions"], Tree::list());
        }
        if let Some(list) = resource.get_mut("permissions").and_then(Tree::as_list_mut) {
            list.push(grant(key, name, mapped));
        }
    }
}

fn principal(entry: &Tree) -> Option<(&'static str, &str)> {
    ["user_name", "service_principal_name", "group_name"].into_iter().find_map(|key| Some((key, entry.text(&[key])?)))
}

fn grant(key: &str, name: &str, level: &str) -> Tree {
    let mut tree = Tree::map();
    tree.set(&["level"], level);
    tree.set(&[key], name);
    tree
}

/// Each principal once, with its strongest level, and whoever deploys among them.
fn merged(list: &[Tree], kind: &Kind, me: Option<&(&'static str, String)>) -> Vec<Tree> {
    let mut entries: Vec<(&'static str, String, String)> = Vec::new();
    for entry in list {
        let Some((key, name)) = principal(entry) else { continue };
        // Without a level an entry gives nothing to anybody.
        let Some(level) = entry.text(&["level"]) else { continue };
        match entries.iter_mut().find(|(k, n, _)| *k == key && n == name) {
            Some((_, _, there)) if rank(level) > rank(there) => level.clone_into(there),
            Some(_) => {}
            None => entries.push((key, name.to_owned(), level.to_owned())),
        }
    }
    if list.is_empty() {
        return Vec::new();
    }
    if let Some((key, name)) = me {
        // A person and a service principal are told apart by the name, not by the field.
        let is_me = |k: &str, n: &str| k != "group_name" && n == name;
        let owned = list.iter().any(|entry| {
            entry.text(&["level"]) == Some("IS_OWNER") && principal(entry).is_none_or(|(k, n)| !is_me(k, n))
        });
        let level = if kind.has_owner && !owned { "IS_OWNER" } else { "CAN_MANAGE" };
        match entries.iter_mut().find(|(k, n, _)| is_me(k, n)) {
            Some((_, _, there)) if rank(there) >= rank(level) => {}
            Some((_, _, there)) => level.clone_into(there),
            None => entries.push((key, name.clone(), level.to_owned())),
        }
    }
    entries.into_iter().map(|(key, name, level)| grant(key, &name, &level)).collect()
}

fn deployer(bundle: &Bundle<'_>) -> Option<(&'static str, String)> {
    let user = bundle.facts.user.as_ref()?;
    let key = if user.is_service_principal() { "service_principal_name" } else { "user_name" };
    Some((key, user.user_name.clone()))
}

/// The pass: a list that forgets its deployer works for that one alone.
pub fn deployer_is_named(bundle: &mut Bundle<'_>) {
    let Some(list) = bundle.config.get("permissions").filter(|l| l.as_list().is_some_and(|l| !l.is_empty())) else {
        return;
    };
    let Some(user) = &bundle.facts.user else { return };
    let named = list.as_list().unwrap_or_default().iter().any(|entry| {
        let may_manage = entry.text(&["level"]) == Some("CAN_MANAGE");
        may_manage
            && match principal(entry) {
                Some(("group_name", group)) => user.groups.iter().any(|g| g == group),
                Some((_, name)) => name == user.user_name,
                None => false,
            }
    });
    if named {
        return;
    }
    let key = if user.is_service_principal() { "service_principal_name" } else { "user_name" };
    let what = format!(
        "permissions section should explicitly include the current deployment identity '{}' or one of its groups\n\
         Otherwise it has CAN_MANAGE only as long as it is the one that deploys.\n\n\
         Add for example:\n\n  permissions:\n    - {key}: {}\n      level: CAN_MANAGE\n",
        user.user_name, user.user_name
    );
    let diagnostic = Diagnostic::recommendation(what).at_tree(list);
    bundle.report(diagnostic);
}

/// The pass: everybody of the workspace may write below `/Workspace/Shared`.
pub fn shared_root(bundle: &mut Bundle<'_>) {
    let root = bundle.config.text(&["workspace", "root_path"]).unwrap_or_default();
    if !root.starts_with("/Workspace/Shared/") {
        return;
    }
    let list = bundle.config.get("permissions").and_then(Tree::as_list).unwrap_or_default();
    let users = |e: &Tree| e.text(&["group_name"]) == Some("users") && e.text(&["level"]) == Some("CAN_MANAGE");
    if list.iter().any(users) {
        return;
    }
    let detail = "Everybody may read and write in /Workspace/Shared. Say so with CAN_MANAGE for 'group_name: users' \
                  in the bundle's permissions, or move the bundle to a folder such as /Workspace/Users/<username>.";
    let what = format!("the bundle root path {root} is writable by all workspace users");
    bundle.report(Diagnostic::warning(what).detail(detail));
}
