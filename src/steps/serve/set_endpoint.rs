//! Gives an endpoint another configuration, and gives it back the one it had.
//!
//! A promotion takes several such steps. Each keeps the configuration from before the first one, so that taking back the
//! last of them restores everything at once: the way back is one update, whatever stood in between.
//! The workspace knows no condition for an update; that nobody else has made one is looked at before and after.
//! A configuration may hold somebody's environment variables: it lies in receipts, of which no journal tells it.

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
    pub wanted: Wanted,
    /// The entity that is new in it.
    pub candidate: String,
    /// Where a promotion began; absent for its first step, which finds it.
    pub original: Option<Value>,
    pub limit: Duration,
    pub stop: Option<Stop>,
}

/// What the endpoint is given.
pub enum Wanted {
    Whole(Serving),
    /// Of a change that was read back from a journal: how it is told. The receipt has the rest.
    Told(String),
}

impl Wanted {
    fn words(&self) -> String {
        match self {
            Wanted::Whole(serving) => serving.words(),
            Wanted::Told(words) => words.clone(),
        }
    }
}

impl SetEndpoint {
    pub fn rebuild(spec: &Spec) -> Option<Arc<dyn Change<World>>> {
        let args = &spec.args;
        Some(Arc::new(Self {
            name: args["endpoint"].as_str()?.to_owned(),
            step: args["step"].as_str()?.to_owned(),
            wanted: Wanted::Told(args["wanted"].as_str()?.to_owned()),
            candidate: args["candidate"].as_str()?.to_owned(),
            original: None,
            limit: UNDO_WAIT,
            stop: None,
        }))
    }

    fn wanted(&self, receipt: &Receipt) -> Result<Serving, Failure> {
        serde_json::from_value(receipt.0["wanted"].clone()).map_err(|error| {
            let message = format!("know what endpoint `{}` was given: its receipt does not say", self.name);
            Failure::new(Reason::UnwindIncomplete, message)
                .hint("look at the endpoint's page, and update it by hand")
                .because(error)
        })
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
    async fn ended(&self, world: &World, wanted: &Serving) -> Result<Outcome, StepError> {
        let now = match settled(world, &self.name, self.limit, self.stop.as_ref()).await? {
            Some(now) => now,
            None => return Ok(Outcome(json!({"update": "gone", "serves": "nothing"}))),
        };
        let as_meant = now.serving.is(wanted);
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
        let wanted = self.wanted.words();
        let args = json!({"endpoint": self.name, "step": self.step, "wanted": wanted, "candidate": self.candidate});
        Spec { verb: VERB.to_owned(), subject: format!("{} {}", self.name, self.step), args }
    }

    fn title(&self) -> String {
        format!("set endpoint `{}` to {}", self.name, self.wanted.words())
    }

    async fn observe(&self, world: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let Wanted::Whole(wanted) = &self.wanted else {
            let message = format!("update endpoint `{}`: a change that was read back is not made again", self.name);
            return Err(Failure::new(Reason::Internal, message).into());
        };
        let now = self.read(world).await?;
        if let Some(busy) = now.as_ref().filter(|e| e.update == Update::GoesOn) {
            let message = format!("update endpoint `{}`: another update of it goes on", busy.name);
            return Err(Failure::new(Reason::EndpointBusy, message)
                .hint("wait until it has ended, then run again")
                .into());
        }
        let was = now.as_ref().map(|e| json!(e.serving));
        let original = self.original.clone().unwrap_or_else(|| was.clone().unwrap_or(Value::Null));
        let version = now.map(|e| e.version);
        Ok(Receipt(json!({"was": was, "version": version, "original": original, "wanted": wanted})))
    }

    fn told(&self) -> &'static [&'static str] {
        &["version", "update", "serves"]
    }

    async fn act(&self, world: &World, _: &Outcomes, receipt: &Receipt) -> Result<Outcome, StepError> {
        let wanted = self.wanted(receipt)?;
        self.send(world, &wanted, !receipt.0["was"].is_null()).await?;
        self.ended(world, &wanted).await
    }

    async fn find(&self, world: &World, receipt: &Receipt) -> Result<Found, StepError> {
        let wanted = self.wanted(receipt)?;
        let Some(now) = self.read(world).await? else { return Ok(Found::NotDone) };
        let ours = |serving: &Serving| serving.is(&wanted);
        // There was no endpoint, and this one has never served: it is the one whose first build failed.
        let never_built = receipt.0["was"].is_null() && now.serving.entities.is_empty();
        if ours(&now.serving) || now.pending.as_ref().map_or(never_built, ours) {
            return Ok(Found::Done(self.ended(world, &wanted).await?));
        }
        Ok(Found::NotDone)
    }

    async fn undo(&self, world: &World, receipt: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        let wanted = self.wanted(receipt)?;
        let original: Option<Serving> = serde_json::from_value(receipt.0["original"].clone()).ok();
        let Some(now) = settled(world, &self.name, UNDO_WAIT, None).await? else {
            return if original.is_none() { Ok(Undone::NothingToDo) } else { Err(self.drift("no endpoint")) };
        };
        // A build that failed left what was there before: of this step, or of the one before it.
        if original.as_ref().is_some_and(|original| now.serving.is(original)) {
            return Ok(Undone::NothingToDo);
        }
        let pending = now.pending.as_ref().is_none_or(|pending| pending.is(&wanted));
        let never_built = now.serving.entities.is_empty() && pending;
        // What served nothing has nothing to go back to, and no configuration without an entity can be sent.
        let Some(original) = original.filter(|original| !original.entities.is_empty()) else {
            if !now.serving.is(&wanted) && !never_built {
                return Err(self.drift(&now.serving.words()));
            }
            let gone = world.workspace.call(Request::new(Method::Delete, endpoint::path(&self.name))).await;
            gone.map_err(|e| e.into_failure(format!("delete endpoint `{}`", self.name)))?;
            return Ok(Undone::TakenBack);
        };
        if !now.serving.is(&wanted) {
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
