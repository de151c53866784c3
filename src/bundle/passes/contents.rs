//! Dashboards and alerts whose content lies in a file of its own.
//!
//! The workspace is sent the content, so the file is read when the bundle is; what the file
//! says of an alert may not be said in the configuration too.

use crate::bundle::fields;
use crate::bundle::passes::bundle::Bundle;
use crate::bundle::source::Source;
use crate::bundle::syntax::json;
use crate::domain::{Diagnostic, Map, Node, Path, Tree};

/// The pass.
pub fn read(bundle: &mut Bundle<'_>) {
    let mut config = std::mem::take(&mut bundle.config);
    match dashboards(&mut config, bundle.source) {
        Err(diagnostic) => bundle.diagnostics.push(diagnostic),
        Ok(contents) => {
            for ((_, dashboard), content) in group(&mut config, "dashboards").zip(contents) {
                if let Some(content) = content {
                    dashboard.set(&["serialized_dashboard"], content);
                }
            }
            let found: Vec<Diagnostic> = group(&mut config, "alerts")
                .filter_map(|(key, alert)| alert_from_file(key, alert, bundle).err())
                .collect();
            bundle.diagnostics.extend(found);
        }
    }
    bundle.config = config;
}

fn group<'c>(config: &'c mut Tree, kind: &str) -> impl Iterator<Item = (&'c String, &'c mut Tree)> {
    config.find_mut(&["resources", kind]).and_then(Tree::as_map_mut).into_iter().flat_map(Map::iter_mut)
}

/// The content of each dashboard that has a file; where one cannot be read, of none.
fn dashboards(config: &mut Tree, source: &dyn Source) -> Result<Vec<Option<String>>, Diagnostic> {
    let mut contents = Vec::new();
    for (_, dashboard) in group(config, "dashboards") {
        let Some(file) = dashboard.text(&["file_path"]).map(str::to_owned) else {
            contents.push(None);
            continue;
        };
        let wrong = |what: String| {
            Diagnostic::error(format!("failed to read serialized dashboard from file_path {file}: {what}"))
        };
        let bytes = source.read(&file).map_err(|failure| wrong(failure.message))?;
        let bytes = bytes.ok_or_else(|| wrong(format!("open {file}: no such file or directory")))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        contents.push(Some(text));
    }
    Ok(contents)
}

/// What an alert with a file may say itself.
const BESIDE_A_FILE: [&str; 5] = ["warehouse_id", "display_name", "file_path", "permissions", "lifecycle"];

fn alert_from_file(key: &str, alert: &mut Tree, bundle: &Bundle<'_>) -> Result<(), Diagnostic> {
    let at = |field: &str| Path::of(&["resources", "alerts", key, field]);
    let Some(named) = alert.get("file_path").filter(|f| f.as_str().is_some_and(|f| !f.is_empty())).cloned() else {
        return Ok(());
    };
    let mut fields: Vec<(&String, &Tree)> = alert.as_map().into_iter().flatten().collect();
    fields.sort_by_key(|(name, _)| *name);
    if let Some((name, value)) = fields.into_iter().find(|(name, _)| !BESIDE_A_FILE.contains(&name.as_str())) {
        let what = format!("field {name} is not allowed in the bundle configuration.");
        let why = format!(
            "The content of this alert lies in a .dbalert.json file; beside it only these fields may be set: {}",
            BESIDE_A_FILE.join(", ")
        );
        return Err(Diagnostic::error(what).path(at(name)).at_tree(value).detail(why));
    }
    let file = named.as_str().unwrap_or_default();
    let wrong = |what: String| {
        let summary = format!("failed to read .dbalert.json file {file}: {what}");
        Diagnostic::error(summary).path(at("file_path")).at_tree(&named)
    };
    let bytes = bundle.source.read(file).map_err(|failure| wrong(failure.message))?;
    let full = format!("{}/{file}", bundle.options.root);
    let bytes = bytes.ok_or_else(|| wrong(format!("open {full}: no such file or directory")))?;
    let unparsed = |what: String| {
        let summary = format!("failed to parse .dbalert.json file {file}: {what}");
        Diagnostic::error(summary).path(at("file_path")).at_tree(&named)
    };
    if bytes.windows(2).any(|two| two == b"${") {
        let what = format!(".alert file {file} must not contain variable interpolations.");
        let why = "Write the alert in the bundle itself where it is to use variables";
        return Err(Diagnostic::error(what).path(at("file_path")).at_tree(&named).detail(why));
    }
    let mut content = json::read(&file.into(), &bytes).map_err(|error| unparsed(error.what))?;
    let unexpected = |tree: &Tree, wanted: &str| {
        unparsed(format!("json: cannot unmarshal {} into Go value of type {wanted}", kind(tree)))
    };
    if content.as_map().is_none() {
        return Err(unexpected(&content, "map[string]json.RawMessage"));
    }
    let lines = content.remove("query_lines").unwrap_or_default();
    let text = match &lines.node {
        Node::Null => String::new(),
        Node::List(lines) => match lines.iter().find(|line| line.as_str().is_none()) {
            Some(line) => return Err(unexpected(line, "string")),
            None => lines.iter().filter_map(Tree::as_str).map(|line| format!("{line}\n")).collect(),
        },
        _ => return Err(unexpected(&lines, "[]string")),
    };
    // What the bundle has to say itself the file may only leave open.
    for name in ["display_name", "query_text", "warehouse_id"] {
        if content.remove(name).is_some() && alert.get(name).is_none() {
            alert.set(&[name], "");
        }
    }
    if !text.is_empty() {
        alert.set(&["query_text"], text);
    }
    fields::normalize(&mut content, "sql.AlertV2", &mut Vec::new());
    for (name, value) in content.as_map().into_iter().flatten() {
        let elsewhere = BESIDE_A_FILE.contains(&name.as_str()) || matches!(name.as_str(), "custom_description" | "id");
        if !elsewhere && !value.is_null() {
            alert.set(&[name], unplaced(value));
        }
    }
    Ok(())
}

/// What JSON calls the type of a value.
fn kind(tree: &Tree) -> &'static str {
    match &tree.node {
        Node::List(_) => "array",
        Node::Map(_) => "object",
        Node::String(_) => "string",
        Node::Bool(_) => "bool",
        Node::Null => "null",
        _ => "number",
    }
}

/// A value without the places in a file that is not part of the configuration.
fn unplaced(tree: &Tree) -> Tree {
    let node = match &tree.node {
        Node::List(list) => Node::List(list.iter().map(unplaced).collect()),
        Node::Map(map) => Node::Map(map.iter().map(|(key, value)| (key.clone(), unplaced(value))).collect()),
        other => other.clone(),
    };
    Tree { node, ..Tree::null() }
}
