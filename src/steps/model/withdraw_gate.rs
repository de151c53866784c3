//! Takes off a version what says that it passed its gate, because it is judged anew.
//!
//! That is not taken back: a run that fails behind it has not shown that the version still passes, and one that ends well
//! says so again.

use async_trait::async_trait;
use serde_json::json;

use super::registry::Registry;
use super::tag_version;
use crate::domain::{Failure, ModelName, ModelVersion};
use crate::ports::{RestError, World};
use crate::saga::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "withdraw-gate";

pub struct WithdrawGate {
    pub model: ModelName,
    pub version: ModelVersion,
}

impl WithdrawGate {
    fn failed(&self, error: RestError) -> StepError {
        let lost = error.may_have_been_applied();
        let failure = error.into_failure(self.title());
        if lost { StepError::lost(failure) } else { failure.into() }
    }

    /// Whether the version says that it passed.
    async fn says(&self, world: &World) -> Result<bool, Failure> {
        let tags = Registry(world.workspace.as_ref()).version_tags(&self.model, self.version).await?;
        Ok(tags.unwrap_or_default().contains_key(tag_version::GATE))
    }

    /// Present where the version was judged before.
    pub async fn where_judged(
        world: &World,
        model: &ModelName,
        version: ModelVersion,
    ) -> Result<Option<Self>, Failure> {
        let change = Self { model: model.clone(), version };
        Ok(change.says(world).await?.then_some(change))
    }
}

#[async_trait]
impl Change<World> for WithdrawGate {
    fn spec(&self) -> Spec {
        let args = json!({"model": self.model, "version": self.version});
        Spec { verb: VERB.to_owned(), subject: format!("{}/{}", self.model, self.version), args }
    }

    fn title(&self) -> String {
        format!("judge version {} of `{}` anew", self.version, self.model)
    }

    fn nature(&self) -> Nature {
        Nature::Append("a version that is judged anew has not passed until it passes again")
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(json!({})))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let (registry, gone) = (Registry(world.workspace.as_ref()), [tag_version::GATE.to_owned()]);
        let done = registry.set_version_tags(&self.model, self.version, &Default::default(), &gone).await;
        done.map_err(|error| self.failed(error))?;
        Ok(Outcome(json!({})))
    }

    async fn find(&self, world: &World, _: &Receipt) -> Result<Found, StepError> {
        Ok(if self.says(world).await? { Found::NotDone } else { Found::Done(Outcome(json!({}))) })
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}
