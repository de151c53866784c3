//! What one workspace holds.
//!
//! Most things are kept as the JSON documents that the API answers: a table per kind, in order of creation. A new kind
//! needs no type here, only functions under `api/`.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::identity::Principal;
use super::tasks::Runs;
use super::tree::Tree;

pub(crate) type Table = IndexMap<String, Value>;

pub(crate) struct Store {
    pub workspace_id: u64,
    pub metastore_id: String,
    pub ids: Ids,
    /// Workspace files, notebooks, folders and experiments, by path without `/Workspace`.
    pub files: Tree,
    /// The Files API: what lies under `/Volumes` and `/Models`.
    pub storage: Tree,
    tables: BTreeMap<&'static str, Table>,
    /// Direct entries of an object's access control list: `jobs/123` -> principal -> level.
    pub acls: BTreeMap<String, Acl>,
    /// `schema/main.churn` -> principal -> privileges.
    pub grants: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    pub runs: Runs,
    /// Everybody the workspace knows.
    pub people: Vec<Principal>,
}

pub(crate) type Acl = Vec<Ace>;

/// One direct entry of an access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ace {
    /// `user_name`, `group_name` or `service_principal_name`.
    pub kind: &'static str,
    pub name: String,
    pub level: String,
}

impl Store {
    pub fn new(seed: &str, catalogs: &[String], now: i64) -> Self {
        let mut ids = Ids { seed: seed.to_owned(), count: 0 };
        let mut store = Self {
            workspace_id: ids.number(),
            metastore_id: ids.uuid(),
            ids,
            files: Tree::default(),
            storage: Tree::default(),
            tables: BTreeMap::new(),
            acls: BTreeMap::new(),
            grants: BTreeMap::new(),
            runs: Runs::default(),
            people: vec![],
        };
        for folder in ["/", "/Shared", "/Users", "/Repos"] {
            let id = store.ids.number();
            store.files.folder(folder, id, now);
        }
        for catalog in catalogs {
            super::api::catalog::seed_catalog(&mut store, catalog, now);
        }
        store
    }

    /// Everybody who was ever seen has a home folder.
    pub fn welcome(&mut self, who: &Principal, now: i64) {
        if !self.people.contains(who) {
            self.people.push(who.clone());
        }
        let home = format!("/Users/{}", who.user_name);
        if self.files.get(&home).is_none() {
            let id = self.ids.number();
            self.files.folder(&home, id, now);
        }
    }

    pub fn table(&mut self, kind: &'static str) -> &mut Table {
        self.tables.entry(kind).or_default()
    }

    pub fn tables(&self) -> &BTreeMap<&'static str, Table> {
        &self.tables
    }

    pub fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.tables.get(kind)?.get(id)
    }
}

/// Ids that look like the service's and are the same in every run with the same order of requests.
pub(crate) struct Ids {
    seed: String,
    count: u64,
}

impl Ids {
    fn digest(&mut self) -> [u8; 32] {
        self.count += 1;
        Sha256::digest(format!("{}/{}", self.seed, self.count)).into()
    }

    /// A positive number of fifteen digits: what a double keeps exactly, as some clients need.
    pub fn number(&mut self) -> u64 {
        let d = self.digest();
        let n = u64::from_be_bytes([0, 0, d[0], d[1], d[2], d[3], d[4], d[5]]);
        100_000_000_000_000 + n % 800_000_000_000_000
    }

    pub fn uuid(&mut self) -> String {
        let d = self.digest();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&d[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}
