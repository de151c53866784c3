//! What the engine is told besides the bundle's files.
//!
//! Two sorts: what is known before any request goes out (`Options`), and what only the
//! workspace and the repository can say (`Facts`). Loading needs the first alone, so that a
//! bundle's host can be checked against the allow-list before a token is minted.

use std::collections::BTreeMap;

use crate::bundle::lookups::Found;
use crate::bundle::python::Spoken;
use crate::domain::Tree;

/// What the caller asked for, and the process environment it may read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The absolute folder of the bundle; it stands in messages only.
    pub root: String,
    pub target: Option<String>,
    /// `--var name=value`, in order.
    pub variables: Vec<(String, String)>,
    /// `BUNDLE_VAR_*`, `DATABRICKS_BUNDLE_*`; the engine reads nothing else of it.
    pub environment: BTreeMap<String, String>,
    /// `--cluster-id`: every task runs on this cluster.
    pub cluster_id: Option<String>,
    /// Look also at what a deployment finds out by itself.
    pub validate: bool,
    /// Whoever calls answers for the bundle's hooks, and writes into volumes: no stage does.
    pub by_hand: bool,
}

/// Who deploys: the names and paths of a target follow from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct User {
    pub id: String,
    /// The mail address of a person, the application id of a service principal.
    pub user_name: String,
    pub display_name: String,
    /// The groups it is a direct member of.
    pub groups: Vec<String>,
    /// The whole answer of the identity endpoint: references may name any field of it.
    pub profile: Tree,
}

impl User {
    /// Reads the answer of the identity endpoint.
    pub fn from_profile(profile: Tree) -> Self {
        let text = |key: &str| profile.text(&[key]).unwrap_or_default().to_owned();
        let groups = profile.get("groups").and_then(Tree::as_list).unwrap_or_default();
        Self {
            id: text("id"),
            user_name: text("userName"),
            display_name: text("displayName"),
            groups: groups.iter().filter_map(|g| g.text(&["display"]).map(str::to_owned)).collect(),
            profile,
        }
    }

    /// Service principals have an application id, a UUID, for a user name.
    pub fn is_service_principal(&self) -> bool {
        let dashes = self.user_name.bytes().enumerate().filter(|(_, b)| *b == b'-').map(|(i, _)| i);
        self.user_name.len() == 36
            && self.user_name.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
            && dashes.eq([8, 13, 18, 23])
    }
}

/// The repository around the bundle, as far as there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Git {
    /// The bundle's folder as seen from the work tree: `.`, `ml/churn`.
    pub bundle_path: String,
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub origin_url: Option<String>,
}

impl Git {
    /// How many folders the work tree lies above the bundle.
    pub fn depth(&self) -> usize {
        self.bundle_path.split('/').filter(|part| !matches!(*part, "" | ".")).count()
    }
}

/// The runtime of each cluster that was asked for; in words why it is not known.
pub type Runtimes = BTreeMap<String, Result<String, String>>;

/// What the workspace and the repository say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// None while offline: what depends on it stays an unresolved reference.
    pub user: Option<User>,
    /// The workspace's address; none while offline.
    pub host: Option<String>,
    pub git: Option<Git>,
    /// The ids of what variables look up, as far as the workspace was asked.
    pub lookups: Found,
    /// The runtimes of clusters that are there already, as far as the workspace was asked.
    pub runtimes: Runtimes,
    /// What the bundle's Python code said, as far as it was run.
    pub python: Spoken,
}
