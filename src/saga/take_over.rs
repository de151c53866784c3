//! Takes over what an interrupted run began: its steps become this run's own.
//!
//! They enter this run's journal with the receipts that they had, all in one line: whoever is killed while that is written
//! has all of them to take back, or none. So undoing goes back to before the first of the runs, and a third one finds
//! everything in the journal of the second.

use std::collections::BTreeSet;

use super::journal::{Entry, Event, Journal, JournalError, Step};
use super::resume::Begun;

/// What a run takes over.
#[derive(Clone, Debug, Default)]
pub struct TakenOver {
    pub steps: Vec<Step>,
    /// Phases that are not done again.
    pub finished: BTreeSet<String>,
    /// What the interrupted run found out, and this one does not ask again.
    pub told: Vec<Event>,
}

impl TakenOver {
    pub fn begun(&self) -> impl Iterator<Item = Begun> {
        self.steps.iter().map(Begun::from)
    }

    pub async fn enter(&self, journal: &Journal) -> Result<(), JournalError> {
        let phases = self.finished.iter().cloned().collect();
        journal.record(Event::TakenOver { steps: self.steps.clone(), phases }).await?;
        for event in &self.told {
            journal.record(event.clone()).await?;
        }
        Ok(())
    }
}

/// The phases that a run came to the end of, or took over as finished.
pub fn finished(entries: &[Entry]) -> BTreeSet<String> {
    let names = entries.iter().flat_map(|entry| match &entry.event {
        Event::PhaseFinished { phase, .. } => std::slice::from_ref(phase),
        Event::TakenOver { phases, .. } => phases.as_slice(),
        _ => &[],
    });
    names.cloned().collect()
}

/// Whether something had gone wrong by itself: such a run was taking back what it had done when it was interrupted.
pub fn had_failed(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| match &entry.event {
        Event::Verdict { passed, .. } => !passed,
        Event::Failed { .. } | Event::Undone { .. } | Event::UndoFailed { .. } | Event::RunFinished { .. } => true,
        _ => false,
    })
}
