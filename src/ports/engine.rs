//! The seam between stages and whichever engine reads the bundle: the resolved
//! configuration, the plan, and the changes that carry the plan out.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::process::{Process, Tell};
use super::world::World;
use crate::domain::fact::Files;
use crate::domain::{Diagnostic, Failure, Origin, Tree};
use crate::saga::{Graph, Registry};

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
    /// The same with the places where it was written; an engine that only prints it has none.
    pub tree: Option<Tree>,
    pub diagnostics: Vec<Diagnostic>,
    pub unsupported: Vec<Unsupported>,
}

/// A plan, as `bundle plan -o json` prints it, and what a stage needs to know beside it.
#[derive(Clone, Debug)]
pub struct EnginePlan {
    pub document: Value,
    /// The resolved configuration that was planned.
    pub config: Value,
    /// Files that an upload would add, change or delete in the workspace; absent where the
    /// engine does not say, so that nobody may take it for "none".
    pub files: Option<Files>,
    pub diagnostics: Vec<Diagnostic>,
    /// Where the deployment lives: `workspace.root_path` and `workspace.state_path`.
    pub root_path: String,
    pub state_path: String,
    /// Who deploys, as the plan takes it: the principal in whose name it was made.
    pub deployer: String,
    /// Nodes that the state knows, such as `resources.jobs.train`.
    pub deployed: BTreeSet<String>,
    /// The commit that `metadata.json` names as deployed.
    pub deployed_commit: Option<String>,
}

impl EnginePlan {
    /// No resource and no file would change.
    pub fn is_empty(&self) -> bool {
        let skipped = |entry: &Value| entry["action"].as_str() == Some("skip");
        let resources = self.document["plan"].as_object().is_none_or(|plan| plan.values().all(skipped));
        let untouched = |f: &Files| f.added.is_empty() && f.changed.is_empty() && f.deleted.is_empty();
        resources && self.files.as_ref().is_some_and(untouched)
    }
}

/// The principal in whose name a plan is made, where another one reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActAs {
    pub application_id: String,
    pub display_name: Option<String>,
}

/// One bundle. `plan` is followed by `changes` for the same target, which carries out what
/// was planned last.
#[async_trait]
pub trait Engine: Send + Sync {
    fn name(&self) -> &'static str;

    /// Loads, merges and resolves. Without a workspace what only it knows is marked unknown.
    async fn resolve(&self, target: &str, world: Option<&World>) -> Result<ResolvedTarget, Failure>;

    /// Builds the target's artifacts. A project's commands are not trusted: this comes before
    /// any token is minted. `line` sees what they print.
    async fn build(&self, target: &str, process: &dyn Process, line: Tell<'_>) -> Result<(), Failure>;

    /// Only reads. `act_as` plans in another principal's name.
    async fn plan(&self, target: &str, world: &World, act_as: Option<&ActAs>) -> Result<EnginePlan, Failure>;

    /// The changes that carry out the plan made last for this target: uploads, resources,
    /// state. What is overwritten is saved below `undo_folder` in the workspace.
    async fn changes(&self, target: &str, world: &World, undo_folder: &str) -> Result<Graph<World>, Failure>;

    /// The same bundle with everything left standing that it no longer has: what is deleted cannot be brought back, so a
    /// stage that judges first deletes last. None where the engine cannot.
    fn sparing(&self) -> Option<Arc<dyn Engine>>;

    /// The same, with every job and pipeline standing still whose clock does not run yet, and with the changed jobs
    /// that read one of `models`: what a promotion deploys before the model is moved. None where the engine cannot.
    fn holding_still(&self, models: &[String]) -> Option<Arc<dyn Engine>>;

    /// Makes this engine's changes again from a journal, to take them back.
    fn registry(&self, world: &World) -> Registry<World>;
}
