//! What a stage was asked to do: inputs, configuration and event as one value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::phases::endpoint::Serve;
use crate::domain::fact::{Release, Rival, Tested};
use crate::domain::ledger::Head;
use crate::domain::{Alias, ModelName, ModelVersion};
use crate::inputs::config::{Environment, Smoke, Train};
use crate::inputs::event::Occasion;
use crate::policy::gate::Demand;
use crate::ports::engine::ActAs;
use crate::steps::ledger::Ledger;
use crate::steps::model::find_version::Way;

#[derive(Clone)]
pub struct Assignment {
    pub environment: Environment,
    pub target: String,
    /// The bundle's name.
    pub bundle: String,
    pub smoke: Vec<Smoke>,
    /// What this environment trains; empty for a stage that trains nothing.
    pub models: Vec<Trained>,
    /// What an earlier environment trained, and this one tests and passes on.
    pub taken: Vec<Taken>,
    /// A model's first version may pass although there is no champion.
    pub bootstrap: bool,
    pub occasion: Occasion,
    /// What is checked out, where there is a repository.
    pub commit: Option<String>,
    pub allow_older: bool,
    pub lock_timeout: Duration,
    /// Present when another principal reads than the one that deploys.
    pub act_as: Option<ActAs>,
    /// What is deployed; absent for a stage that only shows a plan.
    pub release: Option<Release>,
    /// Where this environment's records of the bundle lie; absent where it keeps none.
    pub ledger: Option<Ledger>,
    /// Where this environment keeps archives of releases; absent where it writes none into a volume.
    pub releases: Option<String>,
    /// The heads of earlier environments' ledgers, as they were seen.
    pub seen: BTreeMap<String, Head>,
    /// What passed its gate in the environment before, with this release.
    pub tested: Vec<Tested>,
    /// Unique to this run and attempt: it names the folder of what is saved for undoing.
    pub run_key: String,
}

impl Assignment {
    /// What this environment takes from the one before.
    pub fn promotions(&self) -> Vec<Arc<Promotion>> {
        self.taken.iter().map(|taken| Arc::clone(&taken.promotion)).collect()
    }

    /// Files that are ours and not the bundle's, in the workspace.
    pub fn undo_folder(&self, root_path: &str) -> String {
        format!("{root_path}/.mlops-deploy/undo/{}", self.run_key)
    }

    pub fn commit_text(&self) -> &str {
        self.commit.as_deref().unwrap_or_default()
    }
}

/// A model that the stage trains, and what must be shown of it.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model's key in the bundle.
    pub key: String,
    pub model: ModelName,
    pub train: Train,
    pub way: Way,
    pub validate: Vec<Smoke>,
    pub demands: BTreeMap<String, Demand>,
    /// Where the champion may be, the likeliest first: what is promoted to, and this model itself.
    pub rivals: Vec<ModelName>,
    pub alias: Alias,
}

/// A version that an earlier environment trained and judged, and what must be shown of it here.
#[derive(Clone)]
pub struct Taken {
    pub promotion: Arc<Promotion>,
    pub validate: Vec<Smoke>,
}

/// One model on its way to the environment.
#[derive(Clone)]
pub struct Promotion {
    /// The model's key in the bundle.
    pub key: String,
    pub source: ModelName,
    pub version: ModelVersion,
    /// Whom the earlier stage's ledger says it was compared with.
    pub champion: Option<Rival>,
    pub destination: ModelName,
    /// What is moved to the version in the end; none where the environment only passes it on.
    pub alias: Option<Alias>,
    pub serve: Option<Serve>,
    /// Keys of the jobs that train.
    pub training: Vec<String>,
}

impl Promotion {
    /// Both environments have one model: there is nothing to copy.
    pub fn is_shared(&self) -> bool {
        self.source == self.destination
    }
}
