//! The seam between stages and whichever engine reads the bundle: the resolved
//! configuration, the plan, and the changes that carry the plan out.

use async_trait::async_trait;
use serde_json::Value;

use super::world::World;
use crate::domain::{Diagnostic, Failure, Origin};
use crate::saga::Graph;

/// A construct that an engine does not know.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsupported {
    pub path: String,
    pub origin: Option<Origin>,
}

/// A target's resolved configuration, as `bundle validate -o json` prints it.
#[derive(Clone, Debug)]
pub struct ResolvedTarget {
    pub target: String,
    pub config: Value,
    pub diagnostics: Vec<Diagnostic>,
    pub unsupported: Vec<Unsupported>,
}

/// A plan, as `bundle plan -o json` prints it.
#[derive(Clone, Debug)]
pub struct EnginePlan {
    pub document: Value,
    /// Files that an upload would add, change or delete in the workspace.
    pub files: FileChanges,
    pub diagnostics: Vec<Diagnostic>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileChanges {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub deleted: Vec<String>,
}

impl FileChanges {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.deleted.is_empty()
    }
}

#[async_trait]
pub trait Engine: Send + Sync {
    fn name(&self) -> &'static str;

    /// Loads, merges and resolves. Without a workspace what only it knows is marked unknown.
    async fn resolve(&self, target: &str, world: Option<&World>) -> Result<ResolvedTarget, Failure>;

    /// Only reads.
    async fn plan(&self, target: &str, world: &World) -> Result<EnginePlan, Failure>;

    /// The changes that carry out the plan made last for this target.
    async fn changes(&self, target: &str, world: &World) -> Result<Graph<World>, Failure>;
}
