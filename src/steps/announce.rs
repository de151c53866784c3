//! Tells GitHub that a deployment begins. It never fails one: without GitHub the outcome says
//! why nothing was told.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::github_deployment::{self, Open, Subject, report};
use crate::ports::World;
use crate::ports::github::DeploymentState;
use crate::saga::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "announce";

pub struct Announce(pub Subject);

/// The deployment that was opened, as the outcome has it.
pub fn opened(outcome: &Value) -> Option<Open> {
    Some(Open { id: outcome["id"].as_u64()?, of_the_job: outcome["of_the_job"].as_bool()? })
}

#[async_trait]
impl Change<World> for Announce {
    fn spec(&self) -> Spec {
        Spec { verb: VERB.to_owned(), subject: self.0.environment.clone(), args: Value::Null }
    }

    fn title(&self) -> String {
        format!("announce the deployment to `{}`", self.0.environment)
    }

    fn nature(&self) -> Nature {
        Nature::Append("a deployment gets its last status when the run ends")
    }

    fn told(&self) -> &'static [&'static str] {
        &["sha", "id", "of_the_job", "why"]
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(json!({"sha": self.0.sha})))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let Some(github) = &world.github else { return Ok(Outcome(json!({"id": null, "why": "no GitHub here"}))) };
        if self.0.sha.is_empty() {
            return Ok(Outcome(json!({"id": null, "why": "no commit is checked out"})));
        }
        let open = match github_deployment::open(github.as_ref(), &self.0).await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!("the deployment was not announced: {error}");
                return Ok(Outcome(json!({"id": null, "why": error.to_string()})));
            }
        };
        // Without its first status it is a deployment all the same, and gets its last one.
        let begun = DeploymentState::InProgress;
        if let Err(error) = report(github.as_ref(), &open, &self.0, begun, "deploying", None).await {
            tracing::warn!("the deployment's status was not written: {error}");
        }
        Ok(Outcome(json!({"id": open.id, "of_the_job": open.of_the_job})))
    }

    /// Announced again it finds the deployment that the run has: `act` never loses a reply.
    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        Ok(Found::NotDone)
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}
