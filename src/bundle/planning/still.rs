//! Keeps what runs by itself standing still until somebody says that it may go.
//!
//! A promotion deploys jobs before the model that they read is moved: one whose clock would start with the deployment
//! stays off, and so does a changed one that reads the model. Which ones is read from the world alone, so that every plan
//! of the same run, and the next run after a killed one, finds the same: a clock that does not run yet is not started.

use serde_json::Value;

use crate::bundle::planning::plan::Plan;
use crate::bundle::syntax::reference;
use crate::domain::Tree;

/// What starts a job without anybody.
const CLOCKS: [&str; 3] = ["schedule", "trigger", "continuous"];

/// Jobs and pipelines, such as `resources.jobs.score`, that wait for `models`.
pub fn held(config: &Tree, plan: &Plan, models: &[String]) -> Vec<String> {
    let document = plan.document();
    let mut held = Vec::new();
    for kind in ["jobs", "pipelines"] {
        for (key, wanted) in config.find(&["resources", kind]).and_then(Tree::as_map).into_iter().flatten() {
            let node = format!("resources.{kind}.{key}");
            let entry = &document["plan"][&node];
            let live = &entry["remote_state"];
            let changes = entry["action"].as_str().is_some_and(|action| action != "skip");
            let waits = wants_to_run(kind, wanted)
                && (!runs(kind, live) || (changes && models.iter().any(|model| mentions(config, wanted, model))));
            if waits {
                held.push(node);
            }
        }
    }
    held
}

/// Turns their clocks off.
pub fn stop(config: &mut Tree, held: &[String]) {
    for node in held {
        let Some((kind, key)) = node.strip_prefix("resources.").and_then(|n| n.split_once('.')) else { continue };
        if kind == "pipelines" {
            config.set(&["resources", kind, key, "continuous"], false);
            continue;
        }
        for clock in CLOCKS {
            if config.find(&["resources", kind, key, clock]).is_some_and(|c| c.as_map().is_some()) {
                config.set(&["resources", kind, key, clock, "pause_status"], "PAUSED");
            }
        }
    }
}

fn wants_to_run(kind: &str, wanted: &Tree) -> bool {
    if kind == "pipelines" {
        return wanted.get("continuous").and_then(Tree::as_bool) == Some(true);
    }
    CLOCKS.iter().any(|clock| {
        let clock = wanted.get(clock).filter(|c| c.as_map().is_some());
        clock.is_some_and(|c| c.text(&["pause_status"]) != Some("PAUSED"))
    })
}

fn runs(kind: &str, live: &Value) -> bool {
    if kind == "pipelines" {
        return live["continuous"] == true;
    }
    CLOCKS.iter().any(|clock| live[clock].is_object() && live[clock]["pause_status"] != "PAUSED")
}

/// Whether any text of it names the model, by its name or by reference to what makes it.
fn mentions(config: &Tree, wanted: &Tree, model: &str) -> bool {
    if let Some(text) = wanted.as_str() {
        return read_out(config, text, DEEPEST).contains(model);
    }
    let in_map = wanted.as_map().into_iter().flatten().any(|(_, value)| mentions(config, value, model));
    in_map || wanted.as_list().into_iter().flatten().any(|value| mentions(config, value, model))
}

/// How many references may lead to one another.
const DEEPEST: usize = 10;

/// A text with what its references to resources come to, as far as the bundle says it. A registered model's id is its name.
fn read_out(config: &Tree, text: &str, deep: usize) -> String {
    let mut out = text.to_owned();
    for reference in reference::all(text).into_iter().rev() {
        let path: Vec<&str> = reference.name.split('.').collect();
        let meant = match path[..] {
            ["resources", "registered_models", key, "id" | "full_name"] => {
                let part = |field| config.text(&["resources", "registered_models", key, field]);
                let parts: Option<Vec<&str>> = ["catalog_name", "schema_name", "name"].into_iter().map(part).collect();
                parts.map(|parts| parts.join("."))
            }
            _ => config.text(&path).map(str::to_owned),
        };
        if let Some(meant) = meant.filter(|_| deep > 0) {
            out.replace_range(reference.range, &read_out(config, &meant, deep - 1));
        }
    }
    out
}
