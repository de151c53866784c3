//! The name of a node of the plan: `resources.jobs.train`, `resources.jobs.train.permissions`.
//!
//! A resource's key may hold dots and brackets. State and plan write it as it is, so that a
//! name is read from both ends: the kind never holds a dot, and what follows the key is one
//! of two words.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeKey {
    /// Such as `jobs`.
    pub kind: String,
    pub key: String,
    /// `permissions` or `grants`.
    pub child: Option<String>,
}

/// That a node must be there before another, and the reference that says so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Dependency {
    pub node: String,
    pub label: String,
}

impl NodeKey {
    pub fn resource(kind: &str, key: &str) -> Self {
        Self { kind: kind.to_owned(), key: key.to_owned(), child: None }
    }

    pub fn child(kind: &str, key: &str, child: &str) -> Self {
        Self { kind: kind.to_owned(), key: key.to_owned(), child: Some(child.to_owned()) }
    }

    pub fn parse(node: &str) -> Option<Self> {
        let (kind, rest) = node.strip_prefix("resources.")?.split_once('.')?;
        for child in ["permissions", "grants"] {
            if let Some(key) = rest.strip_suffix(child).and_then(|r| r.strip_suffix('.')).filter(|k| !k.is_empty()) {
                return Some(Self::child(kind, key, child));
            }
        }
        (!rest.is_empty()).then(|| Self::resource(kind, rest))
    }

    /// The resource that a child node belongs to; a resource's own key otherwise.
    pub fn parent(&self) -> Self {
        Self { child: None, ..self.clone() }
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resources.{}.{}", self.kind, self.key)?;
        match &self.child {
            Some(child) => write!(f, ".{child}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_dots_keeps_them() {
        for text in ["resources.jobs.a", "resources.jobs.a.b[0].c", "resources.jobs.a.b.permissions"] {
            assert_eq!(NodeKey::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(NodeKey::parse("resources.jobs.a.b.permissions").unwrap().key, "a.b");
        assert_eq!(NodeKey::parse("resources.jobs.permissions").unwrap().child, None);
        assert_eq!(NodeKey::parse("resources.jobs"), None);
    }
}
