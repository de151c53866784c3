//! Resources that the bundle's Python code adds, and what it changes in resources.
//!
//! The code is given what the files of the bundle come to, up to the paths of this machine. What it adds goes through
//! every pass that a file's resources go through; what it changes afterwards is only brought into shape again.

use std::collections::HashSet;

use crate::bundle::fields;
use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::{checks, clusters, interpolate, lists, permissions, unsupported};
use crate::bundle::python::{self, Call, Phase, Said};
use crate::bundle::syntax::json;
use crate::domain::{Diagnostic, Map, Node, Path, Tree};

const SECTION: &str = "python";
/// The same by its older name.
const OLDER: [&str; 2] = ["experimental", "python"];

/// The pass: what the code added lies beside what the files have, before anything is made of either.
pub fn add(bundle: &mut Bundle<'_>) {
    let loaded = bundle.facts.python.loaded.as_ref();
    let Some(resources) = loaded.and_then(|said| said.resources.as_ref()) else { return };
    for (kind, group) in resources.as_map().into_iter().flatten() {
        for (key, resource) in group.as_map().into_iter().flatten() {
            put(&mut bundle.config, ["resources", kind, key], &[resources, group, resource]);
        }
    }
}

/// Each mapping on the way says where it stands, unless a file has it.
fn put(config: &mut Tree, keys: [&str; 3], trees: &[&Tree; 3]) {
    let mut at = config;
    for (key, tree) in keys.iter().zip(trees) {
        let Node::Map(map) = &mut at.node else { return };
        at = map.entry((*key).to_owned()).or_insert_with(|| Tree::map().at_origin_of(tree));
    }
    *at = trees[2].clone();
}

/// The pass: what was added stands where the code made it. Its paths are those of the bundle's folder, and are seen
/// from there before.
pub fn locate(bundle: &mut Bundle<'_>) {
    if let Some(said) = &bundle.facts.python.loaded {
        settle(&mut bundle.config, said);
    }
}

/// The pass: one name for the section, and then the first run.
pub fn load(bundle: &mut Bundle<'_>) {
    if let Err(what) = agree(&mut bundle.config) {
        return bundle.report(Diagnostic::error(what));
    }
    run(bundle, Phase::LoadResources);
}

/// The pass: the second run.
pub fn change(bundle: &mut Bundle<'_>) {
    let Some(resources) = run(bundle, Phase::ApplyMutators).and_then(|said| said.resources.as_ref()) else { return };
    let Some(there) = bundle.config.get_mut("resources") else { return };
    let mut changed = HashSet::new();
    for (kind, group) in there.as_map_mut().into_iter().flat_map(Map::iter_mut) {
        for (key, resource) in group.as_map_mut().into_iter().flat_map(Map::iter_mut) {
            if let Some(now) = resources.find(&[kind, key]).filter(|now| *now != resource) {
                changed.insert(Path::of(&["resources", kind, key]).to_string());
                take(resource, now);
            }
        }
    }
    if changed.is_empty() {
        return;
    }
    if let Some(said) = &bundle.facts.python.changed {
        settle(&mut bundle.config, said);
    }
    unsupported::constructs(bundle);
    if let Err(what) = interpolate::within(bundle, vec![Path::of(&["resources"])]) {
        return bundle.report(Diagnostic::error(what));
    }
    fields::normalize(&mut bundle.config, fields::ROOT, &mut bundle.diagnostics);
    lists::merge_named(bundle);
    clusters::settle(bundle);
    permissions::settle(bundle);
    // Of the others this was said before.
    let said = bundle.diagnostics.len();
    checks::single_nodes(bundle);
    let again = bundle.diagnostics.split_off(said);
    let is_new = |path: &String| changed.iter().any(|resource| path.starts_with(&format!("{resource}.")));
    bundle.diagnostics.extend(again.into_iter().filter(|diagnostic| diagnostic.paths.iter().any(is_new)));
}

/// Either section stands for both.
fn agree(config: &mut Tree) -> Result<(), String> {
    let is_set = |tree: &&Tree| tree.as_map().is_some_and(|map| !map.is_empty());
    let Some(section) = config.get(SECTION).filter(is_set).cloned() else { return Ok(()) };
    if config.find(&OLDER).filter(is_set).is_some_and(|older| *older != section) {
        return Err("`python` and `experimental.python` are two: leave `experimental.python` out".to_owned());
    }
    config.set(&OLDER, section);
    Ok(())
}

/// What the code says in a phase; none where there is no code, an error, or nobody asked it yet.
fn run<'f>(bundle: &mut Bundle<'f>, phase: Phase) -> Option<&'f Said> {
    // A bundle that is refused is still resolved as far as that goes.
    if !bundle.unsupported.is_empty() {
        return None;
    }
    let section = bundle.config.find(&OLDER).filter(|section| section.as_map().is_some_and(|map| !map.is_empty()))?;
    let heard = match phase {
        Phase::LoadResources => &bundle.facts.python.loaded,
        Phase::ApplyMutators => &bundle.facts.python.changed,
    };
    if let Some(said) = heard {
        bundle.diagnostics.extend(said.diagnostics.iter().cloned());
        return Some(said);
    }
    let environment = section.text(&["venv_path"]).map(str::to_owned);
    match json::write(&bundle.config, 0) {
        Ok(input) => bundle.python = Some(Call { phase, environment, input }),
        Err(value) => bundle.report(Diagnostic::error(format!("json: unsupported value: {value}"))),
    }
    None
}

fn settle(config: &mut Tree, said: &Said) {
    if let Some(resources) = config.get_mut("resources") {
        python::place(resources, &mut Path::of(&["resources"]), None, &said.places);
    }
}

/// What did not change keeps the places where it was written.
fn take(there: &mut Tree, now: &Tree) {
    if there == now {
        return;
    }
    match (&mut there.node, &now.node) {
        (Node::Map(old), Node::Map(new)) => {
            old.retain(|key, _| new.contains_key(key));
            for (key, value) in new {
                match old.get_mut(key) {
                    Some(before) => take(before, value),
                    None => drop(old.insert(key.clone(), value.clone())),
                }
            }
        }
        (Node::List(old), Node::List(new)) => {
            old.truncate(new.len());
            for (i, value) in new.iter().enumerate() {
                match old.get_mut(i) {
                    Some(before) => take(before, value),
                    None => old.push(value.clone()),
                }
            }
        }
        _ => *there = now.clone(),
    }
}
