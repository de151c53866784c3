//! What is still wrong when a target is merged: fields without a value, and values that an
//! enum does not have. Warnings both, because the workspace has the last word.

use crate::bundle::syntax::reference;
use crate::domain::path::Path;
use crate::domain::{Diagnostic, Node, Tree};

use super::table::{Message, Type, enum_values, message};

/// Required fields that are not set, below `tree` of the message `name`.
pub fn required(tree: &Tree, name: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(message) = message(name) {
        walk(tree, &Type::Message(message.name), &mut Path::root(), &mut |tree, kind, path| {
            if let Type::Message(name) = kind
                && let Some(message) = self::message(name)
            {
                missing(tree, message, path, &mut found);
            }
        });
    }
    found
}

fn missing(tree: &Tree, message: &Message, path: &Path, found: &mut Vec<Diagnostic>) {
    for field in message.fields().iter().filter(|field| field.required) {
        if tree.get(field.name).is_none_or(Tree::is_null) {
            let summary = format!("required field \"{}\" is not set", field.name);
            found.push(Diagnostic::warning(summary).path(path).at_tree(tree));
        }
    }
}

/// Texts in enum fields that are none of the enum's values.
pub fn enums(tree: &Tree, name: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(message) = message(name) {
        walk(tree, &Type::Message(message.name), &mut Path::root(), &mut |tree, kind, path| {
            let (Type::Enum(name), Some(text)) = (kind, tree.as_str()) else { return };
            let values = enum_values(name);
            if text.is_empty() || reference::is_in(text) || values.contains(&text) {
                return;
            }
            let mut sorted = values.to_vec();
            sorted.sort_unstable();
            let summary = format!("invalid value {text:?} for enum field. Valid values are [{}]", sorted.join(" "));
            found.push(Diagnostic::warning(summary).path(path).at(tree.origins.first().cloned()));
        });
    }
    found
}

fn walk(tree: &Tree, kind: &Type, path: &mut Path, see: &mut impl FnMut(&Tree, &Type, &Path)) {
    see(tree, kind, path);
    match (&tree.node, kind) {
        (Node::Map(map), Type::Message(name)) => {
            let Some(message) = message(name) else { return };
            for (key, value) in map {
                if let Some(field) = message.field(key) {
                    path.push_key(key);
                    walk(value, &field.kind, path, see);
                    path.pop();
                }
            }
        }
        (Node::Map(map), Type::Map(item)) => {
            for (key, value) in map {
                path.push_key(key);
                walk(value, item, path, see);
                path.pop();
            }
        }
        (Node::List(list), Type::List(item)) => {
            for (at, value) in list.iter().enumerate() {
                path.push_index(at);
                walk(value, item, path, see);
                path.pop();
            }
        }
        _ => {}
    }
}
