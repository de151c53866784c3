//! Gives an endpoint another configuration, and gives it back the one it had.
//!
//! A promotion takes several such steps. Each keeps the configuration from before the first one, so that taking back the
//! last of them restores everything at once: the way back is one update, whatever stood in between.
//! The workspace knows no condition for an update; that nobody else has made one is looked at before and after.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::endpoint::{self, Endpoint, Update, build_log, settled};
use crate::domain::endpoint::Serving;
use crate::domain::{Failure, Reason};
use crate::ports::{Method, Request, World};
use crate::saga::{Change, Found, Outcome, Outcomes, Receipt, Spec, StepError, Stop, Undone};

pub const VERB: &str = "set-endpoint";

/// What undo waits for an update that goes on, and for its own.
const UNDO_WAIT: Duration = Duration::from_secs(40 * 60);

pub struct SetEndpoint {
    pub name: String,
    /// For people and as part of the name: `candidate`, `10 %`.
    pub step: String,
    pub wanted: Serving,
    /// The entity that is new in it.
    pub candidate: String,
    /// Where a promotion began; absent for its first step, which finds it.
    pub original: Option<Value>,
    pub limit: Duration,
    pub stop: Option<Stop>,
}

impl SetEndpoint {
    pub fn rebuild(spec: &Spec) -> Option<Arc<dyn Change<World>>> {
        let args = &spec.args;
        Some(Arc::new(Self {
            name: args["endpoint"].as_str()?.to_owned(),
            step: args["step"].as_str()?.to_owned(),
            wanted: serde_json::from_value(args["wanted"].clone()).ok()?,
            candidate: args["candidate"].as_str()?.to_owned(),
            original: None,
            limit: UNDO_WAIT,
            stop: None,
        }))
    }

    async fn read(&self, world: &World) -> Result<Option<Endpoint>, Failure> {
        endpoint::read(world, &self.name).await
    }

    async fn send(&self, world: &World, serving: &Serving, exists: bool) -> Result<(), StepError> {
        let request = if exists {
            Request::new(Method::Put, format!("{}/config", endpoint::path(&self.name))).json(serving.body())
        } else {
            Request::post("/api/2.0/serving-endpoints", json!({"name": self.name, "config": serving.body()}))
        };
        // A PUT that was lost may still be going on: it is looked for, never repeated blindly.
        let request = Request { repeatable: false, ..request };
        match world.workspace.call(request).await {
            Ok(_) => Ok(()),
            Err(error) if error.may_have_been_applied() => {
                Err(StepError::lost(error.into_failure(format!("update endpoint `{}`", self.name))))
            }
            Err(error) => Err(error.into_failure(format!("update endpoint `{}`", self.name)).into()),
        }
    }

    /// Waits for the end of the update, whatever that is: judging it is a rule's business, and what was sent is there to
    /// be taken back either way.
    async fn ended(&self, world: &World) -> Result<Outcome, StepError> {
        let now = match settled(world, &self.name, self.limit, self.stop.as_ref()).await? {
            Some(now) => now,
            None => return Ok(Outcome(json!({"update": "gone", "serves": "nothing"}))),
        };
        let as_meant = now.serving.is(&self.wanted);
        let update = match now.update {
            Update::GoesOn => "goes-on",
            Update::Failed => "failed",
            Update::Ended if as_meant => "as-meant",
            Update::Ended => "otherwise",
        };
        let log = match now.update {
            Update::Failed => build_log(world, &self.name, &self.candidate).await,
            _ => String::new(),
        };
        Ok(Outcome(json!({"version": now.version, "update": update, "serves": now.serving.words(), "log": log})))
    }

    fn drift(&self, now: &str) -> StepError {
        StepError::drift(&format!("endpoint `{}`", self.name), self.wanted.words(), now)
    }
}

#[async_trait]
impl Change<World> for SetEndpoint {
    fn spec(&self) -> Spec {
        let args =
            json!({"endpoint": self.name, "step": self.step, "wanted": self.wanted, "candidate": self.candidate});
        Spec { verb: VERB.to_owned(), subject: format!("{} {}", self.name, self.step), args }
    }

    fn title(&self) -> String {
        format!("set endpoint `{}` to {}", self.name, self.wanted.words())
    }

    async fn observe(&self, world: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let now = self.read(world).await?;
        if let Some(busy) = now.as_ref().filter(|e| e.update == Update::GoesOn) {
            let message = format!("update endpoint `{}`: another update of it goes on", busy.name);
            return Err(Failure::new(Reason::EndpointBusy, message)
                .hint("wait until it has ended, then run again")
                .into());
        }
        let was = now.as_ref().map(|e| json!(e.serving));
        let original = self.original.clone().unwrap_or_else(|| was.clone().unwrap_or(Value::Null));
        Ok(Receipt(json!({"was": was, "version": now.map(|e| e.version), "original": original})))
    }

    fn told(&self) -> &'static [&'static str] {
        &["version", "update", "serves"]
    }

    async fn act(&self, world: &World, _: &Outcomes, receipt: &Receipt) -> Result<Outcome, StepError> {
        self.send(world, &self.wanted, !receipt.0["was"].is_null()).await?;
        self.ended(world).await
    }

    async fn find(&self, world: &World, _: &Receipt) -> Result<Found, StepError> {
        let Some(now) = self.read(world).await? else { return Ok(Found::NotDone) };
        let ours = |serving: &Serving| serving.is(&self.wanted);
        if ours(&now.serving) || now.pending.as_ref().is_some_and(ours) {
            return Ok(Found::Done(self.ended(world).await?));
        }
        Ok(Found::NotDone)
    }

    async fn undo(&self, world: &World, receipt: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        let original: Option<Serving> = serde_json::from_value(receipt.0["original"].clone()).ok();
        let Some(now) = settled(world, &self.name, UNDO_WAIT, None).await? else {
            return if original.is_none() { Ok(Undone::NothingToDo) } else { Err(self.drift("no endpoint")) };
        };
        let Some(original) = original else {
            if !now.serving.is(&self.wanted) {
                return Err(self.drift(&now.serving.words()));
            }
            let gone = world.workspace.call(Request::new(Method::Delete, endpoint::path(&self.name))).await;
            gone.map_err(|e| e.into_failure(format!("delete endpoint `{}`", self.name)))?;
            return Ok(Undone::TakenBack);
        };
        // A build that failed left what was there before: of this step, or of the one before it.
        if now.serving.is(&original) {
            return Ok(Undone::NothingToDo);
        }
        if !now.serving.is(&self.wanted) {
            return Err(self.drift(&now.serving.words()));
        }
        self.send(world, &original, true).await?;
        match settled(world, &self.name, UNDO_WAIT, None).await? {
            Some(now) if now.serving.is(&original) => Ok(Undone::TakenBack),
            now => {
                let serves = now.map_or_else(|| "nothing".to_owned(), |now| now.serving.words());
                let message = format!("restore endpoint `{}` to {}: it serves {serves}", self.name, original.words());
                Err(Failure::new(Reason::UnwindIncomplete, message)
                    .hint("look at the endpoint's page, and update it by hand")
                    .into())
            }
        }
    }
}
