//! Empty texts that say the same as nothing: an optional text field that is `""` is unset.
//!
//! The official engine forgets them when it reads a bundle into its types, so they are neither
//! printed nor sent. Required fields keep them, and so do mappings and lists of texts. Some of
//! the bundle's own fields also forget a zero and a `false`: the tables say which.

use crate::domain::{Node, Tree};

use super::table::{Type, message};

/// Drops them everywhere below `tree`, a value of the message `name`.
pub fn drop_unset(tree: &mut Tree, name: &'static str) {
    drop_below(tree, &Type::Message(name), Whose::Everybodys);
}

/// The same in the bundle's own sections alone: a file, or a target in it, that sets one to nothing does not set it, and
/// what another file or the bundle outside of the target says stays.
pub fn drop_own_unset(tree: &mut Tree, name: &'static str) {
    drop_below(tree, &Type::Message(name), Whose::Ours);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Everybodys,
    Ours,
}

/// An item of a list that the bundle has beside what the workspace knows: `permissions:` or `grants:` with nothing behind
/// it is no list.
fn is_own(item: &Type) -> bool {
    matches!(item, Type::Message(of) if of.starts_with("bundle.") || *of == "catalog.PrivilegeAssignment")
}

fn drop_below(tree: &mut Tree, kind: &Type, whose: Whose) {
    match (&mut tree.node, kind) {
        (Node::Map(map), Type::Message(name)) => {
            let Some(message) = message(name) else { return };
            map.retain(|key, value| match message.field(key) {
                Some(field) if !field.required => match (&field.kind, &value.node) {
                    (Type::String | Type::Enum(_), Node::String(text)) => {
                        !text.is_empty() || (whose == Whose::Ours && !message.own)
                    }
                    (_, Node::Bool(false) | Node::Int(0)) => !field.zero_is_unset,
                    (Type::List(item), Node::Null) => !is_own(item),
                    _ => true,
                },
                _ => true,
            });
            for (key, value) in map.iter_mut() {
                if let Some(field) = message.field(key) {
                    drop_below(value, &field.kind, whose);
                }
            }
        }
        (Node::Map(map), Type::Map(item)) => map.values_mut().for_each(|value| drop_below(value, item, whose)),
        (Node::List(list), Type::List(item)) => list.iter_mut().for_each(|value| drop_below(value, item, whose)),
        _ => {}
    }
}
