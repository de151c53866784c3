//! Carries a plan out: the values that references become, the order, the state in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::book::Book;
use super::change_resource::{ChangeResource, VERB};
use super::read;
use crate::bundle::fields::Type;
use crate::bundle::planning::lookup::{self, Known};
use crate::bundle::planning::plan::{Action, Dependency, Plan, Planned};
use crate::bundle::planning::references::Step;
use crate::bundle::planning::{answers, requests, typed};
use crate::bundle::state::Deployed;
use crate::domain::{Failure, Reason};
use crate::ports::World;
use crate::saga::{Graph, StepError};

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

    /// The changes of the plan: what is needed comes before what needs it, and goes after.
    pub fn graph(self: &Arc<Self>) -> Graph<World> {
        self.add_to(Graph::new())
    }

    pub fn add_to(self: &Arc<Self>, mut graph: Graph<World>) -> Graph<World> {
        let after = self.order();
        let mut added: BTreeSet<&str> = BTreeSet::new();
        let mut left: Vec<&str> = after.keys().copied().collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|node| {
                let waits = after[node].iter().any(|other| after.contains_key(other) && !added.contains(other));
                if !waits {
                    added.insert(node);
                    self.add(&mut graph, node, &after[node]);
                }
                waits
            });
            if left.len() == before {
                // The planner refuses circles; entries of an old state may still form one.
                for node in std::mem::take(&mut left) {
                    self.add(&mut graph, node, &BTreeSet::new());
                }
            }
        }
        graph
    }

    fn add(self: &Arc<Self>, graph: &mut Graph<World>, node: &str, after: &BTreeSet<&str>) {
        let after: Vec<String> = after.iter().map(|other| id_of(other)).collect();
        if let Some(change) = ChangeResource::new(self, node) {
            graph.add(Arc::new(change), &after);
        }
    }

    /// For each node that changes, those that must be changed before.
    pub fn order(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut after: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (node, planned) in self.plan.changing() {
            after.entry(node).or_default();
            let goes = planned.action == Action::Delete;
            if !goes {
                let needs = planned.depends_on.iter().map(|d| d.node.as_str()).filter(|on| self.changes(on));
                after.entry(node).or_default().extend(needs);
            }
            // What goes, goes after everything that needed it until now.
            let needed = planned.deployed.iter().flat_map(|d| &d.depends_on).map(|d| d.node.as_str());
            for on in needed.filter(|on| self.goes(on) && *on != node.as_str()) {
                after.entry(on).or_default().insert(node);
            }
        }
        after
    }

    fn changes(&self, node: &str) -> bool {
        self.plan.nodes.get(node).is_some_and(|p| p.action != Action::Skip)
    }

    fn goes(&self, node: &str) -> bool {
        self.plan.nodes.get(node).is_some_and(|p| p.action == Action::Delete)
    }
}

fn id_of(node: &str) -> String {
    format!("{VERB} {node}")
}
