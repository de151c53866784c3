//! Writes down that a deployment succeeded, behind the last record of the environment.
//!
//! It lies behind the point of no return: a run that is killed here leaves what it deployed,
//! and the next one records it. Taken back, the deployment would have a record that lies.
//!
//! A record is created and never overwritten. Of two runs that write at the same time one
//! finds its place taken and takes the next, with the digest of what lies there now. A lost
//! answer is no loss: the record of this run is looked for before it is written again.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::ledger::Ledger;
use super::volume::{Created, VolumeFiles};
use crate::domain::ledger::{Chain, Head, Record};
use crate::domain::{Failure, Reason};
use crate::ports::World;
use crate::saga::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "record";

pub struct WriteRecord {
    pub ledger: Ledger,
    /// Its place and what it stands behind are found when it is written.
    pub record: Record,
}

/// More runs than this at once have not been seen.
const TRIES: usize = 20;

impl WriteRecord {
    /// The record of this attempt of this run, if it is there.
    fn ours<'c>(&self, chain: &'c Chain) -> Option<&'c Record> {
        let by = &self.record.by;
        let same = |r: &&Record| r.by == *by && r.release == self.record.release && r.at == self.record.at;
        chain.records().iter().rev().find(same)
    }
}

fn outcome(head: Head) -> Outcome {
    Outcome(json!({"sequence": head.sequence, "digest": head.digest}))
}

/// The head that a finished record has made.
pub fn head(outcome: &Value) -> Option<Head> {
    serde_json::from_value(outcome.clone()).ok()
}

#[async_trait]
impl Change<World> for WriteRecord {
    fn spec(&self) -> Spec {
        Spec { verb: VERB.to_owned(), subject: self.ledger.folder.clone(), args: Value::Null }
    }

    fn title(&self) -> String {
        format!("record release {} in the ledger of `{}`", self.record.release.short(), self.ledger.environment)
    }

    fn nature(&self) -> Nature {
        Nature::Irreversible("a ledger only grows")
    }

    async fn observe(&self, world: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let files = VolumeFiles::new(world.workspace.clone());
        let before = self.ledger.read(&files).await?.head();
        Ok(Receipt(json!({"before": before, "at": self.record.at})))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let files = VolumeFiles::new(world.workspace.clone());
        for _ in 0..TRIES {
            let chain = self.ledger.read(&files).await?;
            if let Some(ours) = self.ours(&chain) {
                return Ok(outcome(ours.head()));
            }
            let record = self.record.clone().behind(chain.head());
            let path = self.ledger.path(record.sequence);
            match files.create(&path, record.to_bytes().into()).await {
                Ok(Created::Made) => return Ok(outcome(record.head())),
                // Somebody else's, or our own first try: reading again tells.
                Ok(Created::Taken) => {}
                Err(error) => {
                    let lost = error.may_have_been_applied();
                    let failure = error.into_failure(format!("write {path}"));
                    return Err(if lost { StepError::lost(failure) } else { failure.into() });
                }
            }
        }
        let message = format!("{}: others wrote at the same moment, {TRIES} times", self.title());
        Err(Failure::new(Reason::Conflict, message).hint("run again").into())
    }

    async fn find(&self, world: &World, _: &Receipt) -> Result<Found, StepError> {
        let chain = self.ledger.read(&VolumeFiles::new(world.workspace.clone())).await?;
        Ok(self.ours(&chain).map_or(Found::NotDone, |record| Found::Done(outcome(record.head()))))
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}
