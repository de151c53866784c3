//! Changes and the order between them.

use std::collections::HashMap;
use std::sync::Arc;

use super::change::{Change, Nature};

pub struct Node<W: Sync + ?Sized> {
    pub change: Arc<dyn Change<W>>,
    pub after: Vec<usize>,
}

/// A directed graph without cycles: a node names only nodes added before it.
pub struct Graph<W: Sync + ?Sized> {
    nodes: Vec<Node<W>>,
    by_id: HashMap<String, usize>,
    /// Where the stretch begins that the next nodes belong to, and what all of them wait for.
    stretch: usize,
    floor: Vec<usize>,
}

impl<W: Sync + ?Sized> Default for Graph<W> {
    fn default() -> Self {
        Self { nodes: Vec::new(), by_id: HashMap::new(), stretch: 0, floor: Vec::new() }
    }
}

impl<W: Sync + ?Sized> Graph<W> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a change that waits for those named in `after` (by `Spec::id`). An id that is
    /// not in the graph is a thing that does not change: there is nothing to wait for.
    pub fn add(&mut self, change: Arc<dyn Change<W>>, after: &[String]) {
        let named = after.iter().filter_map(|id| self.by_id.get(id).copied());
        let after = named.chain(self.floor.iter().copied()).collect();
        self.by_id.insert(change.spec().id(), self.nodes.len());
        self.nodes.push(Node { change, after });
    }

    /// Adds a change that waits for the one added last.
    pub fn then(mut self, change: Arc<dyn Change<W>>) -> Self {
        let after = self.nodes.len().checked_sub(1).into_iter().collect();
        self.by_id.insert(change.spec().id(), self.nodes.len());
        self.nodes.push(Node { change, after });
        self
    }

    /// What is added from here on waits for everything added since the last barrier.
    pub fn barrier(&mut self) {
        if self.stretch < self.nodes.len() {
            self.floor = (self.stretch..self.nodes.len()).collect();
            self.stretch = self.nodes.len();
        }
    }

    pub fn nodes(&self) -> &[Node<W>] {
        &self.nodes
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// For each node, whether it comes before the point of no return: neither it nor
    /// anything it waits for is irreversible.
    pub fn before_point_of_no_return(&self) -> Vec<bool> {
        let mut before: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let reversible = !matches!(node.change.nature(), Nature::Irreversible(_));
            before.push(reversible && node.after.iter().all(|&i| before[i]));
        }
        before
    }

    /// The same graph with every change wrapped, for fault and repeat decorators.
    pub fn map(self, wrap: impl Fn(Arc<dyn Change<W>>) -> Arc<dyn Change<W>>) -> Self {
        let nodes = self.nodes.into_iter().map(|n| Node { change: wrap(n.change), after: n.after }).collect();
        Self { nodes, ..self }
    }
}
