//! One change of the world, with its receipt and its way back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::RwLock;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Failure, Reason};

/// The name by which another process can make the same change again: which verb, on what,
/// and whatever else the verb needs. It goes into the journal, so it never holds a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub verb: String,
    pub subject: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub args: Value,
}

impl Spec {
    /// Unique within a run.
    pub fn id(&self) -> String {
        format!("{} {}", self.verb, self.subject)
    }
}

/// What was there before: enough to take the change back. An object, see `Change::told`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(pub Value);

/// What the change made: ids, versions, digests. Later changes read it. An object, see `Change::told`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outcome(pub Value);

/// Outcomes of the changes that are done, by `Spec::id`; grows while a graph is executed.
#[derive(Debug, Default)]
pub struct Outcomes(RwLock<BTreeMap<String, Outcome>>);

impl Outcomes {
    pub fn insert(&self, id: String, outcome: Outcome) {
        self.0.write().expect("no panic while the map is held").insert(id, outcome);
    }

    pub fn get(&self, id: &str) -> Option<Outcome> {
        self.0.read().expect("no panic while the map is held").get(id).cloned()
    }
}

/// Whether there is a way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Undo leaves the world as it was.
    Reversible,
    /// Only ever adds, and what it adds harms nobody: undo leaves it. Says why.
    Append(&'static str),
    /// Loses identity, history or data. It waits behind the point of no return. Says what is lost.
    Irreversible(&'static str),
}

/// What we see when we look for a change whose reply was lost.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Done(Outcome),
    NotDone,
    /// More than one thing matches; each is named.
    Ambiguous(Vec<String>),
}

/// How undo ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    TakenBack,
    /// It was never done, or somebody has taken it back already.
    NothingToDo,
    /// The change only adds; it stays.
    LeftInPlace,
    /// What was made holds something of others by now: it stays, and belongs into the books.
    Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepErrorKind {
    /// An answer says that nothing was made. Nothing is taken back, nor looked for: what is
    /// found there would be somebody else's.
    Refused,
    /// It went wrong, and part of it may be made: it is looked for before it is taken back.
    Failed,
    /// The request left and no usable answer came: it may have been applied.
    Lost,
    /// Somebody else has changed the thing since: taking it back would overwrite a human's repair.
    Drift,
}

#[derive(Debug)]
pub struct StepError {
    pub kind: StepErrorKind,
    pub failure: Failure,
}

impl StepError {
    pub fn lost(failure: Failure) -> Self {
        Self { kind: StepErrorKind::Lost, failure }
    }

    pub fn refused(failure: Failure) -> Self {
        Self { kind: StepErrorKind::Refused, failure }
    }

    pub fn drift(what: &str, ours: impl fmt::Display, live: impl fmt::Display) -> Self {
        let failure = Failure::new(
            Reason::UnwindIncomplete,
            format!("take back {what}: it is no longer what this run made of it: expected {ours}, found {live}"),
        )
        .hint("somebody changed it since; look at it before you change it back by hand");
        Self { kind: StepErrorKind::Drift, failure }
    }
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        Self { kind: StepErrorKind::Failed, failure }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for StepError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failure.source()
    }
}

/// One change. `observe` and `find` only read; `undo` is idempotent and checks for drift.
#[async_trait]
pub trait Change<W: Sync + ?Sized>: Send + Sync {
    fn spec(&self) -> Spec;

    /// For people, such as: create job `train`.
    fn title(&self) -> String;

    fn nature(&self) -> Nature {
        Nature::Reversible
    }

    /// The fields of its receipts and outcomes that whoever gets the journal may read. All
    /// others are kept apart: a forgotten name hides too much, never too little.
    fn told(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads what is there. The receipt is journaled before `act` is called.
    async fn observe(&self, world: &W, done: &Outcomes) -> Result<Receipt, StepError>;

    async fn act(&self, world: &W, done: &Outcomes, receipt: &Receipt) -> Result<Outcome, StepError>;

    /// Looks whether `act` was applied, after its reply was lost or its process was killed.
    async fn find(&self, world: &W, receipt: &Receipt) -> Result<Found, StepError>;

    /// Takes the change back. `outcome` is absent when nobody knows whether `act` was applied.
    async fn undo(&self, world: &W, receipt: &Receipt, outcome: Option<&Outcome>) -> Result<Undone, StepError>;
}

/// A change read back from a journal whose kind only ever adds: it is left where it is.
pub struct Kept(pub Spec);

#[async_trait]
impl<W: Sync + ?Sized> Change<W> for Kept {
    fn spec(&self) -> Spec {
        self.0.clone()
    }

    fn title(&self) -> String {
        self.0.id()
    }

    fn nature(&self) -> Nature {
        Nature::Append("it only adds")
    }

    async fn observe(&self, _: &W, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(Value::Null))
    }

    async fn act(&self, _: &W, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let message = format!("{}: a change read from a journal cannot be made again", self.0.id());
        Err(Failure::new(Reason::Internal, message).into())
    }

    async fn find(&self, _: &W, _: &Receipt) -> Result<Found, StepError> {
        Ok(Found::NotDone)
    }

    async fn undo(&self, _: &W, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}
