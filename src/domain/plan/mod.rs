//! What a plan says, for people and for gates: the plan document read into what a reviewer
//! asks. What changes, from what to what; what somebody changed by hand; what is lost.
//!
//! The view goes into the journal, so it holds no value of a field that is not on its kind's
//! printable list: such a field only says that it changed.

mod digest;
mod fields;
mod new;
mod read;
mod rights;
mod value;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use digest::digest;
pub use read::read;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Delete,
    Recreate,
    /// Changed in place, but its id changes with it.
    UpdateId,
    Update,
    Resize,
    Create,
}

/// Why a reviewer should look twice. Worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    DataLoss,
    Outage,
    Privilege,
    Cost,
}

impl Risk {
    pub const ALL: [Risk; 4] = [Risk::DataLoss, Risk::Outage, Risk::Privilege, Risk::Cost];

    pub fn words(self) -> &'static str {
        match self {
            Risk::DataLoss => "data loss",
            Risk::Outage => "outage",
            Risk::Privilege => "privilege",
            Risk::Cost => "cost",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Danger {
    pub risk: Risk,
    /// Such as: all versions of the model are deleted.
    pub sentence: String,
}

/// Who changed a field: we, somebody else, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The configuration changed since the last deployment.
    Intended,
    /// Only the workspace changed: the deployment takes that back.
    Drift,
    /// Both changed, and differently: what was done by hand is lost.
    Conflict,
}

/// A value as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    Absent,
    /// Not on the printable list.
    Hidden,
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// As the plan names it: `tasks[task_key='main'].run_if`.
    pub path: String,
    pub cause: Cause,
    /// At the last deployment, in the configuration now, and in the workspace now.
    pub old: Shown,
    pub new: Shown,
    pub live: Shown,
    /// Whether this field alone forces a recreate or a new id.
    #[serde(default)]
    pub forces: bool,
}

/// What somebody decides on when a resource is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// As plans name it; empty for the resource itself.
    pub path: String,
    pub value: Said,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    Value(Shown),
    Words(String),
}

/// The same before anybody asked whether it may be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Value(String, Value),
    /// Words about it, such as a count.
    Words(String, String),
    Absent(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceChange {
    /// `resources.jobs.train`, or `resources.jobs.train.permissions`.
    pub node: String,
    /// For people: job `train`, or permissions of job `train`.
    pub title: String,
    pub action: Action,
    /// Deleted, but no longer there; or created, although the state knows it.
    #[serde(default)]
    pub vanished: bool,
    pub fields: Vec<FieldChange>,
    /// Of what is made.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// Facts that are too many to keep.
    #[serde(default)]
    pub more_facts: usize,
    pub dangers: Vec<Danger>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanView {
    /// Worst first, then by name.
    pub changes: Vec<ResourceChange>,
    pub unchanged: usize,
    /// Left out by a selection.
    #[serde(default)]
    pub not_selected: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub created: usize,
    pub updated: usize,
    pub recreated: usize,
    pub deleted: usize,
    pub unchanged: usize,
}

impl Counts {
    pub fn changed(self) -> usize {
        self.created + self.updated + self.recreated + self.deleted
    }
}

/// What is gone for good after a delete, even when the same thing is made again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Made again, it has another id.
    pub identity: bool,
    /// As a sentence; empty where nothing is lost.
    pub data: String,
}

/// What the kinds know: which fields may be printed, what a delete loses, what a person calls it.
pub struct Knowledge<'k> {
    /// Node and path of a field as plans write it.
    pub printable: &'k dyn Fn(&str, &str) -> bool,
    /// What a reviewer reads of a node that is made with this state.
    pub facts: &'k dyn Fn(&str, &Value) -> Vec<Told>,
    /// What a delete or recreate of this kind cannot bring back.
    pub lost: &'k dyn Fn(&str) -> Loss,
    /// A singular, such as `job`.
    pub title: &'k dyn Fn(&str) -> String,
    /// Whether the state before this plan knows the node.
    pub deployed: &'k dyn Fn(&str) -> bool,
    /// Who deploys: what runs as somebody else, and who else gets rights, is news.
    pub deployer: &'k str,
}

impl PlanView {
    pub fn counts(&self) -> Counts {
        let of = |actions: &[Action]| self.changes.iter().filter(|c| actions.contains(&c.action)).count();
        Counts {
            created: of(&[Action::Create]),
            updated: of(&[Action::Update, Action::UpdateId, Action::Resize]),
            recreated: of(&[Action::Recreate]),
            deleted: of(&[Action::Delete]),
            unchanged: self.unchanged,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Every danger with the resource it threatens, worst first.
    pub fn dangers(&self) -> Vec<(&ResourceChange, &Danger)> {
        let mut all: Vec<_> = self.changes.iter().flat_map(|c| c.dangers.iter().map(move |d| (c, d))).collect();
        all.sort_by_key(|(_, danger)| danger.risk);
        all
    }

    /// Fields that somebody changed in the workspace and the deployment takes back.
    pub fn edits_by_hand(&self) -> usize {
        self.changes.iter().flat_map(|c| &c.fields).filter(|f| f.cause != Cause::Intended).count()
    }
}
