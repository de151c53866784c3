//! What stages write into the journal by name, and reports read back.
//!
//! Everything here leaves the machine in a comment, a summary or an artifact: no tokens, no
//! values of fields that are not on a printable list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ledger::Archive;
use super::release::ReleaseId;

/// `PlanView`.
pub const PLAN: &str = "plan";
/// A text, `sha256:…`.
pub const PLAN_DIGEST: &str = "plan-digest";
/// `Files`.
pub const FILES: &str = "files";
/// `Engine`.
pub const ENGINE: &str = "engine";
/// A list of `Target`.
pub const TARGETS: &str = "targets";
/// A list of `Diagnostic`.
pub const DIAGNOSTICS: &str = "diagnostics";
/// `Deployment`.
pub const DEPLOYMENT: &str = "deployment";
/// `Release`.
pub const RELEASE: &str = "release";
/// A text: the principal that deploys, as the workspace knows it.
pub const DEPLOYER: &str = "deployer";
/// Present where something older replaces something newer, on purpose.
pub const OLDER: &str = "older";
/// A text, present where nobody could say whether what is deployed is newer.
pub const ORDER_UNKNOWN: &str = "order-unknown";
/// `Uncommitted`, where there is some.
pub const UNCOMMITTED: &str = "uncommitted";
/// A list of `Deployed`.
pub const RESOURCES: &str = "resources";
/// A text: why only the offline part was done.
pub const OFFLINE: &str = "offline";
/// An endpoint's name, and what it served before.
pub const ENDPOINT: &str = "endpoint";
/// A list of `Tested`: the versions that training has made, before their gates.
pub const TRAINED: &str = "trained";
/// A list of `Tested`: the versions that passed their gates.
pub const TESTED: &str = "models";
/// A list of `GateLine`.
pub const GATE: &str = "gate";
/// `Promotion`.
pub const PROMOTION: &str = "promotion";
/// `Intent`.
pub const INTENT: &str = "intent";
/// `CarriedOn`, where an interrupted promotion was.
pub const CARRIED_ON: &str = "carried-on";
/// A list of phases that a dry run leaves undecided.
pub const DECIDED_LATER: &str = "decided-later";
/// A text: the commit that was deployed before this run; absent when none is recorded.
pub const DEPLOYED_COMMIT: &str = "deployed-commit";

/// True, and the last entry of all: everybody has heard how the run ended.
pub const TOLD: &str = "told";

/// What identifies a run: the first entry of its journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    pub stage: String,
    pub bundle: String,
    pub target: String,
    pub environment: String,
    pub host: String,
    /// The commit that is checked out.
    pub commit: String,
    /// The commit that a person wrote, where it is another: a pull request's head.
    pub head: String,
    pub repository: String,
    pub event: String,
    /// Id and attempt; empty on a laptop.
    pub run_id: String,
    pub attempt: u32,
    pub job: String,
    pub run_url: String,
    pub dry_run: bool,
    pub version: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    pub name: String,
    /// Why it was chosen.
    pub because: String,
}

/// Files of the workspace that an upload adds, changes or deletes; names below `files/`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Files {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub deleted: Vec<String>,
    pub unchanged: usize,
    /// Of what lies there afterwards: every file's name and digest.
    pub digest: String,
}

/// A target that was resolved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    pub name: String,
    pub host: String,
    pub mode: String,
    pub resources: usize,
    pub errors: usize,
    pub warnings: usize,
    /// Values that only the workspace knows.
    pub unknown: usize,
}

/// A resource as it lies in the workspace after the deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// Such as: job `train`.
    pub title: String,
    pub id: String,
    pub url: String,
}

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub id: ReleaseId,
    pub archive: Archive,
    pub commit: String,
    pub files: usize,
    /// Bytes of the files together.
    pub size: u64,
    /// Where the archive lies on this machine.
    pub file: String,
    /// Where it is kept for later stages; empty where the workflow takes it along.
    pub kept: String,
    /// Absent where it is what the commit has, or where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncommitted: Option<Uncommitted>,
}

/// Files that were packed otherwise than the commit has them. Not part of the release's id: that is made of what was
/// packed, whatever it was called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Uncommitted {
    pub files: usize,
    /// The first of them.
    pub names: Vec<String>,
}

/// What a record's details say of what was packed.
pub fn uncommitted(details: &BTreeMap<String, Value>) -> Option<Uncommitted> {
    serde_json::from_value(details.get(UNCOMMITTED)?.clone()).ok()
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: u64,
    pub environment: String,
    /// It belongs to the job: GitHub made it.
    pub of_the_job: bool,
}

/// One metric at its gate, as people read it. Numbers are texts, because JSON has no NaN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateLine {
    pub model: String,
    pub metric: String,
    /// Empty where it was not logged.
    pub value: String,
    pub limit: String,
    pub champion: String,
    pub passed: bool,
    pub why: String,
}

/// Whom a gate compared a version with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rival {
    /// Nobody: it was meant to be the first.
    None,
    Is {
        model: super::ModelName,
        version: super::ModelVersion,
    },
}

/// A model version that passed its gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// The model's key in the bundle.
    pub key: String,
    pub model: super::ModelName,
    pub version: super::ModelVersion,
    /// Absent before the gate, and where a record does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<Rival>,
}

/// What a record's details say of the models that passed.
pub fn tested(details: &BTreeMap<String, Value>) -> Vec<Tested> {
    details.get(TESTED).and_then(|models| serde_json::from_value(models.clone()).ok()).unwrap_or_default()
}

/// Which version of which model is promoted, and where to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    /// The model's key in the bundle.
    pub key: String,
    pub source: super::ModelName,
    pub version: super::ModelVersion,
    pub destination: super::ModelName,
    /// What is moved to the version in the end.
    #[serde(default)]
    pub alias: String,
}

/// What a promotion means to do, as far as another must mean the same to carry it on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    pub release: String,
    pub source: super::ModelName,
    pub version: super::ModelVersion,
    pub destination: super::ModelName,
    pub alias: super::Alias,
    /// What the alias stands for until it is moved.
    pub stands_for: Option<super::ModelVersion>,
    /// Of how the version is served; the configuration itself may hold rows of data.
    pub serving: Option<super::Digest>,
}

/// The interrupted runs whose work this one carries on, the first of them first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CarriedOn {
    /// Their pages.
    pub runs: Vec<String>,
    /// How far they came, such as: `10 %`.
    pub step: String,
    /// When the first began.
    pub since: String,
}
