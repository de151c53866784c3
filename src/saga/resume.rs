//! What a journal says about a run that did not end.

use std::collections::HashMap;
use std::sync::Arc;

use super::change::{Change, Outcome, Receipt, Spec};
use super::journal::{Entry, Event, Step};
use super::unwind::KEPT;

/// A change that was begun: its receipt is written; whether it was made may be unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    pub spec: Spec,
    pub receipt: Receipt,
    pub outcome: Option<Outcome>,
}

impl From<&Step> for Begun {
    fn from(step: &Step) -> Self {
        Self { spec: step.change.clone(), receipt: step.receipt.clone(), outcome: Some(step.outcome.clone()) }
    }
}

/// An interrupted run, in the order in which its changes were begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    pub run: serde_json::Value,
    /// What cannot be taken back, and what was made before it: the next run goes on from there. Empty where the run did
    /// not pass its point of no return.
    pub forward: Vec<Begun>,
    /// What can be taken back: all of it, or what later phases made behind one that went forward to its end.
    pub begun: Vec<Begun>,
}

impl Unfinished {
    /// `None` where nothing was begun, or the run ended with nothing left to see to.
    pub fn of(entries: &[Entry]) -> Option<Self> {
        let done = |event: &Event| matches!(event, Event::RunFinished { outcome, .. } if !outcome.is_unfinished());
        if entries.iter().any(|entry| done(&entry.event)) {
            return None;
        }
        let run = entries.iter().find_map(|entry| match &entry.event {
            Event::RunStarted { run } => Some(run.clone()),
            _ => None,
        });
        let mut forward = Vec::new();
        let mut later = begun(entries);
        for kept in begun(&entries[..forward_until(entries)]) {
            if let Some(at) = later.iter().position(|known| known.spec == kept.spec) {
                forward.push(later.remove(at));
            }
        }
        let nothing = forward.is_empty() && later.is_empty();
        (!nothing).then_some(Self { run: run.unwrap_or_default(), forward, begun: later })
    }

    /// Everything that was begun.
    pub fn all(&self) -> impl Iterator<Item = &Begun> {
        self.forward.iter().chain(&self.begun)
    }

    pub fn is_past_the_point_of_no_return(&self) -> bool {
        !self.forward.is_empty()
    }
}

/// How many entries there are to the end of the phase that last passed a point of no return; all where it has none.
fn forward_until(entries: &[Entry]) -> usize {
    let Some(passed) = entries.iter().rposition(|e| matches!(e.event, Event::PointOfNoReturn { .. })) else { return 0 };
    let ended = entries[passed..].iter().position(|e| matches!(e.event, Event::PhaseFinished { .. }));
    ended.map_or(entries.len(), |at| passed + at + 1)
}

/// What was begun and neither taken back nor certainly not made, finished run or not.
pub fn begun(entries: &[Entry]) -> Vec<Begun> {
    let mut begun: Vec<Begun> = Vec::new();
    for entry in entries {
        match &entry.event {
            Event::Receipt { change, receipt } => {
                begun.push(Begun { spec: change.clone(), receipt: receipt.clone(), outcome: None });
            }
            Event::Done { change, outcome, .. } => {
                if let Some(known) = begun.iter_mut().rfind(|known| known.spec.id() == change.id()) {
                    known.outcome = Some(outcome.clone());
                }
            }
            Event::TakenOver { steps, .. } => begun.extend(steps.iter().map(Begun::from)),
            // It is still there, and may not be in the books yet.
            Event::Undone { how, .. } if how == KEPT => {}
            Event::Failed { change, nothing_made: true, .. } | Event::Undone { change, .. } => {
                // A run may make the same change twice: it is the later one that is meant.
                if let Some(at) = begun.iter().rposition(|known| known.spec == *change) {
                    begun.remove(at);
                }
            }
            _ => {}
        }
    }
    begun
}

type Rebuild<W> = Arc<dyn Fn(&Spec) -> Option<Arc<dyn Change<W>>> + Send + Sync>;

/// Makes a change again from its spec, by verb.
pub struct Registry<W: Sync + ?Sized> {
    verbs: HashMap<&'static str, Rebuild<W>>,
}

impl<W: Sync + ?Sized> Clone for Registry<W> {
    fn clone(&self) -> Self {
        Self { verbs: self.verbs.clone() }
    }
}

impl<W: Sync + ?Sized> Default for Registry<W> {
    fn default() -> Self {
        Self { verbs: HashMap::new() }
    }
}

impl<W: Sync + ?Sized> Registry<W> {
    pub fn with(
        mut self,
        verb: &'static str,
        rebuild: impl Fn(&Spec) -> Option<Arc<dyn Change<W>>> + Send + Sync + 'static,
    ) -> Self {
        self.verbs.insert(verb, Arc::new(rebuild));
        self
    }

    pub fn rebuild(&self, spec: &Spec) -> Option<Arc<dyn Change<W>>> {
        self.verbs.get(spec.verb.as_str()).and_then(|rebuild| rebuild(spec))
    }
}
