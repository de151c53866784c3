//! The plan's digest: equal when the same things would be done, whoever planned and whenever.
//!
//! What no deployment acts on is left out: versions, lineage and serial, what the workspace
//! answered, entries and differences that are skipped, etags. Every value that would be
//! written counts, the ones that are never shown as well.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// `sha256:` and 64 hexadecimal digits. `files` is the digest of the files that lie in the workspace afterwards, where the
/// engine knows them.
pub fn digest(document: &Value, files: Option<&str>) -> String {
    let normal = match files {
        Some(files) => json!({"plan": normal(document), "files": files}),
        None => normal(document),
    };
    let normal = normal.to_string();
    let hash = Sha256::digest(normal.as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn normal(document: &Value) -> Value {
    let mut nodes = Map::new();
    let plan = document.get("plan").and_then(Value::as_object);
    let mut entries: Vec<_> = plan.into_iter().flatten().filter(|(_, e)| e["action"] != "skip").collect();
    entries.sort_by_key(|(node, _)| *node);
    for (node, entry) in entries {
        let mut kept = Map::new();
        for field in ["action", "gone", "new_state"] {
            if let Some(value) = entry.get(field) {
                kept.insert(field.to_owned(), sorted(value));
            }
        }
        kept.insert("changes".to_owned(), changes(entry));
        nodes.insert(node.clone(), sorted(&Value::Object(kept)));
    }
    Value::Object(nodes)
}

fn changes(entry: &Value) -> Value {
    let all = entry.get("changes").and_then(Value::as_object);
    let acted_on = all.into_iter().flatten().filter(|(path, c)| c["action"] != "skip" && path.as_str() != "etag");
    sorted(&Value::Object(acted_on.map(|(path, change)| (path.clone(), change.clone())).collect()))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().filter(|k| k.as_str() != "etag").collect();
            keys.sort();
            Value::Object(keys.into_iter().map(|k| (k.clone(), sorted(&map[k]))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(serial: u32, remote: &str, new: &str) -> Value {
        json!({"plan_version": 2, "cli_version": format!("1.{serial}"), "lineage": "l", "serial": serial, "plan": {
            "resources.jobs.b": {"action": "skip", "remote_state": {"at": remote}},
            "resources.jobs.a": {
                "action": "update", "remote_state": {"at": remote}, "new_state": {"value": {"x": new, "etag": remote}},
                "changes": {"x": {"action": "update", "new": new, "old": "1"}, "t": {"action": "skip", "remote": remote}},
            },
        }})
    }

    #[test]
    fn only_what_would_be_done_counts() {
        assert_eq!(digest(&plan(1, "now", "2"), None), digest(&plan(9, "later", "2"), None));
        assert_ne!(digest(&plan(1, "now", "2"), None), digest(&plan(1, "now", "3"), None));
        let mut skipped = plan(1, "now", "2");
        skipped["plan"]["resources.jobs.c"] = json!({"action": "skip"});
        assert_eq!(digest(&plan(1, "now", "2"), None), digest(&skipped, None));
        skipped["plan"]["resources.jobs.c"]["action"] = json!("delete");
        assert_ne!(digest(&plan(1, "now", "2"), None), digest(&skipped, None));
    }
}
