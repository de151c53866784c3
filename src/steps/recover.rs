//! Sees to what an interrupted run left behind.
//!
//! Before its point of no return everything it did is taken back. Behind it the only way is
//! forward: what it made is looked for and entered into the state, so that the plan that
//! follows makes nothing twice; only what later phases made is taken back. What the next run carries on with is not here.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::bundle::adopt::adopt;
use super::bundle::take_lock;
use super::take_back::take_back;
use crate::domain::{Failure, Reason};
use crate::ports::World;
use crate::saga::{
    Begun, Change, Found, Journal, Nature, Outcome, Outcomes, Receipt, Registry, Spec, StepError, Undone, Unfinished,
};

pub const VERB: &str = "recover";

pub struct Recover {
    pub unfinished: Unfinished,
    pub registry: Registry<World>,
    pub journal: Arc<Journal>,
    /// Verbs of what it held; its lock is not ours to give back: we hold our own.
    pub held: &'static [&'static str],
}

impl Recover {
    fn state_path(&self) -> Option<&str> {
        take_lock::state_path(self.unfinished.all())
    }

    async fn take_back(&self, world: &World) -> Result<usize, StepError> {
        let how = (&self.registry, self.journal.as_ref());
        let unwound = take_back(&self.unfinished.begun, self.held, self.state_path(), world, how).await;
        if unwound.complete() {
            return Ok(unwound.taken_back);
        }
        let left: Vec<String> = unwound.failed.iter().map(|(title, error)| format!("\n  {title}: {error}")).collect();
        let message = format!("take back what {} left behind:{}", self.who(), left.concat());
        Err(Failure::new(Reason::UnwindIncomplete, message)
            .hint("put these right by hand, delete .mlops-deploy/journal.jsonl beside the state, and run again")
            .into())
    }

    /// What can only go forward, and was made, whether or not the run came to write that down.
    async fn what_stands(&self, world: &World) -> Result<Vec<Begun>, StepError> {
        let mut made = Vec::new();
        for begun in &self.unfinished.forward {
            let Begun { spec, receipt, outcome } = begun;
            let found = match (outcome, self.registry.rebuild(spec)) {
                (Some(outcome), _) => Found::Done(outcome.clone()),
                (None, Some(change)) => change.find(world, receipt).await?,
                (None, None) => Found::NotDone,
            };
            match found {
                Found::Done(outcome) => made.push(Begun { outcome: Some(outcome), ..begun.clone() }),
                Found::NotDone => {}
                Found::Ambiguous(names) => {
                    let message = format!("{}: more than one thing matches: {}", spec.id(), names.join(", "));
                    let failure = Failure::new(Reason::Ambiguous, message);
                    return Err(failure.hint("delete the one that is not yours, then run again").into());
                }
            }
        }
        Ok(made)
    }

    fn who(&self) -> String {
        who(&self.unfinished)
    }
}

/// What people call an interrupted run: its page, where it had one.
pub fn who(unfinished: &Unfinished) -> String {
    let page = unfinished.run["run_url"].as_str().filter(|page| !page.is_empty());
    page.map_or_else(|| "an interrupted run".to_owned(), str::to_owned)
}

#[async_trait]
impl Change<World> for Recover {
    fn spec(&self) -> Spec {
        Spec { verb: VERB.to_owned(), subject: self.who(), args: Value::Null }
    }

    fn title(&self) -> String {
        format!("see to what {} left behind", self.who())
    }

    fn nature(&self) -> Nature {
        Nature::Append("what an earlier run left behind is not put back")
    }

    fn told(&self) -> &'static [&'static str] {
        &["changes", "taken-back", "adopted"]
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(json!({"changes": self.unfinished.all().count()})))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let taken_back = self.take_back(world).await?;
        let stands = self.what_stands(world).await?;
        if let Some(state_path) = self.state_path() {
            adopt(world, state_path, &stands).await?;
        }
        Ok(Outcome(json!({"taken-back": taken_back, "adopted": stands.len()})))
    }

    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        Ok(Found::NotDone)
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}
