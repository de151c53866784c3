//! The whole state as one JSON document, for a comparison of before and after.
//!
//! `exact` leaves nothing out. `settled` is what remains when two runs did the same thing with other ids and at another
//! time; a retried deploy must leave the same settled state as one that met no fault.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::content::Content;
use super::store::Store;
use super::tree::{Tree, What};

pub(crate) fn exact(stores: &[(&str, &Store)]) -> Value {
    let all: BTreeMap<_, _> = stores.iter().map(|(name, store)| (*name, of_store(store, false))).collect();
    sorted(&json!(all))
}

pub(crate) fn settled(stores: &[(&str, &Store)]) -> Value {
    let all: BTreeMap<_, _> = stores
        .iter()
        .map(|(name, store)| {
            let names = Names::of(store);
            (*name, names.settle(&of_store(store, true), ""))
        })
        .collect();
    sorted(&json!(all))
}

fn of_store(store: &Store, settled: bool) -> Value {
    let tables: BTreeMap<&str, Value> = store
        .tables()
        .map(|(kind, table)| {
            let kept = table.iter().filter(|(_, doc)| !settled || !is_gone(doc));
            (kind, kept.map(|(k, v)| (k.clone(), v.clone())).collect::<Map<_, _>>())
        })
        .filter(|(_, table)| !table.is_empty())
        .map(|(kind, table)| (kind, Value::Object(table)))
        .collect();
    let acls: BTreeMap<&String, Vec<String>> = store
        .acls
        .iter()
        .filter(|(object, _)| {
            let deleted = object.strip_prefix("experiments/").and_then(|id| store.get("experiments", id));
            !settled || !deleted.is_some_and(is_gone)
        })
        .map(|(object, acl)| {
            let mut entries: Vec<_> = acl.iter().map(|a| format!("{} {} {}", a.kind, a.name, a.level)).collect();
            entries.sort();
            (object, entries)
        })
        .collect();
    let mut doc = json!({
        "files": of_tree(&store.files, settled),
        "storage": of_tree(&store.uc.storage, settled),
        "tables": tables,
        "permissions": acls,
        "grants": store.uc.grants.iter().filter(|(_, g)| !g.is_empty()).collect::<BTreeMap<_, _>>(),
    });
    if !settled {
        doc["runs"] = store.runs.dump();
    }
    doc
}

/// Deleted, but not forgotten: history, as far as a deploy is concerned.
fn is_gone(doc: &Value) -> bool {
    doc["lifecycle_stage"] == "deleted" || doc["lifecycle_state"] == "TRASHED"
}

fn of_tree(tree: &Tree, settled: bool) -> Value {
    let mut out = Map::new();
    for (path, node) in tree.iter() {
        let mut entry = match &node.what {
            What::Folder => json!({"type": "DIRECTORY"}),
            What::File(stored) => content("FILE", stored, settled),
            What::Notebook(bytes, language) => {
                content(&format!("NOTEBOOK {}", language.name()), &bytes.clone().into(), settled)
            }
            What::Elsewhere(kind) => json!({"type": kind}),
        };
        entry["object_id"] = json!(node.id);
        entry["created_at"] = json!(node.created);
        entry["modified_at"] = json!(node.modified);
        out.insert(path.to_owned(), entry);
    }
    Value::Object(out)
}

/// JSON documents hold ids and times: a settled dump shows them, so that these can be settled too.
fn content(kind: &str, stored: &Content, settled: bool) -> Value {
    if settled
        && let Content::Memory(bytes) = stored
        && let Ok(doc) = serde_json::from_slice::<Value>(bytes)
    {
        return json!({"type": kind, "content": doc});
    }
    json!({"type": kind, "size": stored.len(), "sha256": stored.digest()})
}

/// Which id belongs to what: `<jobs:train>` says more than a number, and is the same in the next run.
struct Names(BTreeMap<String, String>);

/// Fields that only say when and by whom.
const VOLATILE: &[&str] = &[
    "created_at",
    "created_time",
    "creation_time",
    "creation_timestamp",
    "create_time",
    "updated_at",
    "update_time",
    "last_update_time",
    "last_updated_timestamp",
    "last_modified",
    "modified_at",
    "object_id",
    "timestamp",
    "AcquisitionTime",
    "ID",
    "lineage",
    "id_of_upload",
    "etag",
    "serial",
    "start_time",
    "latest_updates",
    "seq",
];

impl Names {
    fn of(store: &Store) -> Self {
        let mut names = BTreeMap::new();
        for (kind, table) in store.tables() {
            // Two of one name must not fall together: that is what a doubled create looks like.
            let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
            for (id, doc) in table.iter().filter(|(_, doc)| !is_gone(doc)) {
                let name = doc["settings"]["name"].as_str().or(doc["name"].as_str()).or(doc["display_name"].as_str());
                let Some(name) = name else { continue };
                let count = seen.entry(name).or_default();
                *count += 1;
                let label = if *count == 1 { format!("<{kind}:{name}>") } else { format!("<{kind}:{name}:{count}>") };
                for field in ["", "schema_id", "volume_id", "id", "catalog_id"] {
                    let value = if field.is_empty() { Some(id.as_str()) } else { doc[field].as_str() };
                    if let Some(value) = value.filter(|v| looks_like_an_id(v)) {
                        names.insert(value.to_owned(), label.clone());
                    }
                }
            }
        }
        for (path, node) in store.files.iter() {
            names.entry(node.id.to_string()).or_insert_with(|| format!("<object:{path}>"));
            // A service principal's name looks like an id, and is none.
            if let Some(name) = path.strip_prefix("/Users/").filter(|n| !n.contains('/')) {
                names.insert(name.to_owned(), name.to_owned());
            }
        }
        // Nor is that of whoever was given a right.
        let given = store.uc.grants.values().flat_map(BTreeMap::keys);
        names.extend(given.map(|principal| (principal.clone(), principal.clone())));
        names.insert(store.uc.metastore_id.clone(), "<metastore>".into());
        Self(names)
    }

    fn settle(&self, value: &Value, field: &str) -> Value {
        match value {
            _ if VOLATILE.contains(&field) => Value::Null,
            Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (self.text(k), self.settle(v, k))).collect()),
            Value::Array(items) => Value::Array(items.iter().map(|v| self.settle(v, "")).collect()),
            Value::String(s) => Value::String(self.text(s)),
            Value::Number(n) => match self.0.get(&n.to_string()) {
                Some(name) => Value::String(name.clone()),
                None => value.clone(),
            },
            other => other.clone(),
        }
    }

    /// Ids also stand inside of texts: `/jobs/123`.
    fn text(&self, text: &str) -> String {
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\0']) {
            if c.is_ascii_alphanumeric() || c == '-' {
                word.push(c);
                continue;
            }
            match self.0.get(&word) {
                Some(name) => out.push_str(name),
                // A lock, a lineage, an upload: made up by the client.
                None if is_uuid(&word) => out.push_str("<uuid>"),
                None => out.push_str(&word),
            }
            word.clear();
            if c != '\0' {
                out.push(c);
            }
        }
        out
    }
}

fn is_uuid(word: &str) -> bool {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn looks_like_an_id(text: &str) -> bool {
    text.len() >= 15 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_name: BTreeMap<&String, &Value> = map.iter().collect();
            Value::Object(by_name.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
