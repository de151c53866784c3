//! The order in which the changes of a plan are made: what is needed comes before what needs it, and goes after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::applier::Applier;
use super::change_resource::{ChangeResource, VERB};
use crate::bundle::planning::plan::Action;
use crate::ports::World;
use crate::saga::Graph;

impl Applier {
    /// The changes of the plan.
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
