//! Phase `recover`: what an interrupted run left behind is seen to, now that nobody else writes.
//!
//! It is taken back, or finished where it cannot be; a promotion that means the same carries it on where it may.

use std::sync::Arc;

use async_trait::async_trait;

use super::carry_on::{Carrying, Found};
use super::deployment::{HELD, Parts};
use super::look::Unchanged;
use crate::domain::Failure;
use crate::saga::{Begun, Event, Graph, Unfinished};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::bundle::mirror;
use crate::steps::recover::{Recover, who};

/// The phase that a mirrored journal of an earlier run has been read and seen to in.
pub const RECOVERY: &str = "recover";

pub struct Recovery {
    pub parts: Parts,
    pub unchanged: Unchanged,
    /// For a stage that can carry on.
    pub carrying: Option<Carrying>,
}

#[async_trait]
impl Phase for Recovery {
    fn name(&self) -> &'static str {
        RECOVERY
    }

    async fn decide(&self, at: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let Parts { assignment: asked, engine, files, .. } = &self.parts;
        let plan = engine.plan(&asked.target, &at.world, asked.act_as.as_ref()).await?;
        let entries = mirror::read(files, &plan.root_path).await?;
        let Some(mut unfinished) = Unfinished::of(&entries) else {
            let skip_to = match self.unchanged {
                Unchanged::LockAndSkipTo(phase) if plan.is_empty() => Some(phase),
                _ => None,
            };
            return Ok(Decision { skip_to, ..Decision::default() });
        };
        let mut decision = Decision { facts: vec![("interrupted-run", unfinished.run.clone())], ..Decision::default() };
        // Behind the point of no return what it began is finished.
        if let Some(carrying) = self.carrying.as_ref().filter(|_| !unfinished.is_past_the_point_of_no_return()) {
            match carrying.look(at, &entries, &mut unfinished).await? {
                Found::MayGoOn { verdict, takes_over } => {
                    decision.verdicts.push(verdict);
                    decision.takes_over = Some(takes_over);
                }
                Found::HasToGo(why) => {
                    let message = format!("what {} began is taken back: {why}", who(&unfinished));
                    at.journal.record(Event::Notice { message }).await?;
                }
            }
        }
        let recover =
            Recover { unfinished, registry: at.registry.clone(), journal: Arc::clone(&at.journal), held: HELD };
        decision.changes = Graph::new().then(Arc::new(recover));
        Ok(decision)
    }
}
