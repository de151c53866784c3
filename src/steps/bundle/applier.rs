//! Carries a plan out: the values that references become, and the state in the end.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::book::Book;
use super::read;
use crate::bundle::fields::Type;
use crate::bundle::planning::lookup::{self, Known};
use crate::bundle::planning::node::Dependency;
use crate::bundle::planning::plan::{Action, Plan, Planned};
use crate::bundle::planning::references::Step;
use crate::bundle::planning::{answers, requests, typed};
use crate::bundle::state::Deployed;
use crate::domain::{Failure, Reason};
use crate::ports::World;
use crate::saga::StepError;

/// Shared by all changes of one plan.
pub struct Applier {
    pub plan: Plan,
    pub book: Book,
    /// A stage takes changes back; by hand nobody does, and nothing is read for it.
    pub may_be_taken_back: bool,
    /// What only the workspace knows of a node, once somebody asked.
    answers: Mutex<HashMap<String, Value>>,
    /// Nodes that are done.
    finished: Mutex<BTreeSet<String>>,
}

impl Applier {
    pub fn new(plan: Plan, book: Book, may_be_taken_back: bool) -> Arc<Self> {
        Arc::new(Self { plan, book, may_be_taken_back, answers: Mutex::default(), finished: Mutex::default() })
    }

    pub fn is_finished(&self, node: &str) -> bool {
        self.finished.lock().expect("no panic while the list is held").contains(node)
    }

    /// Writes down what became of a node.
    pub async fn done(&self, world: &World, node: &str, entry: Option<Deployed>) -> Result<(), StepError> {
        let gone_for_good = self.plan.nodes.get(node).is_some_and(|p| p.action == Action::Delete);
        let whole = entry.is_some() || gone_for_good;
        self.book.enter(world.files.as_ref(), node, entry).await?;
        if whole {
            self.finished.lock().expect("no panic while the list is held").insert(node.to_owned());
        }
        Ok(())
    }

    /// What a node is to be, with every reference filled in, and what it depends on.
    pub async fn value(&self, world: &World, node: &str) -> Result<(Value, Vec<Dependency>), StepError> {
        let planned = self.planned(node)?;
        let mut value = planned.value.clone();
        for blank in &planned.blanks {
            let mut left = blank.clone();
            loop {
                let mut unread = None;
                let filled = lookup::fill_blank(&mut left, |other, steps| match self.known(other, steps) {
                    Known::Later => {
                        unread = Some(other.to_owned());
                        Known::Later
                    }
                    known => known,
                });
                let filled = filled.map_err(|why| self.unresolved(node, &why))?;
                match (filled, unread) {
                    (Some(filled), _) => {
                        typed::fill(&mut value, blank, &filled).map_err(|why| self.unresolved(node, &why))?;
                        break;
                    }
                    (None, Some(other)) if !self.is_answered(&other) => self.ask(world, &other).await?,
                    (None, _) => return Err(self.unresolved(node, &format!("{} has no value", left.text))),
                }
            }
        }
        if !planned.blanks.is_empty() {
            value = typed::ordered(&value, &Type::Message(planned.kind.state));
        }
        Ok((value, planned.depends_on.clone()))
    }

    fn planned(&self, node: &str) -> Result<&Planned, StepError> {
        let unknown = || Failure::new(Reason::Internal, format!("{node} is not in the plan"));
        self.plan.nodes.get(node).ok_or_else(|| unknown().into())
    }

    fn unresolved(&self, node: &str, why: &str) -> StepError {
        Failure::new(Reason::InvalidBundle, format!("resolve the references of {node}: {why}")).into()
    }

    fn known(&self, node: &str, steps: &[Step]) -> Known {
        let Some(planned) = self.plan.nodes.get(node) else { return Known::Wrong(format!("no such node {node:?}")) };
        let Some(entry) = self.book.get(node) else {
            return Known::Wrong(format!("{node} is not there"));
        };
        let answers = self.answers.lock().expect("no panic while the answers are held");
        let remote = answers.get(node).map(|answer| answers::remote(planned.kind, &entry.id, answer));
        let unchanged = planned.action == Action::Skip;
        let remote = remote.or_else(|| planned.remote.clone().filter(|_| unchanged));
        lookup::after(planned, &entry.id, &entry.state, remote.as_ref(), steps)
    }

    fn is_answered(&self, node: &str) -> bool {
        self.answers.lock().expect("no panic while the answers are held").contains_key(node)
    }

    /// Reads what the workspace filled in, for a reference to it.
    async fn ask(&self, world: &World, node: &str) -> Result<(), StepError> {
        let planned = self.planned(node)?;
        let id = self.book.get(node).map(|entry| entry.id).unwrap_or_default();
        let read = requests::read(node, planned.kind, &id);
        let answer = read::one(world.workspace.as_ref(), &read).await?.unwrap_or(Value::Null);
        self.answers.lock().expect("no panic while the answers are held").insert(node.to_owned(), answer);
        Ok(())
    }
}
