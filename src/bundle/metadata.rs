//! `metadata.json`: what the last finished deployment says about itself.
//!
//! The workspace reads it too: a job names the path of this file as its deployment, and its
//! page links to the file and the commit that the job comes from.

use serde_json::{Map, Value, json};

use crate::bundle::state::State;
use crate::bundle::syntax::document;
use crate::domain::Tree;

const VERSION: u64 = 1;

/// The kinds whose ids and files are listed.
const LISTED: [&str; 3] = ["jobs", "pipelines", "dashboards"];

/// The bytes of the file for a deployment that ended with `state`.
pub fn render(config: &Tree, state: &State) -> String {
    let mut bundle = Map::new();
    let mut git = Map::new();
    for name in ["branch", "origin_url", "commit", "bundle_root_path"] {
        text(&mut git, name, config.text(&["bundle", "git", name]));
    }
    text(&mut bundle, "name", config.text(&["bundle", "name"]));
    text(&mut bundle, "target", config.text(&["bundle", "target"]));
    text(&mut bundle, "mode", config.text(&["bundle", "mode"]));
    bundle.insert("git".into(), git.into());
    let mut resources = Map::new();
    for kind in LISTED {
        let listed = listed(kind, config, state);
        if !listed.is_empty() {
            resources.insert(kind.into(), listed.into());
        }
    }
    let file_path = config.text(&["workspace", "file_path"]).unwrap_or_default();
    let document = json!({
        "version": VERSION,
        "config": {
            "bundle": bundle,
            "workspace": {"file_path": file_path},
            "resources": resources,
            "presets": {"source_linked_deployment": false},
        },
        "extra": {},
    });
    document::pretty(&document, 2)
}

fn listed(kind: &str, config: &Tree, state: &State) -> Map<String, Value> {
    let written = config.find(&["resources", kind]).and_then(Tree::as_map);
    let entry = |(key, tree): (&String, &Tree)| {
        let file = tree.origin().map(|origin| origin.file.to_string()).unwrap_or_default();
        let mut entry = Map::new();
        if let Some(id) = state.id(&format!("resources.{kind}.{key}")) {
            entry.insert("id".into(), id.into());
        }
        entry.insert("relative_path".into(), file.into());
        if kind == "dashboards" {
            entry.insert("file_path".into(), tree.text(&["file_path"]).unwrap_or_default().into());
        }
        (key.clone(), Value::Object(entry))
    };
    written.into_iter().flatten().map(entry).collect()
}

fn text(map: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value.into());
    }
}
