//! Wrappers that rehearse the bad days: a change that fails at a given point, and a change
//! that is made twice. Every stage's graph runs through both in the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::change::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Undone};
use crate::domain::{Failure, Reason};

/// Where the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Observe,
    BeforeAct,
    /// Applied, and then the reply is lost.
    LostReply,
    /// Applied, and then an error is reported.
    AfterAct,
}

/// Fails once at `point`, then behaves.
pub struct Faulty<W: Sync + ?Sized> {
    inner: Arc<dyn Change<W>>,
    point: Point,
    struck: AtomicBool,
}

impl<W: Sync + ?Sized> Faulty<W> {
    pub fn new(inner: Arc<dyn Change<W>>, point: Point) -> Self {
        Self { inner, point, struck: AtomicBool::new(false) }
    }

    fn strikes(&self, point: Point) -> bool {
        self.point == point && !self.struck.swap(true, Ordering::SeqCst)
    }

    fn fault(&self) -> Failure {
        Failure::new(Reason::WorkspaceError, format!("{}: rehearsed fault", self.inner.title()))
    }
}

#[async_trait]
impl<W: Sync + ?Sized> Change<W> for Faulty<W> {
    fn spec(&self) -> Spec {
        self.inner.spec()
    }

    fn title(&self) -> String {
        self.inner.title()
    }

    fn nature(&self) -> Nature {
        self.inner.nature()
    }

    fn told(&self) -> &'static [&'static str] {
        self.inner.told()
    }

    async fn observe(&self, world: &W, done: &Outcomes) -> Result<Receipt, StepError> {
        if self.strikes(Point::Observe) {
            return Err(self.fault().into());
        }
        self.inner.observe(world, done).await
    }

    async fn act(&self, world: &W, done: &Outcomes, receipt: &Receipt) -> Result<Outcome, StepError> {
        if self.strikes(Point::BeforeAct) {
            return Err(StepError::refused(self.fault()));
        }
        let outcome = self.inner.act(world, done, receipt).await?;
        if self.strikes(Point::LostReply) {
            return Err(StepError::lost(self.fault()));
        }
        if self.strikes(Point::AfterAct) {
            return Err(self.fault().into());
        }
        Ok(outcome)
    }

    async fn find(&self, world: &W, receipt: &Receipt) -> Result<Found, StepError> {
        self.inner.find(world, receipt).await
    }

    async fn undo(&self, world: &W, receipt: &Receipt, outcome: Option<&Outcome>) -> Result<Undone, StepError> {
        self.inner.undo(world, receipt, outcome).await
    }
}

/// Undoes everything twice and looks for it after each act: both must be harmless.
pub struct Twice<W: Sync + ?Sized>(pub Arc<dyn Change<W>>);

#[async_trait]
impl<W: Sync + ?Sized> Change<W> for Twice<W> {
    fn spec(&self) -> Spec {
        self.0.spec()
    }

    fn title(&self) -> String {
        self.0.title()
    }

    fn nature(&self) -> Nature {
        self.0.nature()
    }

    fn told(&self) -> &'static [&'static str] {
        self.0.told()
    }

    async fn observe(&self, world: &W, done: &Outcomes) -> Result<Receipt, StepError> {
        self.0.observe(world, done).await?;
        self.0.observe(world, done).await
    }

    async fn act(&self, world: &W, done: &Outcomes, receipt: &Receipt) -> Result<Outcome, StepError> {
        let outcome = self.0.act(world, done, receipt).await?;
        match self.0.find(world, receipt).await? {
            Found::Done(_) => Ok(outcome),
            other => {
                let message = format!("{}: made, but looking for it says {other:?}", self.0.title());
                Err(Failure::new(Reason::Internal, message).into())
            }
        }
    }

    async fn find(&self, world: &W, receipt: &Receipt) -> Result<Found, StepError> {
        self.0.find(world, receipt).await
    }

    async fn undo(&self, world: &W, receipt: &Receipt, outcome: Option<&Outcome>) -> Result<Undone, StepError> {
        let first = self.0.undo(world, receipt, outcome).await?;
        self.0.undo(world, receipt, outcome).await?;
        Ok(first)
    }
}
