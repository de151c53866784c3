//! Moves a registered model's alias, and moves it back.
//!
//! The receipt keeps the version it stood for. Undo refuses when somebody else has moved it since: restoring blindly would
//! overwrite a human's repair.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::registry::Registry;
use crate::domain::{Alias, Failure, ModelName, ModelVersion, Reason};
use crate::ports::{RestError, World};
use crate::saga::{Change, Found, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "move-alias";

pub struct MoveAlias {
    pub model: ModelName,
    pub alias: Alias,
    pub to: ModelVersion,
    /// What it stood for when the decision was made, where somebody looked: another version since then is refused.
    pub expected: Option<Option<ModelVersion>>,
}

impl MoveAlias {
    pub fn rebuild(spec: &Spec) -> Option<Arc<dyn Change<World>>> {
        let args = &spec.args;
        Some(Arc::new(Self {
            model: ModelName::parse(args["model"].as_str()?).ok()?,
            alias: Alias::parse(args["alias"].as_str()?).ok()?,
            to: ModelVersion::new(args["to"].as_u64()?)?,
            expected: None,
        }))
    }

    async fn now(&self, world: &World) -> Result<Option<ModelVersion>, Failure> {
        let found = Registry(world.workspace.as_ref()).by_alias(&self.model, &self.alias).await?;
        Ok(found.map(|version| version.version))
    }

    async fn set(&self, world: &World, to: Option<ModelVersion>) -> Result<(), StepError> {
        let registry = Registry(world.workspace.as_ref());
        let done = match to {
            Some(version) => registry.set_alias(&self.model, &self.alias, version).await,
            None => registry.delete_alias(&self.model, &self.alias).await,
        };
        match done {
            Err(error) if to.is_none() && error.is_not_found() => Ok(()),
            Err(error) if error.may_have_been_applied() => Err(StepError::lost(self.failure(error))),
            Err(error) => Err(self.failure(error).into()),
            Ok(()) => Ok(()),
        }
    }

    fn failure(&self, error: RestError) -> Failure {
        let denied = error.status() == Some(403);
        let failure = error.into_failure(format!("move alias `{}` of {}", self.alias, self.model));
        if denied {
            return failure
                .hint(format!("an alias is moved by the owner of {} alone: make the principal its owner", self.model));
        }
        failure
    }
}

fn words(version: Option<ModelVersion>) -> String {
    version.map_or_else(|| "no version".to_owned(), |v| format!("version {v}"))
}

#[async_trait]
impl Change<World> for MoveAlias {
    fn spec(&self) -> Spec {
        let args = json!({"model": self.model, "alias": self.alias, "to": self.to});
        Spec { verb: VERB.to_owned(), subject: format!("{}@{}", self.model, self.alias), args }
    }

    fn title(&self) -> String {
        format!("move alias `{}` of {} to version {}", self.alias, self.model, self.to)
    }

    fn told(&self) -> &'static [&'static str] {
        &["was", "to"]
    }

    async fn observe(&self, world: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let was = self.now(world).await?;
        if let Some(expected) = self.expected.filter(|expected| *expected != was) {
            let message = format!(
                "{}: it stood for {} when this was decided and stands for {} now",
                self.title(),
                words(expected),
                words(was)
            );
            return Err(Failure::new(Reason::AliasMoved, message)
                .hint("somebody moved it meanwhile; look at what serves, then run again")
                .into());
        }
        Ok(Receipt(json!({"was": was})))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        self.set(world, Some(self.to)).await?;
        Ok(Outcome(json!({"to": self.to})))
    }

    async fn find(&self, world: &World, _: &Receipt) -> Result<Found, StepError> {
        let done = self.now(world).await? == Some(self.to);
        Ok(if done { Found::Done(Outcome(json!({"to": self.to}))) } else { Found::NotDone })
    }

    async fn undo(&self, world: &World, receipt: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        let was = receipt.0["was"].as_u64().and_then(ModelVersion::new);
        match self.now(world).await? {
            now if now == was => Ok(Undone::NothingToDo),
            now if now == Some(self.to) => {
                self.set(world, was).await?;
                Ok(Undone::TakenBack)
            }
            now => Err(StepError::drift(&format!("alias `{}` of {}", self.alias, self.model), self.to, words(now))),
        }
    }
}
