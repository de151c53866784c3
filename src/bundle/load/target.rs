//! Choosing a target and laying it over the bundle.
//!
//! A target may override only what is named here; the rest of its keys are unknown fields
//! and were reported when the file was read. Its variables replace defaults whole (a mapping
//! is not merged into the default's), and so does its `run_as`.

use crate::bundle::facts::Options;
use crate::bundle::load::TargetInfo;
use crate::bundle::load::merge::{self, First};
use crate::domain::{Diagnostic, Map, Node, Tree};

/// Sections of a target that merge into the section of the same name.
const SECTIONS: [&str; 8] =
    ["bundle", "workspace", "artifacts", "resources", "sync", "permissions", "presets", "scripts"];

/// Keys of a variable's declaration; a mapping with any other key is a value.
const DECLARATION: [&str; 4] = ["default", "lookup", "description", "type"];

/// Writes out the short forms of a file, before its fields are typed: under a target,
/// `variables.x: value` means `variables.x: {default: value}`.
pub fn expand_short_forms(file: &mut Tree) {
    let Some(targets) = file.get_mut("targets").and_then(Tree::as_map_mut) else { return };
    for target in targets.values_mut() {
        let Some(variables) = target.get_mut("variables").and_then(Tree::as_map_mut) else { continue };
        for variable in variables.values_mut() {
            let is_value = match &variable.node {
                Node::Null => false,
                Node::Map(map) => map.keys().any(|key| !DECLARATION.contains(&key.as_str())),
                _ => true,
            };
            if is_value {
                let value = std::mem::take(variable);
                variable.origins.clone_from(&value.origins);
                variable.key.clone_from(&value.key);
                variable.node = Node::Map([("default".to_owned(), value)].into_iter().collect());
            }
        }
    }
}

/// Every target, with what decides where it goes.
pub fn list(config: &Tree) -> Vec<TargetInfo> {
    let targets = config.get("targets").and_then(Tree::as_map);
    let of_bundle = |key: &str| config.find(&["workspace", key]);
    let info = |(name, target): (&String, &Tree)| {
        let host = target.find(&["workspace", "host"]).or_else(|| of_bundle("host"));
        let profile = target.find(&["workspace", "profile"]).or_else(|| of_bundle("profile"));
        let text = |tree: Option<&Tree>| tree.and_then(Tree::as_str).filter(|s| !s.is_empty()).map(str::to_owned);
        TargetInfo {
            name: name.clone(),
            host: text(host),
            profile: text(profile),
            mode: text(target.get("mode")),
            origin: host.or(profile).or(Some(target)).and_then(|t| t.origin().or(t.key.as_ref())).cloned(),
        }
    };
    targets.into_iter().flatten().map(info).collect()
}

/// The target that was asked for, or the one that stands out.
pub fn choose(config: &Tree, options: &Options) -> Result<String, Diagnostic> {
    let empty = Map::new();
    let targets = config.get("targets").and_then(Tree::as_map).unwrap_or(&empty);
    let environment = |name: &str| options.environment.get(name).filter(|v| !v.is_empty()).cloned();
    let wanted = options
        .target
        .clone()
        .filter(|t| !t.is_empty())
        .or_else(|| environment("DATABRICKS_BUNDLE_TARGET"))
        .or_else(|| environment("DATABRICKS_BUNDLE_ENV"));
    if let Some(wanted) = wanted {
        if targets.contains_key(&wanted) {
            return Ok(wanted);
        }
        let names: Vec<&str> = targets.keys().map(String::as_str).collect();
        let what = format!("{wanted}: no such target. Available targets: {}", names.join(", "));
        return Err(Diagnostic::error(what));
    }
    if let [only] = targets.keys().collect::<Vec<_>>()[..] {
        return Ok(only.clone());
    }
    let is_default = |target: &Tree| target.get("default").and_then(Tree::as_bool) == Some(true);
    let defaults: Vec<&str> = targets.iter().filter(|(_, t)| is_default(t)).map(|(n, _)| n.as_str()).collect();
    match defaults[..] {
        [one] => Ok(one.to_owned()),
        [] => Err(Diagnostic::error("please specify target")),
        _ => Err(Diagnostic::error(format!("multiple targets are marked as default ({})", defaults.join(", ")))),
    }
}

/// Lays the target over the bundle; the other targets are gone afterwards. Where that cannot be, all stays as it is.
pub fn select(config: &mut Tree, name: &str, found: &mut Vec<Diagnostic>) -> Result<(), Diagnostic> {
    if let Some(target) = config.find_mut(&["targets", name])
        && let Some(old) = target.remove("compute_id").filter(|v| v.as_str() != Some(""))
    {
        let what = "compute_id is deprecated, please use cluster_id instead";
        found.push(Diagnostic::warning(what).path("compute_id").at_tree(&old));
        target.set(&["cluster_id"], old);
    }
    let mut target = config.find(&["targets", name]).cloned().unwrap_or_default();
    fits(config, &target, name)
        .map_err(|why| Diagnostic::error(format!("failed to perform target override for target={name}: {why}")))?;
    if let Some(variables) = target.remove("variables") {
        override_variables(config, variables);
    }
    let Node::Map(root) = &mut config.node else { return Ok(()) };
    for section in SECTIONS {
        // The place to go to is looked into at once, and a target that says nothing of it has none of its own.
        let says_nothing = |over: &Tree| section == "workspace" && over.is_null();
        if let Some(over) = target.remove(section).filter(|over| !says_nothing(over)) {
            lay(root, section, over);
        }
    }
    if let Some(run_as) = target.remove("run_as").filter(|r| !r.is_null()) {
        root.insert("run_as".to_owned(), run_as);
    }
    root.shift_remove("targets");
    for key in ["mode", "cluster_id"] {
        if let Some(value) = target.remove(key).filter(|v| v.as_str() != Some("")) {
            lay(root, "bundle", bundle_with(key, value));
        }
    }
    if let Some(git) = target.remove("git") {
        lay(root, "bundle", bundle_with("git", git));
    }
    drop_nulls(config);
    config.set(&["bundle", "target"], name);
    config.set(&["bundle", "environment"], name);
    Ok(())
}

/// A section with nothing behind it says nothing.
pub fn drop_nulls(config: &mut Tree) {
    const SAYS_NOTHING: [&str; 8] =
        ["include", "permissions", "run_as", "artifacts", "experimental", "variables", "scripts", "sync"];
    if let Some(root) = config.as_map_mut() {
        root.retain(|key, value| !value.is_null() || !SAYS_NOTHING.contains(&key.as_str()));
    }
    if let Some(resources) = config.get_mut("resources").and_then(Tree::as_map_mut) {
        resources.retain(|_, group| !group.is_null());
    }
    let targets = config.get_mut("targets").and_then(Tree::as_map_mut);
    for target in targets.into_iter().flat_map(|map| map.values_mut()) {
        if target.get("default").and_then(Tree::as_bool) == Some(false) {
            target.remove("default");
        }
    }
    if let Some(sync) = config.get_mut("sync").and_then(Tree::as_map_mut) {
        sync.retain(|_, list| !list.is_null());
    }
    let variables = config.get_mut("variables").and_then(Tree::as_map_mut);
    for variable in variables.into_iter().flat_map(|map| map.values_mut()) {
        if variable.is_null() {
            variable.node = Node::Map(Map::new());
        }
        if variable.get("default").is_some_and(Tree::is_null) {
            variable.remove("default");
        }
    }
}

fn bundle_with(key: &str, value: Tree) -> Tree {
    Node::Map([(key.to_owned(), value)].into_iter().collect()).into()
}

fn lay(root: &mut Map, section: &str, over: Tree) {
    match root.get_mut(section) {
        Some(there) => merge::merge(there, over),
        None => {
            root.insert(section.to_owned(), over);
        }
    }
}

/// Whether a target can be laid over the bundle: it gives no value to a variable that nobody declared, and puts
/// nothing in the place of another sort of thing.
fn fits(config: &Tree, target: &Tree, name: &str) -> Result<(), String> {
    let given = target.get("variables").and_then(Tree::as_map).into_iter().flat_map(Map::keys);
    let declared = |variable: &&String| config.find(&["variables", variable.as_str()]).is_some();
    if let Some(variable) = given.into_iter().find(|variable| !declared(variable)) {
        return Err(format!("variable {variable} is not defined but is assigned a value"));
    }
    for section in SECTIONS {
        let (Some(there), Some(over)) = (config.get(section), target.get(section)) else { continue };
        merge::fits(there, over, First::Named)
            .map_err(|why| format!("failed to merge target={name} field={section}: {why}"))?;
    }
    for key in ["mode", "cluster_id", "git"] {
        let (Some(there), Some(over)) = (config.find(&["bundle", key]), target.get(key)) else { continue };
        merge::fits(there, over, First::Named).map_err(|why| why.to_string())?;
    }
    Ok(())
}

fn override_variables(config: &mut Tree, over: Tree) {
    let Node::Map(over) = over.node else { return };
    for (name, mut value) in over {
        let Some(declared) = config.find_mut(&["variables", &name]) else { continue };
        if declared.is_null() {
            declared.node = Node::Map(Map::new());
        }
        let Node::Map(declared) = &mut declared.node else { continue };
        if let Some(default) = value.remove("default").filter(|d| !d.is_null()) {
            declared.insert("default".to_owned(), default);
            declared.shift_remove("lookup");
        } else if let Some(lookup) = value.remove("lookup").filter(|l| !l.is_null()) {
            declared.insert("lookup".to_owned(), lookup);
            declared.shift_remove("default");
        }
    }
}
