//! What one workspace holds.
//!
//! Most things are kept as the JSON documents that the API answers: a table per kind, in order of creation. A new kind
//! needs no type here, only functions under `api/`.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::api::files::uploads::Upload;
use super::identity::Principal;
use super::metastore::{KINDS, UnityCatalog};
use super::served::Served;
use super::tasks::Runs;
use super::tree::Tree;

pub(crate) type Table = IndexMap<String, Value>;

#[derive(Clone)]
pub(crate) struct Store {
    /// Under which the server keeps it.
    pub name: String,
    pub workspace_id: u64,
    pub ids: Ids,
    /// Catalogs and what lies in them: its own, or those of a metastore that is lent to it.
    pub uc: UnityCatalog,
    /// Workspace files, notebooks, folders and experiments, by path without `/Workspace`.
    pub files: Tree,
    tables: BTreeMap<&'static str, Table>,
    /// Direct entries of an object's access control list: `jobs/123` -> principal -> level.
    pub acls: BTreeMap<String, Acl>,
    /// Uploads in parts that are not complete, by session.
    pub uploads: BTreeMap<String, Upload>,
    pub runs: Runs,
    pub served: Served,
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
    pub fn new(seed: &str, now: i64) -> Self {
        let mut ids = Ids::seeded(seed);
        let mut store = Self {
            name: seed.to_owned(),
            workspace_id: ids.number(),
            uc: UnityCatalog::new(&mut ids),
            ids,
            files: Tree::default(),
            tables: BTreeMap::new(),
            acls: BTreeMap::new(),
            uploads: BTreeMap::new(),
            runs: Runs::default(),
            served: Served::default(),
            people: vec![],
        };
        for folder in ["/", "/Shared", "/Users", "/Repos"] {
            let id = store.ids.number();
            store.files.folder(folder, id, now);
        }
        store
    }

    /// Catalogs that exist without anybody having made them.
    pub fn with_catalogs(&mut self, names: &[String], now: i64) {
        for name in names {
            if self.get("catalogs", name).is_none() {
                super::api::catalog::seed_catalog(self, name, now);
            }
        }
    }

    /// Who may reach what lies in a catalog, as far as that catalog and its schema `default` go.
    pub fn with_catalog_users(&mut self, catalogs: &[String], users: &[String]) {
        for catalog in catalogs {
            let reached =
                [(format!("catalog/{catalog}"), "USE_CATALOG"), (format!("schema/{catalog}.default"), "USE_SCHEMA")];
            for (thing, privilege) in reached {
                let grants = self.uc.grants.entry(thing).or_default();
                for user in users {
                    grants.entry(user.clone()).or_default().insert(privilege.to_owned());
                }
            }
        }
    }

    /// Volumes that exist without anybody having made them.
    pub fn with_volumes(&mut self, names: &[String], writers: &[String], now: i64) {
        for name in names {
            if self.get("volumes", name).is_none() {
                super::api::catalog::seed_volume(self, name, now);
            }
            for writer in writers {
                let held =
                    self.uc.grants.entry(format!("volume/{name}")).or_default().entry(writer.clone()).or_default();
                held.extend(["READ_VOLUME", "WRITE_VOLUME"].map(str::to_owned));
            }
        }
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
        let tables = if KINDS.contains(&kind) { &mut self.uc.tables } else { &mut self.tables };
        tables.entry(kind).or_default()
    }

    pub fn tables(&self) -> impl Iterator<Item = (&'static str, &Table)> {
        self.tables.iter().chain(&self.uc.tables).map(|(kind, table)| (*kind, table))
    }

    pub fn get_table(&self, kind: &str) -> Option<&Table> {
        let tables = if KINDS.contains(&kind) { &self.uc.tables } else { &self.tables };
        tables.get(kind)
    }

    pub fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.get_table(kind)?.get(id)
    }
}

/// Ids that look like the service's and are the same in every run with the same order of requests.
#[derive(Clone)]
pub(crate) struct Ids {
    seed: String,
    count: u64,
}

impl Ids {
    pub fn seeded(seed: &str) -> Self {
        Self { seed: seed.to_owned(), count: 0 }
    }

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
