//! Our engine with the official command beside it: both plan, and where they disagree nothing is done.
//!
//! Asked once, by a stage's first plan: whether two engines agree does not change while a stage holds the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::{Failure, Reason};
use crate::ports::engine::{ActAs, Engine, EnginePlan, ResolvedTarget};
use crate::ports::process::{Process, Tell};
use crate::ports::world::World;
use crate::saga::{Graph, Registry};

pub struct CrossChecked {
    ours: Arc<dyn Engine>,
    official: Arc<dyn Engine>,
    agreed: AtomicBool,
}

impl CrossChecked {
    pub fn new(ours: Arc<dyn Engine>, official: Arc<dyn Engine>) -> Self {
        Self { ours, official, agreed: AtomicBool::new(false) }
    }
}

/// What is planned for each node; nothing is what both leave alone.
fn actions(document: &Value) -> BTreeMap<&str, &str> {
    let nodes = document["plan"].as_object().into_iter().flatten();
    nodes.map(|(node, entry)| (node.as_str(), entry["action"].as_str().unwrap_or("skip"))).collect()
}

/// Each node for which two plans want something else.
fn differences(ours: &Value, theirs: &Value) -> Vec<String> {
    let (ours, theirs) = (actions(ours), actions(theirs));
    let all: BTreeSet<&str> = ours.keys().chain(theirs.keys()).copied().collect();
    let word = |plan: &BTreeMap<&str, &str>, node| plan.get(node).copied().unwrap_or("nothing").to_owned();
    all.into_iter()
        .map(|node| (node, word(&ours, node), word(&theirs, node)))
        .filter(|(_, ours, theirs)| ours != theirs)
        .map(|(node, ours, theirs)| format!("{node}: {ours} here, {theirs} there"))
        .collect()
}

pub fn agree(ours: &Value, theirs: &Value) -> Result<(), Failure> {
    let different = differences(ours, theirs);
    if different.is_empty() {
        return Ok(());
    }
    let message = format!("agree with the official command on the plan:\n  {}", different.join("\n  "));
    Err(Failure::new(Reason::EnginesDisagree, message)
        .hint("deploy with `engine: cli` meanwhile, and report the bundle: one of the two is wrong"))
}

#[async_trait]
impl Engine for CrossChecked {
    fn name(&self) -> &'static str {
        self.ours.name()
    }

    async fn resolve(&self, target: &str, world: Option<&World>) -> Result<ResolvedTarget, Failure> {
        self.ours.resolve(target, world).await
    }

    async fn build(&self, target: &str, process: &dyn Process, line: Tell<'_>) -> Result<(), Failure> {
        self.ours.build(target, process, line).await
    }

    async fn plan(&self, target: &str, world: &World, act_as: Option<&ActAs>) -> Result<EnginePlan, Failure> {
        if let Some(principal) = act_as {
            let message = format!(
                "compare our own plan with the official command's: it plans as whoever signs in, and not in the name of `{}`",
                principal.application_id
            );
            return Err(Failure::new(Reason::Unsupported, message)
                .hint("leave `cross-check` out of this stage, or write `plan: same` for the environment"));
        }
        let plan = self.ours.plan(target, world, None).await?;
        if !self.agreed.load(Ordering::Acquire) {
            let theirs = self.official.plan(target, world, None).await?;
            agree(&plan.document, &theirs.document)?;
            self.agreed.store(true, Ordering::Release);
        }
        Ok(plan)
    }

    async fn changes(&self, target: &str, world: &World, undo_folder: &str) -> Result<Graph<World>, Failure> {
        self.ours.changes(target, world, undo_folder).await
    }

    fn sparing(&self) -> Option<Arc<dyn Engine>> {
        self.ours.sparing()
    }

    fn holding_still(&self, models: &[String]) -> Option<Arc<dyn Engine>> {
        self.ours.holding_still(models)
    }

    fn registry(&self, world: &World) -> Registry<World> {
        self.ours.registry(world)
    }
}
