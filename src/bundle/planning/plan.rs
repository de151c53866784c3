//! The plan: what would happen to each resource, and why. The document is the official one.
//!
//! A plan also keeps what its document does not show: what was answered, and which fields
//! still wait for a resource that is not there yet. The applier works from these.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::bundle::kinds::Kind;
use crate::bundle::planning::node::Dependency;
use crate::bundle::planning::typed::Blank;
use crate::bundle::state::Deployed;
use crate::domain::Origin;

/// The version of the document.
const PLAN_VERSION: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Skip,
    /// An update that does not stop what runs.
    Resize,
    Update,
    /// An update that gives the resource a new id.
    UpdateId,
    Create,
    Recreate,
    Delete,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Action::Skip => "skip",
            Action::Resize => "resize",
            Action::Update => "update",
            Action::UpdateId => "update_id",
            Action::Create => "create",
            Action::Recreate => "recreate",
            Action::Delete => "delete",
        }
    }

    /// The word of the plan's text; to a person a new id is an update.
    pub fn word(self) -> &'static str {
        if self == Action::UpdateId { "update" } else { self.name() }
    }

    /// The word of a deployment's result lines.
    pub fn past(self) -> &'static str {
        match self {
            Action::Skip => "Unchanged",
            Action::Resize => "Resized",
            Action::Update | Action::UpdateId => "Updated",
            Action::Create => "Created",
            Action::Recreate => "Recreated",
            Action::Delete => "Deleted",
        }
    }
}

/// One field that differs between the last deployment, the configuration and the workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    pub action: Action,
    pub reason: Option<&'static str>,
    pub old: Option<Value>,
    pub new: Option<Value>,
    pub remote: Option<Value>,
}

impl FieldChange {
    /// Nobody changed the configuration, but the workspace has something else.
    pub fn is_drift(&self) -> bool {
        self.action != Action::Skip && self.old == self.new
    }
}

/// What happens to one node.
#[derive(Clone, Debug)]
pub struct Planned {
    pub node: String,
    pub kind: &'static Kind,
    pub action: Action,
    /// A delete of what is already gone: nothing is sent.
    pub gone: bool,
    pub depends_on: Vec<Dependency>,
    /// The state to reach; the fields of `blanks` wait for other nodes.
    pub value: Value,
    pub blanks: Vec<Blank>,
    /// The entry of the last deployment.
    pub deployed: Option<Deployed>,
    /// What the workspace answered, as the document shows it, and as it came.
    pub remote: Option<Value>,
    pub answer: Option<Value>,
    pub changes: BTreeMap<String, FieldChange>,
    /// Where the resource stands in the configuration; none for what is no longer there.
    pub origin: Option<Origin>,
    pub prevent_destroy: bool,
}

impl Planned {
    pub fn id(&self) -> Option<&str> {
        self.deployed.as_ref().map(|deployed| deployed.id.as_str())
    }

    /// The changes that are more than noise of the workspace.
    pub fn real_changes(&self) -> impl Iterator<Item = (&String, &FieldChange)> {
        self.changes.iter().filter(|(_, change)| change.action != Action::Skip)
    }

    fn document(&self) -> Value {
        let mut out = Map::new();
        if !self.depends_on.is_empty() {
            let list = self.depends_on.iter().map(|d| {
                let pairs = [("node".to_owned(), d.node.clone().into()), ("label".to_owned(), d.label.clone().into())];
                Value::Object(pairs.into_iter().collect())
            });
            out.insert("depends_on".into(), Value::Array(list.collect()));
        }
        out.insert("action".into(), self.action.name().into());
        if self.gone {
            out.insert("gone".into(), true.into());
        }
        if !matches!(self.action, Action::Skip | Action::Delete) {
            let mut state = Map::new();
            state.insert("value".into(), self.value.clone());
            if !self.blanks.is_empty() {
                let vars: BTreeMap<&str, &str> =
                    self.blanks.iter().map(|b| (b.path.as_str(), b.text.as_str())).collect();
                state.insert(
                    "vars".into(),
                    vars.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect::<Map<_, _>>().into(),
                );
            }
            out.insert("new_state".into(), Value::Object(state));
        }
        if let Some(remote) = &self.remote {
            out.insert("remote_state".into(), remote.clone());
        }
        if !self.changes.is_empty() {
            let changes = self.changes.iter().map(|(path, change)| (path.clone(), change.document()));
            out.insert("changes".into(), Value::Object(changes.collect()));
        }
        Value::Object(out)
    }
}

impl FieldChange {
    fn document(&self) -> Value {
        let mut out = Map::new();
        out.insert("action".into(), self.action.name().into());
        if let Some(reason) = self.reason {
            out.insert("reason".into(), reason.into());
        }
        for (name, value) in [("old", &self.old), ("new", &self.new), ("remote", &self.remote)] {
            if let Some(value) = value {
                out.insert(name.into(), value.clone());
            }
        }
        Value::Object(out)
    }
}

/// How many resources a plan creates, changes, deletes and leaves; a recreate counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub created: usize,
    pub changed: usize,
    pub deleted: usize,
    pub unchanged: usize,
    pub not_selected: usize,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub cli_version: String,
    pub lineage: Option<String>,
    pub serial: Option<u64>,
    pub nodes: BTreeMap<String, Planned>,
    pub not_selected: usize,
}

impl Plan {
    /// As `bundle plan -o json` prints it.
    pub fn document(&self) -> Value {
        let mut out = Map::new();
        out.insert("plan_version".into(), PLAN_VERSION.into());
        out.insert("cli_version".into(), self.cli_version.clone().into());
        if let Some(lineage) = &self.lineage {
            out.insert("lineage".into(), lineage.clone().into());
        }
        if let Some(serial) = self.serial {
            out.insert("serial".into(), serial.into());
        }
        let nodes = self.nodes.iter().map(|(node, planned)| (node.clone(), planned.document()));
        out.insert("plan".into(), Value::Object(nodes.collect()));
        if self.not_selected > 0 {
            out.insert("not_selected".into(), self.not_selected.into());
        }
        Value::Object(out)
    }

    /// As `bundle plan` prints it.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (node, planned) in self.changing() {
            out.push_str(&format!("{} {}\n", planned.action.word(), short(node)));
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&self.counts().plan_line());
        out.push('\n');
        out
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts { not_selected: self.not_selected, ..Counts::default() };
        for planned in self.nodes.values() {
            match planned.action {
                Action::Skip => counts.unchanged += 1,
                Action::Resize | Action::Update | Action::UpdateId => counts.changed += 1,
                Action::Create => counts.created += 1,
                Action::Delete => counts.deleted += 1,
                Action::Recreate => {
                    counts.created += 1;
                    counts.deleted += 1;
                }
            }
        }
        counts
    }

    /// The nodes that something happens to, by name.
    pub fn changing(&self) -> impl Iterator<Item = (&String, &Planned)> {
        self.nodes.iter().filter(|(_, planned)| planned.action != Action::Skip)
    }

    pub fn is_empty(&self) -> bool {
        self.changing().next().is_none()
    }

    /// What goes although the configuration says that it must not.
    pub fn prevented(&self) -> Vec<&Planned> {
        let goes = |p: &&Planned| matches!(p.action, Action::Delete | Action::Recreate) && p.prevent_destroy;
        self.nodes.values().filter(goes).collect()
    }

    /// What a person is asked about before it goes, with the question, kind by kind.
    pub fn destructive(&self) -> Vec<(&'static str, Vec<&Planned>)> {
        let mut kinds: Vec<&'static Kind> = Vec::new();
        for kind in crate::bundle::kinds::ALL {
            if kind.destroys.is_some() {
                kinds.push(kind);
            }
        }
        kinds.sort_by_key(|kind| kind.destroys.map(|d| d.rank));
        let goes = |p: &&Planned| matches!(p.action, Action::Delete | Action::Recreate) && !p.gone;
        let of = |kind: &'static Kind| {
            self.nodes.values().filter(move |p| std::ptr::eq(p.kind, kind)).filter(goes).collect()
        };
        kinds
            .into_iter()
            .filter_map(|kind| Some((kind.destroys?.deploy, of(kind))))
            .filter(|(_, planned): &(_, Vec<_>)| !planned.is_empty())
            .collect()
    }
}

impl Counts {
    /// `Plan: 1 to add, 0 to change, 0 to delete, 0 unchanged`
    pub fn plan_line(&self) -> String {
        let Counts { created, changed, deleted, unchanged, .. } = self;
        let line = format!("Plan: {created} to add, {changed} to change, {deleted} to delete, {unchanged} unchanged");
        line + &self.not_selected()
    }

    /// `Resources: 1 created, 0 changed, 0 deleted, 0 unchanged`
    pub fn result_line(&self) -> String {
        let Counts { created, changed, deleted, unchanged, .. } = self;
        let line = format!("Resources: {created} created, {changed} changed, {deleted} deleted, {unchanged} unchanged");
        line + &self.not_selected()
    }

    fn not_selected(&self) -> String {
        if self.not_selected == 0 { String::new() } else { format!(", {} not selected", self.not_selected) }
    }
}

/// A node as a person reads it: `jobs.train`.
pub fn short(node: &str) -> &str {
    node.strip_prefix("resources.").unwrap_or(node)
}
