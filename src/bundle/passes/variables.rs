//! Which value a variable has: flag, environment, overrides file, target, default.

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::syntax::json;
use crate::domain::{Diagnostic, Map, Node, Tree};

/// The pass: every declared variable gets its `value`.
pub fn assign(bundle: &mut Bundle<'_>) {
    if bundle.config.get("variables").and_then(Tree::as_map).is_none() {
        return;
    }
    let overrides = match overrides_file(bundle) {
        Ok(overrides) => overrides,
        Err(diagnostic) => return bundle.report(diagnostic),
    };
    let names: Vec<String> =
        bundle.config.get("variables").and_then(Tree::as_map).into_iter().flat_map(Map::keys).cloned().collect();
    let before = bundle.config.get("variables").cloned();
    for name in names {
        if let Err(diagnostic) = assign_one(bundle, &name, &overrides) {
            // All or none: what is printed then shows no half of the values.
            if let (Some(now), Some(before)) = (bundle.config.get_mut("variables"), before) {
                *now = before;
            }
            return bundle.report(diagnostic);
        }
    }
}

/// `--var` comes first of all: it names variables, and a wrong name is the user's mistake.
pub fn flags(bundle: &mut Bundle<'_>) {
    for (name, value) in bundle.options.variables.clone() {
        let Some(variable) = bundle.config.find_mut(&["variables", &name]) else {
            return bundle.report(Diagnostic::error(format!("variable {name} has not been defined")));
        };
        if is_complex(variable) {
            let what = format!("setting variables of complex type via --var flag is not supported: {name}");
            return bundle.report(Diagnostic::error(what));
        }
        if let Some(before) = variable.get("value").and_then(Tree::as_str) {
            let what =
                format!("failed to assign {value} to {name}: variable has already been assigned value: {before}");
            return bundle.report(Diagnostic::error(what));
        }
        variable.set(&["value"], value);
    }
}

fn is_complex(variable: &Tree) -> bool {
    variable.text(&["type"]) == Some("complex")
}

fn assign_one(bundle: &mut Bundle<'_>, name: &str, overrides: &Map) -> Result<(), Diagnostic> {
    let from_environment = bundle.options.environment.get(&format!("BUNDLE_VAR_{name}")).cloned();
    let Some(variable) = bundle.config.find_mut(&["variables", name]) else { return Ok(()) };
    if variable.get("value").is_some_and(|v| !v.is_null()) {
        return Ok(());
    }
    if let Some(value) = from_environment {
        if is_complex(variable) {
            let what = format!(
                "setting via environment variables (BUNDLE_VAR_{name}) is not supported for complex variable {name}"
            );
            return Err(Diagnostic::error(what));
        }
        variable.set(&["value"], value);
        return Ok(());
    }
    if let Some(value) = overrides.get(name).filter(|v| !v.is_null()) {
        let value_is_complex = matches!(value.node, Node::List(_) | Node::Map(_));
        if is_complex(variable) && !value_is_complex {
            let what =
                format!("variable {name} is of type complex, but the value in the variable file is not a complex type");
            return Err(Diagnostic::error(what));
        }
        if !is_complex(variable) && value_is_complex {
            let what =
                format!("variable {name} is not of type complex, but the value in the variable file is a complex type");
            return Err(Diagnostic::error(what));
        }
        variable.set(&["value"], value.clone());
        return Ok(());
    }
    if variable.get("lookup").is_some_and(|l| !l.is_null()) {
        // A lookup beats the default; its value comes from the workspace.
        return Ok(());
    }
    if let Some(default) = variable.get("default").filter(|d| !d.is_null()).cloned() {
        variable.set(&["value"], default);
        return Ok(());
    }
    let what = format!(
        "no value assigned to required variable {name}. Variables are usually assigned in databricks.yml, and they can \
         be overridden using \"--var\", the BUNDLE_VAR_{name} environment variable, or \
         .databricks/bundle/<target>/variable-overrides.json"
    );
    Err(Diagnostic { place: variable.key.clone(), ..Diagnostic::error(what) })
}

fn overrides_file(bundle: &Bundle<'_>) -> Result<Map, Diagnostic> {
    let name = format!(".databricks/bundle/{}/variable-overrides.json", bundle.target);
    let bytes = bundle.source.read(&name).map_err(|failure| Diagnostic::error(failure.message))?;
    let Some(bytes) = bytes else { return Ok(Map::new()) };
    let full = format!("{}/{name}", bundle.options.root);
    let failed = format!("failed to parse variables file {full}");
    let tree = json::read(&name.as_str().into(), &bytes).map_err(|error| {
        let at = format!("{full}:{}:{}", error.line, error.column);
        Diagnostic::error(format!("{failed}: error decoding JSON at {at}: {}", error.what))
    })?;
    match tree.node {
        Node::Map(map) => Ok(map),
        _ => Err(Diagnostic::error(format!("{failed}: invalid format"))
            .detail("Variables file must be a JSON object with the following format:\n{\"var1\": \"value1\", \"var2\": \"value2\"}")),
    }
}
