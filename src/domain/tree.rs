//! A configuration value that knows where each of its parts was written.
//!
//! Origins survive merging and interpolation: every diagnostic, finding and plan entry
//! becomes an annotation on the right line. A merged value keeps all its places, the one
//! that won first.

use std::sync::Arc;

use indexmap::IndexMap;

/// Where a value was written; line and column count from one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<Tree>),
    Map(IndexMap<String, Tree>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    pub node: Node,
    /// The winning place first; empty for values that nobody wrote (defaults, facts).
    pub origins: Vec<Origin>,
}
