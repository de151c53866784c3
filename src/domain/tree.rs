//! A configuration value that knows where each of its parts was written.
//!
//! Origins survive merging and interpolation: every diagnostic, finding and plan entry
//! becomes an annotation on the right line. A merged value keeps all its places, the one
//! that won first. A value in a mapping also keeps the place of its key, because a misspelt
//! key is reported where the key stands, not where its value begins.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::path::{Path, Step};

/// Where a value was written; line and column count from one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl Origin {
    pub fn new(file: impl Into<Arc<str>>, line: u32, column: u32) -> Self {
        Self { file: file.into(), line, column }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

pub type Map = IndexMap<String, Tree>;

#[derive(Clone, Debug, PartialEq, Default)]
pub enum Node {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<Tree>),
    Map(Map),
}

impl Node {
    /// The word diagnostics use for this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "bool",
            Node::Int(_) => "int",
            Node::Float(_) => "float",
            Node::String(_) => "string",
            Node::List(_) => "sequence",
            Node::Map(_) => "map",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub node: Node,
    /// The winning place first; empty for values that nobody wrote (defaults, facts).
    pub origins: Vec<Origin>,
    /// Where the key of this value stands, when it lies in a mapping that somebody wrote.
    pub key: Option<Origin>,
    /// It has an anchor, or came by one: an unknown field that holds such values is a shelf
    /// for them and not a mistake.
    pub anchored: bool,
}

/// Two trees are equal when they say the same; where it was written does not matter.
impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl<T: Into<Node>> From<T> for Tree {
    fn from(node: T) -> Self {
        Self { node: node.into(), ..Self::default() }
    }
}

macro_rules! node_from {
    ($($from:ty, $value:ident => $node:expr;)*) => {
        $(impl From<$from> for Node { fn from($value: $from) -> Self { $node } })*
    };
}

node_from! {
    bool, v => Node::Bool(v);
    i64, v => Node::Int(v);
    i32, v => Node::Int(v.into());
    f64, v => Node::Float(v);
    &str, v => Node::String(v.to_owned());
    String, v => Node::String(v);
    Vec<Tree>, v => Node::List(v);
    Map, v => Node::Map(v);
}

impl Tree {
    pub fn null() -> Self {
        Self::default()
    }

    pub fn map() -> Self {
        Map::new().into()
    }

    pub fn list() -> Self {
        Vec::new().into()
    }

    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origins = vec![origin];
        self
    }

    /// This value, said to be written where `other` was.
    pub fn at_origin_of(mut self, other: &Tree) -> Self {
        self.origins.clone_from(&other.origins);
        self.key.clone_from(&other.key);
        self
    }

    pub fn origin(&self) -> Option<&Origin> {
        self.origins.first()
    }

    pub fn is_null(&self) -> bool {
        matches!(self.node, Node::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.node {
            Node::String(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.node {
            Node::Bool(b) => Some(b),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self.node {
            Node::Int(i) => Some(i),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Tree]> {
        match &self.node {
            Node::List(l) => Some(l),
            _ => None,
        }
    }

    pub fn as_list_mut(&mut self) -> Option<&mut Vec<Tree>> {
        match &mut self.node {
            Node::List(l) => Some(l),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match &self.node {
            Node::Map(m) => Some(m),
            _ => None,
        }
    }

    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.node {
            Node::Map(m) => Some(m),
            _ => None,
        }
    }

    /// The value under `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.as_map()?.get(key)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Tree> {
        self.as_map_mut()?.get_mut(key)
    }

    /// The value at a chain of keys.
    pub fn find(&self, keys: &[&str]) -> Option<&Tree> {
        keys.iter().try_fold(self, |tree, key| tree.get(key))
    }

    pub fn find_mut(&mut self, keys: &[&str]) -> Option<&mut Tree> {
        keys.iter().try_fold(self, |tree, key| tree.get_mut(key))
    }

    /// The text at a chain of keys; an empty text counts as none.
    pub fn text(&self, keys: &[&str]) -> Option<&str> {
        self.find(keys)?.as_str().filter(|s| !s.is_empty())
    }

    pub fn at(&self, path: &Path) -> Option<&Tree> {
        path.steps().iter().try_fold(self, |tree, step| match step {
            Step::Key(key) => tree.get(key),
            Step::Index(i) => tree.as_list()?.get(*i),
        })
    }

    pub fn at_mut(&mut self, path: &Path) -> Option<&mut Tree> {
        path.steps().iter().try_fold(self, |tree, step| match step {
            Step::Key(key) => tree.get_mut(key),
            Step::Index(i) => tree.as_list_mut()?.get_mut(*i),
        })
    }

    /// Writes `value` at a chain of keys, making the mappings on the way. A null on the way
    /// becomes a mapping; another value on the way is left and nothing is written.
    pub fn set(&mut self, keys: &[&str], value: impl Into<Tree>) {
        let mut at = self;
        for key in keys {
            if at.is_null() {
                at.node = Node::Map(Map::new());
            }
            let Node::Map(map) = &mut at.node else { return };
            at = map.entry((*key).to_owned()).or_default();
        }
        let value = value.into();
        at.node = value.node;
        if !value.origins.is_empty() {
            at.origins = value.origins;
        }
    }

    pub fn remove(&mut self, key: &str) -> Option<Tree> {
        self.as_map_mut()?.shift_remove(key)
    }

    /// How much memory this takes, in values: a long text counts for many.
    pub fn weight(&self) -> usize {
        match &self.node {
            Node::String(text) => 1 + text.len() / 64,
            Node::List(list) => 1 + list.iter().map(Tree::weight).sum::<usize>(),
            Node::Map(map) => 1 + map.iter().map(|(key, value)| key.len() / 64 + value.weight()).sum::<usize>(),
            _ => 1,
        }
    }

    /// How many values lie within each other at most.
    pub fn height(&self) -> usize {
        let tallest = match &self.node {
            Node::List(list) => list.iter().map(Tree::height).max(),
            Node::Map(map) => map.values().map(Tree::height).max(),
            _ => None,
        };
        1 + tallest.unwrap_or(0)
    }

    /// Visits every value below and including this one, parents first.
    pub fn visit<'t>(&'t self, path: &mut Path, see: &mut impl FnMut(&Path, &'t Tree)) {
        see(path, self);
        match &self.node {
            Node::Map(map) => {
                for (key, value) in map {
                    path.push_key(key);
                    value.visit(path, see);
                    path.pop();
                }
            }
            Node::List(list) => {
                for (i, value) in list.iter().enumerate() {
                    path.push_index(i);
                    value.visit(path, see);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}
