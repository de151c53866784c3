//! Variables whose value is the id of something in the workspace, found by its name.
//!
//! Only the workspace knows it, and this engine asks nobody: what it needs to know is told in
//! `Resolved::lookups`, and the bundle is resolved again once the answers are among the facts.
//! Without them, offline, the variable stays a reference.

use crate::bundle::lookups::{KINDS, Lookup};
use crate::bundle::passes::bundle::Bundle;
use crate::bundle::syntax::reference;
use crate::domain::{Diagnostic, Tree};

/// The pass: before references to variables are resolved.
pub fn resolve(bundle: &mut Bundle<'_>) {
    let config = bundle.config.clone();
    for (name, variable) in config.get("variables").and_then(Tree::as_map).into_iter().flatten() {
        let Some(lookup) = variable.get("lookup").filter(|lookup| !lookup.is_null()) else { continue };
        if variable.get("value").is_some_and(|value| !value.is_null()) {
            continue;
        }
        match value(bundle, lookup, name, &config) {
            Ok(Some(value)) => bundle.config.set(&["variables", name, "value"], value),
            Ok(None) => {}
            Err(what) => return bundle.report(Diagnostic::error(what)),
        }
    }
}

fn value(bundle: &mut Bundle<'_>, lookup: &Tree, variable: &str, config: &Tree) -> Result<Option<String>, String> {
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
    let (Some(kind), Some(name)) = (KINDS.iter().find(|kind| kind.field == field), plain(name, config, 0)) else {
        bundle.refuse(format!("variables.{variable}.lookup.{field}"), lookup);
        return Ok(None);
    };
    let wanted = Lookup { kind, name };
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

/// How many references may lead to one another in a name.
const DEEPEST: usize = 10;

/// A name with what it refers to: variables, and the bundle's and the workspace's own fields.
/// None where another lookup or anything that is not a text stands in it.
fn plain(name: &str, config: &Tree, depth: usize) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    let mut out = name.to_owned();
    for reference in reference::all(name).into_iter().rev() {
        let path: Vec<&str> = reference.name.split('.').collect();
        let value = match path[..] {
            ["var", variable] => {
                let variable = config.find(&["variables", variable])?;
                if variable.get("lookup").is_some_and(|lookup| !lookup.is_null()) {
                    return None;
                }
                variable.get("value")?.as_str()?
            }
            ["bundle" | "workspace", ..] => config.text(&path)?,
            // What only a deployment knows stays as it is written.
            _ => continue,
        };
        out.replace_range(reference.range, &plain(value, config, depth + 1)?);
    }
    Some(out)
}
