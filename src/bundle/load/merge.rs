//! Laying one configuration over another: files over files, a target over the whole.
//!
//! Mappings merge by key, lists append, everything else is replaced. A null says nothing: it
//! cannot take a value away. The places of both sides are kept, for lists and mappings the
//! earlier one first (that is where a reader looks for them), for plain values the winner.
//!
//! A value of one sort does not replace one of another, a number not a reference to one either:
//! `fits` says so before anything is laid.

use std::fmt;

use crate::domain::{Map, Node, Tree};

/// Two values of different sorts in one place.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    below: &'static str,
    above: &'static str,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot merge {} with {}", self.below, self.above)
    }
}

/// Which of several mismatches is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// As the upper one is written.
    Written,
    /// By name.
    Named,
}

/// Whether `over` can be laid on `base`.
pub fn fits(base: &Tree, over: &Tree, first: First) -> Result<(), Mismatch> {
    match (&base.node, &over.node) {
        (Node::Null, _) | (_, Node::Null) | (Node::List(_), Node::List(_)) => Ok(()),
        (Node::Map(below), Node::Map(above)) => all_fit(below, above, first),
        (below, above) if std::mem::discriminant(below) == std::mem::discriminant(above) => Ok(()),
        (below, above) => Err(Mismatch { below: below.kind(), above: above.kind() }),
    }
}

fn all_fit(below: &Map, above: &Map, first: First) -> Result<(), Mismatch> {
    let both = above.iter().filter_map(|(name, over)| Some((name, below.get(name)?, over)));
    let mut both: Vec<(&String, &Tree, &Tree)> = both.collect();
    if first == First::Named {
        both.sort_by_key(|(name, ..)| *name);
    }
    both.into_iter().try_for_each(|(_, base, over)| fits(base, over, first))
}

/// Lays `over` on `base`. Both are taken apart, nothing is copied.
pub fn merge(base: &mut Tree, over: Tree) {
    if over.is_null() {
        append_origins(base, over);
        return;
    }
    if base.is_null() {
        let was = std::mem::replace(base, over);
        append_origins(base, was);
        return;
    }
    let Tree { node, origins, key, .. } = over;
    match (&mut base.node, node) {
        (Node::Map(below), Node::Map(above)) => {
            for (name, value) in above {
                match below.get_mut(&name) {
                    Some(there) => merge(there, value),
                    None => {
                        below.insert(name, value);
                    }
                }
            }
            base.origins.extend(origins);
        }
        (Node::List(below), Node::List(above)) => {
            below.extend(above);
            base.origins.extend(origins);
        }
        (_, node) => {
            base.node = node;
            base.origins.splice(0..0, origins);
            base.key = key.or(base.key.take());
        }
    }
}

fn append_origins(base: &mut Tree, from: Tree) {
    base.origins.extend(from.origins);
    if base.key.is_none() {
        base.key = from.key;
    }
}

/// What an item of a list is called.
pub type NameOf<'n> = &'n dyn Fn(&Tree) -> String;

/// Merges the items of a list that have the same name, in the order in which names appear first.
pub fn merge_by_key(list: &mut Vec<Tree>, name_of: NameOf<'_>) {
    join_by_key(list, name_of, merge);
}

/// The same where an item takes the whole place of an earlier one of its name.
pub fn replace_by_key(list: &mut Vec<Tree>, name_of: NameOf<'_>) {
    join_by_key(list, name_of, |there, item| *there = item);
}

fn join_by_key(list: &mut Vec<Tree>, name_of: NameOf<'_>, join: impl Fn(&mut Tree, Tree)) {
    let mut at = std::collections::HashMap::new();
    let mut merged: Vec<Tree> = Vec::with_capacity(list.len());
    for item in list.drain(..) {
        let name = name_of(&item);
        match at.get(&name) {
            Some(&there) => join(&mut merged[there], item),
            None => {
                at.insert(name, merged.len());
                merged.push(item);
            }
        }
    }
    *list = merged;
}
