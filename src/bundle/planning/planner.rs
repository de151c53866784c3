//! From configuration, state and answers to a plan. Pure: what must be read is told first.
//!
//! Nodes are planned in the order of their dependencies, because what a reference becomes
//! depends on what happens to the resource it names: an id is known unless the resource is
//! about to get a new one, a field that only the workspace fills in is known while nothing
//! happens to the resource.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde_json::Value;

use crate::bundle::compatibility::HASH;
use crate::bundle::fields::Type;
use crate::bundle::kinds::{self, Kind};
use crate::bundle::passes::bundle::Unsupported;
use crate::bundle::planning::diff;
use crate::bundle::planning::lookup::{self, Known};
use crate::bundle::planning::node::Dependency;
use crate::bundle::planning::place::Place;
use crate::bundle::planning::plan::{Action, FieldChange, Plan, Planned};
use crate::bundle::planning::requests::{self, Read};
use crate::bundle::planning::wanted::{Wanted, wanted};
use crate::bundle::planning::{answers, classify, typed};
use crate::bundle::state::State;
use crate::domain::{Diagnostic, Digest, Tree};

/// What the workspace said about the nodes of the state: none for what is gone.
pub type Answers = HashMap<String, Option<Value>>;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq)]
pub enum NoPlan {
    /// The configuration cannot be planned; worded as the official command does.
    Wrong(Vec<Diagnostic>),
    /// Only another engine can.
    Unsupported(Vec<Unsupported>),
}

/// What a plan needs to be told about: every node of the state, whether it stays or goes.
pub fn reads(state: &State) -> Result<Vec<Read>, NoPlan> {
    let mut reads = Vec::with_capacity(state.resources.len());
    let mut unknown = Vec::new();
    for (node, entry) in &state.resources {
        match kinds::of_node(node) {
            Some(kind) => reads.push(requests::read(node, kind, &entry.id)),
            None => unknown.push(Unsupported { path: node.clone(), origin: None }),
        }
    }
    if unknown.is_empty() { Ok(reads) } else { Err(NoPlan::Unsupported(unknown)) }
}

/// Plans to bring the workspace to `config`.
pub fn plan(config: &Tree, state: &State, answers: &Answers, cli_version: &str) -> Result<Plan, NoPlan> {
    let nodes = wanted(config).map_err(NoPlan::Unsupported)?;
    plan_nodes(nodes, state, answers, cli_version)
}

/// Plans to take everything away.
pub fn plan_destroy(config: &Tree, state: &State, answers: &Answers, cli_version: &str) -> Result<Plan, NoPlan> {
    let mut plan = plan_nodes(BTreeMap::new(), state, answers, cli_version)?;
    // What must not be destroyed is written in the configuration alone.
    for (node, planned) in &mut plan.nodes {
        if let Some(key) = crate::bundle::planning::node::NodeKey::parse(node).filter(|key| key.child.is_none()) {
            let flag = config.find(&["resources", &key.kind, &key.key, "lifecycle", "prevent_destroy"]);
            planned.prevent_destroy = flag.and_then(Tree::as_bool).unwrap_or(false);
        }
    }
    Ok(plan)
}

fn plan_nodes(
    mut nodes: BTreeMap<String, Wanted>,
    state: &State,
    answers: &Answers,
    cli_version: &str,
) -> Result<Plan, NoPlan> {
    let wrong = |found: Diagnostic| NoPlan::Wrong(vec![found]);
    let order = order(&nodes).map_err(wrong)?;
    let needs = |node: &String| nodes[node].depends_on.iter().map(|on| on.node.clone()).collect();
    let with_needs = order.iter().map(|node| (node.clone(), needs(node))).collect();
    let mut planner = Planner { order: with_needs, state, answers, planned: BTreeMap::new() };
    for node in order {
        if let Some(wanted) = nodes.remove(&node) {
            let planned = planner.node(wanted).map_err(NoPlan::Wrong)?;
            planner.planned.insert(node, planned);
        }
    }
    planner.deletes()?;
    Ok(Plan {
        cli_version: cli_version.to_owned(),
        lineage: state.lineage.clone(),
        serial: state.exists().then_some(state.serial),
        nodes: planner.planned,
        not_selected: 0,
    })
}

struct Planner<'s> {
    /// The nodes in the order in which they are planned, with those that each needs.
    order: Vec<(String, Vec<String>)>,
    state: &'s State,
    answers: &'s Answers,
    planned: BTreeMap<String, Planned>,
}

impl Planner<'_> {
    fn node(&mut self, wanted: Wanted) -> Result<Planned, Vec<Diagnostic>> {
        let (value, blanks) = self.resolve(&wanted).map_err(|why| {
            let first = Diagnostic::error(format!("cannot plan {}: {why}", wanted.node)).at(wanted.origin.clone());
            vec![first, Diagnostic::error("planning failed")]
        })?;
        let mut deployed = self.state.resources.get(&wanted.node).cloned();
        if let Some(entry) = &mut deployed {
            read_hashes(wanted.kind, &mut entry.state, &value);
        }
        let answer = deployed.as_ref().and_then(|_| self.answers.get(&wanted.node).cloned().flatten());
        if let (Some(entry), None, true) = (&deployed, &answer, answers::is_listed(wanted.kind)) {
            // Nothing says whether it is gone or only out of sight: making it again might be wrong.
            let why = format!("reading id={:?}: {} {:?} not found", entry.id, wanted.kind.title, entry.id);
            return Err(self.cannot_plan(&wanted, &why));
        }
        let remote = match (&deployed, &answer) {
            (Some(entry), Some(answer)) => Some(answers::remote(wanted.kind, &entry.id, answer)),
            _ => None,
        };
        let changes = match (&deployed, &remote) {
            (Some(entry), Some(remote)) => changes(wanted.kind, &entry.state, &value, remote),
            (Some(entry), None) => changes_of_gone(wanted.kind, &entry.state, &value),
            (None, _) => BTreeMap::new(),
        };
        let action = match remote {
            None => Action::Create,
            Some(_) => changes.values().map(|change| change.action).max().unwrap_or(Action::Skip),
        };
        Ok(Planned {
            node: wanted.node,
            kind: wanted.kind,
            action,
            gone: false,
            depends_on: wanted.depends_on,
            value: typed::pruned(&value, &Type::Message(wanted.kind.state)),
            blanks,
            deployed,
            remote: remote.map(|remote| answers::shown(wanted.kind, &remote)),
            answer,
            changes,
            origin: wanted.origin,
            prevent_destroy: wanted.prevent_destroy,
        })
    }

    /// A node that cannot be planned, and those that need it.
    fn cannot_plan(&self, wanted: &Wanted, why: &str) -> Vec<Diagnostic> {
        let mut failed = vec![wanted.node.as_str()];
        let mut found = Vec::new();
        // Nodes come after what they need, so one pass sees them all.
        for (node, needs) in &self.order {
            if let Some(failed_need) = needs.iter().find(|need| failed.contains(&need.as_str())) {
                found.push(Diagnostic::error(format!("cannot plan {node}: dependency failed: {failed_need}")));
                failed.push(node);
            }
        }
        found.push(Diagnostic::error(format!("cannot plan {}: {why}", wanted.node)));
        found.push(Diagnostic::error("planning failed"));
        found
    }

    /// Fills in what is known now; returns what is not.
    fn resolve(&self, wanted: &Wanted) -> Result<(Value, Vec<typed::Blank>), String> {
        let mut value = wanted.value.clone();
        let mut left = Vec::new();
        for blank in &wanted.blanks {
            let mut blank = blank.clone();
            if let Some(known) = lookup::fill_blank(&mut blank, |node, steps| match self.planned.get(node) {
                Some(planned) => lookup::at_plan(planned, steps),
                None => Known::Later,
            })? {
                typed::fill(&mut value, &blank, &known)?;
            } else {
                // What makes up a child node stays empty until it is known.
                if matches!(blank.kind, Type::String | Type::Enum(_)) && blank.own.is_none() {
                    typed::fill(&mut value, &blank, &Value::from(blank.text.as_str()))?;
                }
                left.push(blank);
            }
        }
        if !wanted.blanks.is_empty() {
            value = typed::ordered(&value, &Type::Message(wanted.kind.state));
        }
        Ok((value, left))
    }

    /// What the state has and the configuration does not.
    fn deletes(&mut self) -> Result<(), NoPlan> {
        for (node, entry) in &self.state.resources {
            if self.planned.contains_key(node) {
                continue;
            }
            let Some(kind) = kinds::of_node(node) else {
                return Err(NoPlan::Unsupported(vec![Unsupported { path: node.clone(), origin: None }]));
            };
            let answered = self.answers.get(node);
            let answer = answered.cloned().flatten();
            let planned = Planned {
                node: node.clone(),
                kind,
                action: Action::Delete,
                gone: answered == Some(&None) && !answers::is_listed(kind),
                depends_on: entry.depends_on.clone(),
                value: Value::Null,
                blanks: Vec::new(),
                deployed: Some(entry.clone()),
                remote: answer.as_ref().map(|answer| shown_remote(kind, &entry.id, answer)),
                answer,
                changes: BTreeMap::new(),
                origin: None,
                prevent_destroy: false,
            };
            self.planned.insert(node.clone(), planned);
        }
        Ok(())
    }
}

fn shown_remote(kind: &'static Kind, id: &str, answer: &Value) -> Value {
    answers::shown(kind, &answers::remote(kind, id, answer))
}

/// A hash in a state is the text that is wanted, where it is that text's hash.
fn read_hashes(kind: &Kind, state: &mut Value, value: &Value) {
    for field in kind.hashed {
        let Some(text) = value.get(*field).and_then(Value::as_str) else { continue };
        let hash = format!("{HASH}{}", Digest::of(text.as_bytes()).hex());
        if let Some(saved) = state.get_mut(*field).filter(|saved| saved.as_str() == Some(&hash)) {
            *saved = text.into();
        }
    }
}

/// Every field that differs: what we changed, and what the workspace has else.
fn changes(kind: &'static Kind, old: &Value, new: &Value, live: &Value) -> BTreeMap<String, FieldChange> {
    let seen = answers::configured(kind, live);
    let mut places = diff::differences(kind, old, new);
    places.extend(diff::differences(kind, new, &seen));
    let field = |place: &Place| {
        let (old, new, remote) = (place.get(old), place.get(new), place.get(&seen));
        let (action, reason) = classify::classify(kind, place, [old, new, remote], live);
        let shown = |value: Option<&Value>| value.map(|value| typed::pruned(value, &place.kind));
        FieldChange { action, reason, old: shown(old), new: shown(new), remote: shown(remote) }
    };
    places.iter().map(|(path, place)| (path.clone(), field(place))).collect()
}

/// Every field that differs from what was deployed and is gone.
fn changes_of_gone(kind: &'static Kind, old: &Value, new: &Value) -> BTreeMap<String, FieldChange> {
    let places = diff::differences(kind, old, new);
    let field = |place: &Place| {
        let (old, new) = (place.get(old), place.get(new));
        let (action, reason) = classify::classify_gone(kind, place, old, new);
        let shown = |value: Option<&Value>| value.map(|value| typed::pruned(value, &place.kind));
        FieldChange { action, reason, old: shown(old), new: shown(new), remote: None }
    };
    places.iter().map(|(path, place)| (path.clone(), field(place))).collect()
}

/// The paths of what has to be sent to bring `now` to `wanted`.
pub fn paths(kind: &'static Kind, wanted: &Value, now: &Value) -> Vec<String> {
    let real = changes(kind, wanted, wanted, now).into_iter().filter(|(_, change)| change.action != Action::Skip);
    real.map(|(path, _)| path).collect()
}

/// Whether the workspace has something else than what was deployed, its own additions aside.
pub fn differs(kind: &'static Kind, deployed: &Value, now: &Value) -> bool {
    changes(kind, deployed, deployed, now).values().any(|change| change.action != Action::Skip)
}

/// The nodes so that each comes after what it refers to; a reference to nothing and a cycle
/// are errors.
fn order(nodes: &BTreeMap<String, Wanted>) -> Result<Vec<String>, Diagnostic> {
    let mut dependants: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    let mut waiting: HashMap<&str, usize> = HashMap::new();
    for (node, wanted) in nodes {
        let mut needs = BTreeSet::new();
        for Dependency { node: on, label } in &wanted.depends_on {
            if !nodes.contains_key(on) {
                return Err(no_such_node(wanted, on, label));
            }
            if needs.insert(on.as_str()) {
                dependants.entry(on).or_default().insert(node, label);
            }
        }
        waiting.insert(node, needs.len());
    }
    let mut ready: VecDeque<&str> =
        nodes.keys().map(String::as_str).filter(|node| waiting.get(node) == Some(&0)).collect();
    let mut out = Vec::with_capacity(nodes.len());
    while let Some(node) = ready.pop_front() {
        out.push(node.to_owned());
        for dependant in dependants.get(node).into_iter().flat_map(BTreeMap::keys) {
            if let Some(left) = waiting.get_mut(dependant) {
                *left -= 1;
                if *left == 0 {
                    ready.push_back(dependant);
                }
            }
        }
    }
    if out.len() < nodes.len() { Err(cycle(nodes, &dependants)) } else { Ok(out) }
}

fn no_such_node(wanted: &Wanted, on: &str, label: &str) -> Diagnostic {
    let summary = format!("invalid dependency {label:?}, no such node {on:?}");
    Diagnostic { place: wanted.origin.clone(), ..Diagnostic::error(summary) }
}

/// References to resources that the configuration does not have: known before anybody is asked anything.
pub fn to_nothing(config: &Tree) -> Vec<Diagnostic> {
    let Ok(nodes) = wanted(config) else { return Vec::new() };
    let refers = |wanted| move |on: &Dependency| (wanted, on.node.clone(), on.label.clone());
    let all = nodes.values().flat_map(|wanted| wanted.depends_on.iter().map(refers(wanted)));
    let missing = all.filter(|(_, on, label)| label.starts_with("${resources.") && !nodes.contains_key(on));
    missing.map(|(wanted, on, label)| no_such_node(wanted, &on, &label)).collect()
}

/// Names a cycle, from the first node by name that lies on one.
fn cycle(nodes: &BTreeMap<String, Wanted>, dependants: &BTreeMap<&str, BTreeMap<&str, &str>>) -> Diagnostic {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in nodes.keys() {
        let mut path: Vec<(&str, &str)> = Vec::new();
        if let Some(edges) = walk(start, dependants, &mut path, &mut done) {
            return Diagnostic::error(format!("cycle detected: {}", describe(&edges)));
        }
    }
    Diagnostic::error("cycle detected")
}

/// (from, to, label): `to` refers to `from` by `label`.
type Edge<'g> = (&'g str, &'g str, &'g str);

fn walk<'g>(
    start: &'g str,
    dependants: &BTreeMap<&'g str, BTreeMap<&'g str, &'g str>>,
    path: &mut Vec<(&'g str, &'g str)>,
    done: &mut BTreeSet<&'g str>,
) -> Option<Vec<Edge<'g>>> {
    // An explicit stack: a chain of thousands of resources must not overflow ours.
    let below = |node: &str| dependants.get(node).into_iter().flatten().map(|(to, label)| (*to, *label));
    path.push((start, ""));
    let mut stack: Vec<Vec<(&str, &str)>> = vec![below(start).collect::<Vec<_>>().into_iter().rev().collect()];
    while let Some(next) = stack.last_mut() {
        let Some((to, label)) = next.pop() else {
            stack.pop();
            if let Some((node, _)) = path.pop() {
                done.insert(node);
            }
            continue;
        };
        if let Some(at) = path.iter().position(|(node, _)| *node == to) {
            let mut edges: Vec<Edge<'g>> =
                path[at..].windows(2).map(|pair| (pair[0].0, pair[1].0, pair[1].1)).collect();
            edges.push((path.last().map_or(to, |(node, _)| node), to, label));
            return Some(edges);
        }
        if !done.contains(to) {
            path.push((to, label));
            stack.push(below(to).collect::<Vec<_>>().into_iter().rev().collect());
        }
    }
    None
}

fn describe(edges: &[Edge<'_>]) -> String {
    match edges {
        [] => String::new(),
        [(node, _, label)] => format!("{node} refers to itself via {label}"),
        [rest @ .., (from, _, label)] => {
            let rest: Vec<String> =
                rest.iter().map(|(from, to, label)| format!("{to} refers to {from} via {label}")).collect();
            format!("{} which refers to {from} via {label}", rest.join(" "))
        }
    }
}
