//! What the engine is told besides the bundle's files.
//!
//! Two sorts: what is known before any request goes out (`Options`), and what only the
//! workspace and the repository can say (`Facts`). Loading needs the first alone, so that a
//! bundle's host can be checked against the allow-list before a token is minted.

use std::collections::BTreeMap;

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
}

/// Who deploys: the names and paths of a target follow from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub id: String,
    /// The mail address of a person, the application id of a service principal.
    pub user_name: String,
    pub display_name: String,
    /// The groups it is a direct member of.
    pub groups: Vec<String>,
}

/// The repository around the bundle, as far as there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Git {
    /// The work tree's folder relative to the bundle's: `.`, `..`, `../..`.
    pub worktree: String,
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub origin_url: Option<String>,
}

/// What the workspace and the repository say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// None while offline: what depends on it stays an unresolved reference.
    pub user: Option<User>,
    pub git: Option<Git>,
}
