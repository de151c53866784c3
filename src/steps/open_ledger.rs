//! Makes sure that a record can be written, while everything can still be taken back: the
//! folder is made, or made sure of, which needs the same grant.

use async_trait::async_trait;
use serde_json::Value;

use super::ledger::Ledger;
use super::volume::VolumeFiles;
use crate::domain::Reason;
use crate::ports::World;
use crate::saga::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "open-ledger";

pub struct OpenLedger(pub Ledger);

#[async_trait]
impl Change<World> for OpenLedger {
    fn spec(&self) -> Spec {
        Spec { verb: VERB.to_owned(), subject: self.0.folder.clone(), args: Value::Null }
    }

    fn title(&self) -> String {
        format!("open the ledger of `{}`", self.0.environment)
    }

    fn nature(&self) -> Nature {
        Nature::Append("a folder without records says nothing")
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(Value::Null))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let made = VolumeFiles::new(world.workspace.clone()).make_folder(&self.0.folder).await;
        made.map_err(|error| {
            let mut failure = error.into_failure(format!("make the folder {}", self.0.folder));
            if failure.reason == Reason::PermissionDenied {
                let hint = "grant WRITE VOLUME on the volume of `records` to the principal that deploys";
                failure.hint = Some(hint.to_owned());
            }
            failure
        })?;
        Ok(Outcome(Value::Null))
    }

    /// Making it again is harmless.
    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        Ok(Found::NotDone)
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}
