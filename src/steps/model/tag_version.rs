//! Writes on a version what was found out about it, and takes that off again.
//!
//! The receipt keeps the values that were there. Undo gives them back only where ours still
//! stand: somebody may have judged the version anew since.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::registry::Registry;
use crate::domain::{Failure, ModelName, ModelVersion, Reason};
use crate::ports::{RestError, World};
use crate::saga::{Change, Found, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "tag-version";

type Tags = BTreeMap<String, String>;

pub struct TagVersion {
    pub model: ModelName,
    pub version: ModelVersion,
    pub tags: Tags,
}

impl TagVersion {
    /// From a journal, to be taken back.
    pub fn rebuild(spec: &Spec) -> Option<Arc<dyn Change<World>>> {
        let model = serde_json::from_value(spec.args["model"].clone()).ok()?;
        let version = serde_json::from_value(spec.args["version"].clone()).ok()?;
        let tags = serde_json::from_value(spec.args["tags"].clone()).ok()?;
        Some(Arc::new(Self { model, version, tags }))
    }

    async fn standing(&self, world: &World) -> Result<Tags, StepError> {
        let found = Registry(world.workspace.as_ref()).version_tags(&self.model, self.version).await?;
        found.ok_or_else(|| {
            let message = format!("read the tags of version {} of `{}`: it is gone", self.version, self.model);
            Failure::new(Reason::NotFound, message).hint("somebody deleted the version; train again").into()
        })
    }

    async fn write(&self, world: &World, set: &Tags, remove: &[String]) -> Result<(), StepError> {
        let registry = Registry(world.workspace.as_ref());
        match registry.set_version_tags(&self.model, self.version, set, remove).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: RestError) -> StepError {
        let lost = error.may_have_been_applied();
        let denied = error.reason() == Reason::PermissionDenied;
        let mut failure = error.into_failure(format!("tag version {} of `{}`", self.version, self.model));
        if denied {
            failure = failure.hint(format!("GRANT APPLY TAG ON FUNCTION {} TO the principal that deploys", self.model));
        }
        if lost { StepError::lost(failure) } else { failure.into() }
    }
}

#[async_trait]
impl Change<World> for TagVersion {
    fn spec(&self) -> Spec {
        let args = json!({"model": self.model, "version": self.version, "tags": self.tags});
        Spec { verb: VERB.to_owned(), subject: format!("{}/{}", self.model, self.version), args }
    }

    fn title(&self) -> String {
        format!("tag version {} of `{}`", self.version, self.model)
    }

    fn told(&self) -> &'static [&'static str] {
        &["before", "tags"]
    }

    async fn observe(&self, world: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let mut before = self.standing(world).await?;
        before.retain(|key, _| self.tags.contains_key(key));
        Ok(Receipt(json!({"before": before})))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        self.write(world, &self.tags, &[]).await?;
        Ok(Outcome(json!({"tags": self.tags})))
    }

    async fn find(&self, world: &World, _: &Receipt) -> Result<Found, StepError> {
        let standing = self.standing(world).await?;
        let done = self.tags.iter().all(|(key, value)| standing.get(key) == Some(value));
        Ok(if done { Found::Done(Outcome(json!({"tags": self.tags}))) } else { Found::NotDone })
    }

    async fn undo(&self, world: &World, receipt: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        let before: Tags = serde_json::from_value(receipt.0["before"].clone()).unwrap_or_default();
        let standing = self.standing(world).await?;
        let (mut restore, mut remove) = (Tags::new(), Vec::new());
        for (key, ours) in &self.tags {
            match (standing.get(key), before.get(key)) {
                (now, was) if now == was => {}
                (Some(now), Some(was)) if now == ours => drop(restore.insert(key.clone(), was.clone())),
                (Some(now), None) if now == ours => remove.push(key.clone()),
                (now, _) => {
                    let what = format!("tag `{key}` of version {} of `{}`", self.version, self.model);
                    return Err(StepError::drift(&what, ours, now.map_or("nothing", String::as_str)));
                }
            }
        }
        if restore.is_empty() && remove.is_empty() {
            return Ok(Undone::NothingToDo);
        }
        self.write(world, &restore, &remove).await?;
        Ok(Undone::TakenBack)
    }
}

/// What a passed gate leaves, and with which release.
pub const GATE: &str = "mlops_gate";
pub const RELEASE: &str = "mlops_release";
pub const PASSED: &str = "passed";

/// The tags that a passed gate leaves. Unity Catalog takes no dots and dashes in a tag's key.
pub fn of_gate(release: &str, commit: &str, run: &str) -> BTreeMap<String, String> {
    let tags: [(&str, &str); 4] = [(GATE, PASSED), (RELEASE, release), ("git_sha", commit), ("mlops_run", run)];
    let given = tags.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
