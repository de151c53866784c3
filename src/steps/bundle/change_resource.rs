//! Changes one node of the plan: a resource, its permissions or its grants. How the change is taken back says `take_back`.
//!
//! What to send is data of the kind; nothing here knows a kind by name. The receipt of an
//! update is what the workspace had before, so that undo is an update too; what this run
//! made lies in the outcome, and undo refuses when the workspace has something else by then.
//! A delete cannot be taken back: the id and what the kind names as lost are gone, so it
//! waits behind the point of no return.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::applier::Applier;
use super::ask;
use super::find_resource;
use super::read;
use super::send_resource;
use super::what_was;
use crate::bundle::fields::Type;
use crate::bundle::kinds::{self, Id, Kind, Sent};
use crate::bundle::planning::knowledge::hushed;
use crate::bundle::planning::node::Dependency;
use crate::bundle::planning::plan::{Action, short};
use crate::bundle::planning::requests::{self, Difference, Read};
use crate::bundle::planning::{answers, typed};
use crate::bundle::state::Deployed;
use crate::domain::{Failure, Reason};
use crate::ports::{Rest, RestError, World};
use crate::saga::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "change-resource";

/// For people, such as: update jobs.train.
pub fn title(action: Action, node: &str) -> String {
    let verb = if action == Action::UpdateId { "rename" } else { action.name() };
    format!("{verb} {}", short(node))
}

/// A change of one node, as a journal names it.
#[derive(Clone)]
pub(super) struct About {
    pub(super) node: String,
    pub(super) kind: &'static Kind,
    pub(super) action: Action,
    /// Nothing has to be sent: it is gone already, or there is no request for it.
    forgets_only: bool,
    /// The id before the change.
    id: Option<String>,
}

pub struct ChangeResource {
    pub(super) about: About,
    /// None when rebuilt from a journal: it can be looked for and taken back, not made.
    applier: Option<Arc<Applier>>,
}

impl ChangeResource {
    pub fn new(applier: &Arc<Applier>, node: &str) -> Option<Self> {
        let planned = applier.plan.nodes.get(node)?;
        let no_request = planned.action == Action::Delete && planned.kind.api.delete.is_none();
        let about = About {
            node: node.to_owned(),
            kind: planned.kind,
            action: planned.action,
            forgets_only: planned.gone || no_request,
            id: planned.id().map(str::to_owned),
        };
        Some(Self { about, applier: Some(Arc::clone(applier)) })
    }

    pub fn rebuild(spec: &Spec) -> Option<Self> {
        let node = spec.subject.clone();
        let word = spec.args["action"].as_str()?;
        let all = [Action::Resize, Action::Update, Action::UpdateId, Action::Create, Action::Recreate, Action::Delete];
        let about = About {
            kind: kinds::of_node(&node)?,
            action: all.into_iter().find(|action| action.name() == word)?,
            forgets_only: spec.args["forgets_only"].as_bool().unwrap_or(false),
            id: spec.args["id"].as_str().map(str::to_owned),
            node,
        };
        Some(Self { about, applier: None })
    }

    fn applier(&self) -> Result<&Applier, StepError> {
        self.applier.as_deref().ok_or_else(|| {
            let message = format!("{}: a change read from a journal cannot be made again", self.title());
            Failure::new(Reason::Internal, message).into()
        })
    }

    /// The id of what there is now, or was.
    fn id(&self) -> Result<&str, StepError> {
        self.about
            .id
            .as_deref()
            .ok_or_else(|| Failure::new(Reason::Internal, format!("{}: it has no id", self.title())).into())
    }

    fn read_of(&self, id: &str) -> Read {
        requests::read(&self.about.node, self.about.kind, id)
    }

    /// What the workspace has now, as far as it is a matter of configuration.
    pub(super) async fn now(&self, rest: &dyn Rest, id: &str) -> Result<Option<Value>, StepError> {
        let answer = read::one(rest, &self.read_of(id)).await?;
        Ok(answer.map(|answer| self.configured(id, &answer)))
    }

    fn configured(&self, id: &str, answer: &Value) -> Value {
        what_was::configured(self.about.kind, id, answer)
    }

    async fn create(&self, world: &World, receipt: &Receipt) -> Result<Outcome, StepError> {
        let applier = self.applier()?;
        let (value, depends_on) = applier.value(world, &self.about.node).await?;
        let mut kept = Map::new();
        let id = match send_resource::create(world, self.about.kind, &value).await {
            Ok(answer) => {
                send_resource::keep(&mut kept, self.about.kind, &answer);
                requests::id(self.about.kind, &value, &answer).ok_or_else(|| self.malformed())?
            }
            Err(error) => return self.look_after_error(world, receipt, self.discreet(error, &[&value])).await,
        };
        self.created(world, &id, with(self.about.kind, value, kept), depends_on).await
    }

    /// It has its id. What comes after that may be sent again, and whether it failed or not: it is there.
    async fn created(
        &self,
        world: &World,
        id: &str,
        value: Value,
        depends_on: Vec<Dependency>,
    ) -> Result<Outcome, StepError> {
        let (rest, kind) = (world.workspace.as_ref(), self.about.kind);
        let value = with(kind, value, send_resource::kept_of_read(rest, kind, id).await.map_err(StepError::lost)?);
        let outcome = self.write_down(world, id, value.clone(), depends_on).await?;
        if !kind.api.after_create.is_empty() {
            self.settle(world, id).await?;
        }
        let after = send_resource::after_create(rest, kind, id, &value).await;
        after.map_err(|error| StepError::lost(self.discreet(error, &[&value]).into_failure(self.title())))?;
        self.settle(world, id).await?;
        Ok(outcome)
    }

    /// The workspace repeats in its errors what it was sent.
    pub(super) fn discreet(&self, error: RestError, values: &[&Value]) -> RestError {
        error.without(&hushed(self.about.kind.name, values))
    }

    /// A server that fails may have done it all the same. It has answered, so it is not asked
    /// again: what is not found then was not made.
    async fn look_after_error(&self, world: &World, receipt: &Receipt, error: RestError) -> Result<Outcome, StepError> {
        if !error.may_have_been_applied() || error.status().is_none() {
            let title = self.title();
            return Err(if self.takes_several() { error.into_failure(title).into() } else { step_error(error, title) });
        }
        match self.find(world, receipt).await {
            Ok(Found::Done(outcome)) => Ok(outcome),
            Ok(Found::NotDone) => Err(StepError::refused(error.into_failure(self.title()))),
            Ok(Found::Ambiguous(_)) | Err(_) => Err(StepError::lost(error.into_failure(self.title()))),
        }
    }

    /// When one of several requests is refused, those before it are made.
    fn takes_several(&self) -> bool {
        let update = self.about.kind.api.update;
        update.len() > 1 || update.iter().any(|sent| matches!(sent.when, Sent::EachChanged(_)))
    }

    fn malformed(&self) -> StepError {
        let message = format!("{}: the answer names no id", self.title());
        StepError::lost(Failure::new(Reason::MalformedReply, message))
    }

    async fn update(&self, world: &World, receipt: &Receipt) -> Result<Outcome, StepError> {
        let applier = self.applier()?;
        let (value, depends_on) = applier.value(world, &self.about.node).await?;
        let id = self.id()?;
        // Whoever was granted something behind our back loses it too.
        let before = applier.plan.nodes.get(&self.about.node).and_then(|p| p.remote.as_ref());
        let before = before.map(|remote| answers::configured(self.about.kind, remote));
        let planned = applier.plan.nodes.get(&self.about.node);
        let paths: Vec<String> =
            planned.into_iter().flat_map(|p| p.real_changes().map(|(path, _)| path.clone())).collect();
        let change = Difference { paths: &paths, before: before.as_ref() };
        let how = (self.about.kind, self.about.action);
        match send_resource::change(world.workspace.as_ref(), how, id, &value, change).await {
            Ok((new_id, kept)) => self.changed(world, &new_id, with(self.about.kind, value, kept), depends_on).await,
            Err(error) => self.look_after_error(world, receipt, self.discreet(error, &[&value])).await,
        }
    }

    async fn changed(
        &self,
        world: &World,
        id: &str,
        value: Value,
        depends_on: Vec<Dependency>,
    ) -> Result<Outcome, StepError> {
        let outcome = self.write_down(world, id, value, depends_on).await?;
        self.settle(world, id).await?;
        Ok(outcome)
    }

    /// It is there; what fails from here on does not undo that.
    async fn settle(&self, world: &World, id: &str) -> Result<(), StepError> {
        Ok(send_resource::settle(world, self.about.kind, short(&self.about.node), id).await?)
    }

    async fn delete(&self, world: &World) -> Result<(), StepError> {
        let Some(route) = self.about.kind.api.delete.as_ref().filter(|_| !self.about.forgets_only) else {
            return Ok(());
        };
        let state = self.applier()?.book.get(&self.about.node).map(|d| d.state).unwrap_or(Value::Null);
        let mut request = ask::ready(&requests::request(route, self.id()?, &state));
        request.repeatable = true;
        match world.workspace.call(request).await {
            Ok(_) => send_resource::gone(world, self.about.kind, short(&self.about.node), self.id()?).await?,
            Err(error) if error.is_not_found() => {}
            // It is somebody else's now: it is forgotten, as the official command does. What is made anew is not.
            Err(error) if error.status() == Some(403) && self.about.action == Action::Delete => {
                tracing::warn!("{}: {error}; it is left there and forgotten", self.title());
            }
            Err(error) => return Err(step_error(error, self.title())),
        }
        Ok(())
    }

    async fn write_down(
        &self,
        world: &World,
        id: &str,
        value: Value,
        depends_on: Vec<Dependency>,
    ) -> Result<Outcome, StepError> {
        let applier = self.applier()?;
        let outcome = Outcome(json!({"id": id, "made": value, "depends_on": depends_on}));
        let entry = Deployed { id: id.to_owned(), state: value, depends_on };
        applier.done(world, &self.about.node, Some(entry)).await?;
        Ok(outcome)
    }
}

#[async_trait]
impl Change<World> for ChangeResource {
    fn spec(&self) -> Spec {
        let mut args = Map::new();
        args.insert("action".into(), self.about.action.name().into());
        if let Some(id) = &self.about.id {
            args.insert("id".into(), id.clone().into());
        }
        if self.about.forgets_only {
            args.insert("forgets_only".into(), true.into());
        }
        Spec { verb: VERB.to_owned(), subject: self.about.node.clone(), args: Value::Object(args) }
    }

    fn title(&self) -> String {
        title(self.about.action, &self.about.node)
    }

    fn nature(&self) -> Nature {
        match self.about.action {
            Action::Delete if self.about.forgets_only => Nature::Reversible,
            Action::Delete | Action::Recreate => Nature::Irreversible(match self.about.kind.loses.data {
                "" => "its id",
                data => data,
            }),
            _ => Nature::Reversible,
        }
    }

    fn told(&self) -> &'static [&'static str] {
        &["id"]
    }

    async fn observe(&self, world: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let applier = self.applier()?;
        let Some(planned) = applier.plan.nodes.get(&self.about.node) else { return Ok(Receipt(json!({}))) };
        let mut receipt = Map::new();
        if matches!(self.about.action, Action::Create | Action::Recreate | Action::UpdateId) {
            let (value, _) = applier.value(world, &self.about.node).await?;
            receipt.insert("look".into(), find_resource::clue(self.about.kind, &value));
        }
        // For whoever finds it made when this process is gone.
        if applier.may_be_taken_back && self.about.action != Action::Delete {
            let (value, depends_on) = applier.value(world, &self.about.node).await?;
            receipt.insert("makes".into(), json!({"made": value, "depends_on": depends_on}));
        }
        if let (Some(id), Some(answer)) = (&self.about.id, &planned.answer) {
            receipt.insert("before".into(), self.configured(id, answer));
        } else if applier.may_be_taken_back && self.about.kind.api.delete.is_none() {
            // Permissions of something that is there already: nobody has read them yet.
            let (value, _) = applier.value(world, &self.about.node).await?;
            if let Some(id) = requests::id(self.about.kind, &value, &Value::Null)
                && let Some(before) = self.now(world.workspace.as_ref(), &id).await?
            {
                receipt.insert("before".into(), before);
            }
        }
        Ok(Receipt(Value::Object(receipt)))
    }

    async fn act(&self, world: &World, _: &Outcomes, receipt: &Receipt) -> Result<Outcome, StepError> {
        match self.about.action {
            Action::Skip => Ok(Outcome(json!({}))),
            Action::Create => self.create(world, receipt).await,
            Action::Resize | Action::Update | Action::UpdateId => self.update(world, receipt).await,
            Action::Recreate => {
                self.delete(world).await?;
                self.applier()?.done(world, &self.about.node, None).await?;
                self.create(world, receipt).await
            }
            Action::Delete => {
                self.delete(world).await?;
                self.applier()?.done(world, &self.about.node, None).await?;
                Ok(Outcome(json!({})))
            }
        }
    }

    async fn find(&self, world: &World, receipt: &Receipt) -> Result<Found, StepError> {
        let rest = world.workspace.as_ref();
        match self.about.action {
            Action::Create | Action::Recreate | Action::UpdateId => {
                let found =
                    find_resource::find(rest, self.about.kind, &receipt.0["look"], self.about.id.as_deref()).await?;
                Ok(match found.as_slice() {
                    [] => Found::NotDone,
                    [id] => Found::Done(self.found(world, receipt, id).await?),
                    many => Found::Ambiguous(many.iter().map(|id| format!("{} {id}", self.about.kind.title)).collect()),
                })
            }
            Action::Resize | Action::Update => self.find_update(world, receipt).await,
            Action::Delete => {
                let gone = self.about.forgets_only || self.now(rest, self.id()?).await?.is_none();
                Ok(if gone { Found::Done(Outcome(json!({}))) } else { Found::NotDone })
            }
            Action::Skip => Ok(Found::Done(Outcome(json!({})))),
        }
    }

    async fn undo(&self, world: &World, receipt: &Receipt, outcome: Option<&Outcome>) -> Result<Undone, StepError> {
        let rest = world.workspace.as_ref();
        let Some(outcome) = outcome else { return Ok(Undone::NothingToDo) };
        match self.about.action {
            Action::Create => self.undo_create(rest, receipt, outcome).await,
            Action::Resize | Action::Update | Action::UpdateId => {
                let id = outcome.0["id"].as_str().map_or_else(|| self.id(), Ok)?;
                let Some(now) = self.now(rest, id).await? else { return Ok(Undone::NothingToDo) };
                self.put_back(rest, id, receipt, outcome, &now).await
            }
            Action::Delete if self.about.forgets_only => Ok(Undone::NothingToDo),
            Action::Skip | Action::Delete | Action::Recreate => Ok(Undone::LeftInPlace),
        }
    }
}

impl ChangeResource {
    /// In the run that made it, it is known what there should be; later only what was there.
    async fn find_update(&self, world: &World, receipt: &Receipt) -> Result<Found, StepError> {
        let rest = world.workspace.as_ref();
        let Some(applier) = &self.applier else {
            let now = self.now(rest, self.id()?).await?;
            let unchanged = now.as_ref().is_some_and(|now| *now == receipt.0["before"]);
            return Ok(if unchanged {
                Found::NotDone
            } else {
                Found::Done(self.found(world, receipt, self.id()?).await?)
            });
        };
        let (value, _) = applier.value(world, &self.about.node).await?;
        let named = matches!(self.about.kind.api.id, Id::State(_));
        let id = named.then(|| requests::id(self.about.kind, &value, &Value::Null)).flatten();
        let id = id.map_or_else(|| self.id().map(str::to_owned), Ok)?;
        let done = self.now(rest, &id).await?.is_some_and(|now| what_was::is(self.about.kind, &value, &now));
        Ok(if done { Found::Done(self.found(world, receipt, &id).await?) } else { Found::NotDone })
    }

    /// Found again. In the run that made it, it belongs into the state.
    async fn found(&self, world: &World, receipt: &Receipt, id: &str) -> Result<Outcome, StepError> {
        let Some(applier) = &self.applier else {
            let mut outcome = receipt.0["makes"].clone();
            outcome["id"] = json!(id);
            return Ok(Outcome(outcome));
        };
        let (value, depends_on) = applier.value(world, &self.about.node).await?;
        match self.about.action {
            Action::Create | Action::Recreate => self.created(world, id, value, depends_on).await,
            _ => self.changed(world, id, value, depends_on).await,
        }
    }
}

/// A state with what the workspace answered, in the order in which it is saved.
fn with(kind: &Kind, mut value: Value, kept: Map<String, Value>) -> Value {
    if kept.is_empty() {
        return value;
    }
    if let Value::Object(fields) = &mut value {
        fields.extend(kept);
    }
    typed::ordered(&value, &Type::Message(kind.state))
}

pub(super) fn step_error(error: RestError, doing: String) -> StepError {
    let lost = error.may_have_been_applied();
    let failure = error.into_failure(doing);
    if lost { StepError::lost(failure) } else { StepError::refused(failure) }
}
