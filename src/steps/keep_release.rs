//! Brings a release's archive into the store from which later stages fetch it.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::domain::ledger::Archive;
use crate::domain::{Failure, Reason, ReleaseId};
use crate::ports::{Store, World};
use crate::saga::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "keep-release";

pub struct KeepRelease {
    pub store: Arc<dyn Store>,
    pub id: ReleaseId,
    pub archive: Archive,
    /// Where the archive lies on this machine.
    pub file: PathBuf,
}

/// The store has an archive of this release with another digest.
pub fn another(id: ReleaseId, place: &str) -> Failure {
    let message = format!("keep release {}: {place} has another archive of it", id.short());
    Failure::new(Reason::ReleaseChanged, message).hint("somebody else wrote it; find out who, delete it, and run again")
}

#[async_trait]
impl Change<World> for KeepRelease {
    fn spec(&self) -> Spec {
        let args = json!({"place": self.store.place()});
        Spec { verb: VERB.to_owned(), subject: self.id.to_string(), args }
    }

    fn title(&self) -> String {
        format!("keep release {} in {}", self.id.short(), self.store.place())
    }

    fn nature(&self) -> Nature {
        Nature::Append("a release that nobody deploys harms nobody")
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let digest = self.store.digest(self.id).await?;
        if digest.is_some_and(|digest| digest != self.archive.sha256) {
            return Err(another(self.id, &self.store.place()).into());
        }
        Ok(Receipt(json!({"there": digest.is_some()})))
    }

    async fn act(&self, _: &World, _: &Outcomes, receipt: &Receipt) -> Result<Outcome, StepError> {
        if receipt.0["there"] != true {
            self.store.put(self.id, &self.file, &self.archive).await?;
        }
        Ok(Outcome(json!({"sha256": self.archive.sha256, "size": self.archive.size})))
    }

    /// Keeping it again is harmless.
    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        Ok(Found::NotDone)
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}
