//! What a journal says about a run that did not end.

use std::collections::HashMap;
use std::sync::Arc;

use super::change::{Change, Outcome, Receipt, Spec};
use super::journal::{Entry, Event};

/// A change that was begun: its receipt is written; whether it was made may be unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    pub spec: Spec,
    pub receipt: Receipt,
    pub outcome: Option<Outcome>,
}

/// An interrupted run, in the order in which its changes were begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    pub run: serde_json::Value,
    pub begun: Vec<Begun>,
    /// Changes that the run had left to make when it passed the point of no return.
    /// Present: the only way is forward. Absent: the run can be unwound.
    pub past_point_of_no_return: Option<Vec<Spec>>,
}

impl Unfinished {
    /// `None` where nothing was begun, or the run ended with nothing left to see to.
    pub fn of(entries: &[Entry]) -> Option<Self> {
        let mut found = Self { run: serde_json::Value::Null, begun: Vec::new(), past_point_of_no_return: None };
        let mut open: HashMap<String, usize> = HashMap::new();
        for entry in entries {
            match &entry.event {
                Event::RunStarted { run } => found.run = run.clone(),
                Event::Receipt { change, receipt } => {
                    open.insert(change.id(), found.begun.len());
                    found.begun.push(Begun { spec: change.clone(), receipt: receipt.clone(), outcome: None });
                }
                Event::Done { change, outcome, .. } => {
                    if let Some(&i) = open.get(&change.id()) {
                        found.begun[i].outcome = Some(outcome.clone());
                    }
                }
                // A run may make the same change twice: what is taken back is the later one.
                Event::Undone { change, .. } => {
                    if let Some(at) = found.begun.iter().rposition(|b| b.spec == *change) {
                        found.begun.remove(at);
                    }
                }
                Event::PointOfNoReturn { left } => found.past_point_of_no_return = Some(left.clone()),
                Event::RunFinished { outcome, .. } if !outcome.is_unfinished() => return None,
                _ => {}
            }
            if matches!(entry.event, Event::Undone { .. }) {
                open = found.begun.iter().enumerate().map(|(i, b)| (b.spec.id(), i)).collect();
            }
        }
        (!found.begun.is_empty()).then_some(found)
    }
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
