//! Variables whose value is the id of something in the workspace, found by its name.
//!
//! Only the workspace knows it, and this engine asks nobody: what it needs to know is told in
//! `Resolved::lookups`, and the bundle is resolved again once the answers are among the facts.
//! Without them, offline, the variable stays a reference.

use crate::bundle::lookups::{KINDS, Lookup};
use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::interpolate;
use crate::domain::{Diagnostic, Path, Tree};

/// The pass: before references to variables are resolved, but for those in what is looked up.
pub fn resolve(bundle: &mut Bundle<'_>) {
    let wanted = wanted(&bundle.config);
    let places = wanted.iter().map(|name| Path::of(&["variables", name, "lookup"])).collect();
    if let Err(what) = interpolate::within(bundle, places) {
        return bundle.report(Diagnostic::error(what));
    }
    for name in wanted {
        let lookup = bundle.config.find(&["variables", &name, "lookup"]).cloned().unwrap_or_default();
        match value(bundle, &lookup, &name) {
            Ok(Some(value)) => bundle.config.set(&["variables", &name, "value"], value),
            Ok(None) => {}
            Err(what) => return bundle.report(Diagnostic::error(what)),
        }
    }
}

/// The variables that have no value but what is looked up.
fn wanted(config: &Tree) -> Vec<String> {
    let has = |variable: &Tree, key: &str| variable.get(key).is_some_and(|value| !value.is_null());
    let variables = config.get("variables").and_then(Tree::as_map).into_iter().flatten();
    let looked_up = variables.filter(|(_, variable)| has(variable, "lookup") && !has(variable, "value"));
    looked_up.map(|(name, _)| name.clone()).collect()
}

fn value(bundle: &mut Bundle<'_>, lookup: &Tree, variable: &str) -> Result<Option<String>, String> {
    let fields: Vec<(&String, &str)> = lookup
        .as_map()
        .into_iter()
        .flatten()
        .filter_map(|(field, name)| Some((field, name.as_str().filter(|name| !name.is_empty())?)))
        .collect();
    let [(field, name)] = fields[..] else {
        let what = if fields.is_empty() {
            "no valid lookup fields provided"
        } else {
            "exactly one lookup field must be provided"
        };
        return Err(format!("failed to resolve , err: {what}"));
    };
    let Some(kind) = KINDS.iter().find(|kind| kind.field == field) else {
        bundle.refuse(format!("variables.{variable}.lookup.{field}"), lookup);
        return Ok(None);
    };
    let wanted = Lookup { kind, name: name.to_owned() };
    let word = field.replace('_', "-");
    match bundle.facts.lookups.get(&wanted) {
        Some(Ok(id)) => Ok(Some(id.clone())),
        Some(Err(why)) => Err(format!("failed to resolve {word}: {}, err: {why}", wanted.name)),
        None => {
            let left = format!("${{lookup.{field}.{}}}", wanted.name);
            bundle.lookups.push(wanted);
            Ok(Some(left))
        }
    }
}
