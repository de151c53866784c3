//! Takes back what was begun, last first.
//!
//! A failed undo is reported beside the first error, never instead of it, and does not keep
//! the others from being taken back.

use super::change::{Found, Nature, Outcome, StepError, StepErrorKind, Undone};
use super::journal::{Event, Journal, JournalError};
use super::resume::{Begun, Registry};
use crate::domain::{Failure, Reason};

/// How a journal calls what stays because it holds something of others.
pub const KEPT: &str = "kept";

/// What unwinding achieved.
#[derive(Debug, Default)]
pub struct Unwound {
    pub taken_back: usize,
    pub left_in_place: usize,
    /// What stays because it holds something of others.
    pub kept: Vec<Begun>,
    /// Titles and errors of what could not be taken back.
    pub failed: Vec<(String, StepError)>,
    /// The journal could not be written; taking back went on regardless.
    pub unwritten: Option<JournalError>,
}

impl Unwound {
    pub fn complete(&self) -> bool {
        self.failed.is_empty()
    }
}

pub async fn unwind<W: Sync + ?Sized>(
    begun: &[Begun],
    registry: &Registry<W>,
    world: &W,
    journal: &Journal,
) -> Unwound {
    let mut result = Unwound::default();
    for step in begun.iter().rev() {
        let Some(change) = registry.rebuild(&step.spec) else {
            let failure =
                Failure::new(Reason::UnwindIncomplete, format!("take back `{}`: unknown verb", step.spec.id()))
                    .hint("the journal was written by another version; run that one");
            record_failure(journal, &mut result, step, step.spec.id(), failure.into()).await;
            continue;
        };
        let undone = match change.nature() {
            Nature::Append(_) => Ok((Undone::LeftInPlace, None)),
            _ => undo_one(change.as_ref(), world, step).await,
        };
        match undone {
            Ok((how, outcome)) => {
                let word = match how {
                    Undone::TakenBack => {
                        result.taken_back += 1;
                        "taken-back"
                    }
                    Undone::NothingToDo => "nothing-to-do",
                    Undone::LeftInPlace => {
                        result.left_in_place += 1;
                        "left-in-place"
                    }
                    Undone::Kept => {
                        result.kept.push(Begun { outcome, ..step.clone() });
                        KEPT
                    }
                };
                let event = Event::Undone { change: step.spec.clone(), how: word.to_owned() };
                note(journal, &mut result, event).await;
            }
            Err(error) => record_failure(journal, &mut result, step, change.title(), error).await,
        }
    }
    result
}

/// An undo whose reply was lost is simply called again: it is idempotent. Answers what there was to take back, too.
async fn undo_one<W: Sync + ?Sized>(
    change: &dyn super::change::Change<W>,
    world: &W,
    step: &Begun,
) -> Result<(Undone, Option<Outcome>), StepError> {
    let mut outcome = step.outcome.clone();
    if outcome.is_none() {
        match change.find(world, &step.receipt).await? {
            Found::Done(found) => outcome = Some(found),
            Found::NotDone => return Ok((Undone::NothingToDo, None)),
            Found::Ambiguous(names) => return Err(ambiguous(&names)),
        }
    }
    const TRIES: usize = 3;
    let mut tried = 1;
    loop {
        match change.undo(world, &step.receipt, outcome.as_ref()).await {
            Err(e) if e.kind == StepErrorKind::Lost && tried < TRIES => tried += 1,
            other => return other.map(|how| (how, outcome)),
        }
    }
}

pub(super) fn ambiguous(names: &[String]) -> StepError {
    let message = format!("find what was made: more than one thing matches: {}", names.join(", "));
    StepError::lost(Failure::new(Reason::Ambiguous, message).hint("delete the one that is not yours, then run again"))
}

async fn record_failure(journal: &Journal, result: &mut Unwound, step: &Begun, title: String, error: StepError) {
    let event = Event::UndoFailed { change: step.spec.clone(), message: error.to_string() };
    note(journal, result, event).await;
    result.failed.push((title, error));
}

async fn note(journal: &Journal, result: &mut Unwound, event: Event) {
    if let Err(error) = journal.record(event).await {
        result.unwritten.get_or_insert(error);
    }
}
