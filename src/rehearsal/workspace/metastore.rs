//! Unity Catalog's part of a workspace, which several workspaces may share.
//!
//! In Databricks catalogs, volumes and models belong to a metastore, and every workspace of a region sees the same one:
//! a promotion reads staging's model through prod's workspace. A request sees it as part of its own workspace; while a
//! shared one is lent to one request, the others wait.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::swap;
use std::sync::{Arc, Mutex, PoisonError};

use super::store::{Ids, Store, Table};
use super::tree::Tree;

/// Kinds that belong to the metastore and not to one workspace.
pub(crate) const KINDS: [&str; 6] =
    ["catalogs", "external_locations", "schemas", "volumes", "registered_models", "model_versions"];

/// Whether things of this kind are seen by every workspace of their metastore.
pub fn is_shared(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// What a metastore holds.
#[derive(Clone)]
pub(crate) struct UnityCatalog {
    pub metastore_id: String,
    /// The Files API: what lies under `/Volumes` and `/Models`.
    pub storage: Tree,
    /// `schema/main.churn` -> principal -> privileges.
    pub grants: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// How many versions a model ever had: a number is never given twice.
    pub versions_made: BTreeMap<String, u64>,
    pub tables: BTreeMap<&'static str, Table>,
}

impl UnityCatalog {
    pub fn new(ids: &mut Ids) -> Self {
        let metastore_id = ids.uuid();
        Self {
            metastore_id,
            storage: Tree::default(),
            grants: BTreeMap::new(),
            versions_made: BTreeMap::new(),
            tables: BTreeMap::new(),
        }
    }
}

/// A metastore that workspaces are attached to by `Config::metastore`; a clone is the same one.
#[derive(Clone)]
pub struct Metastore(Arc<Mutex<UnityCatalog>>);

impl Default for Metastore {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(UnityCatalog::new(&mut Ids::seeded("metastore")))))
    }
}

impl Metastore {
    /// Runs something on a workspace that has this metastore as its own meanwhile.
    pub(crate) fn lent_to<T>(&self, store: &mut Store, f: impl FnOnce(&mut Store) -> T) -> T {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        swap(&mut store.uc, &mut *shared);
        let result = f(store);
        swap(&mut store.uc, &mut *shared);
        result
    }
}
