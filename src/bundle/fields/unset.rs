//! Empty texts that say the same as nothing: an optional text field that is `""` is unset.
//!
//! The official engine forgets them when it reads a bundle into its types, so they are neither
//! printed nor sent. Required fields keep them, and so do mappings and lists of texts. The
//! bundle's own sections also forget a zero and a `false`.

use crate::domain::{Node, Tree};

use super::table::{Type, message};

/// Fields of the bundle itself whose zero means unset.
const ZERO_IS_UNSET: [(&str, &str); 3] = [
    ("bundle.Deployment", "fail_on_active_runs"),
    ("bundle.Presets", "jobs_max_concurrent_runs"),
    ("bundle.Workspace", "azure_use_msi"),
];

/// Drops them everywhere below `tree`, a value of the message `name`.
pub fn drop_unset(tree: &mut Tree, name: &'static str) {
    drop_below(tree, &Type::Message(name));
}

fn drop_below(tree: &mut Tree, kind: &Type) {
    match (&mut tree.node, kind) {
        (Node::Map(map), Type::Message(name)) => {
            let Some(message) = message(name) else { return };
            map.retain(|key, value| match message.field(key) {
                Some(field) if !field.required => match (&field.kind, &value.node) {
                    (Type::String | Type::Enum(_), Node::String(text)) => !text.is_empty(),
                    (_, Node::Bool(false) | Node::Int(0)) => !ZERO_IS_UNSET.contains(&(*name, key.as_str())),
                    _ => true,
                },
                _ => true,
            });
            for (key, value) in map.iter_mut() {
                if let Some(field) = message.field(key) {
                    drop_below(value, &field.kind);
                }
            }
        }
        (Node::Map(map), Type::Map(item)) => map.values_mut().for_each(|value| drop_below(value, item)),
        (Node::List(list), Type::List(item)) => list.iter_mut().for_each(|value| drop_below(value, item)),
        _ => {}
    }
}
