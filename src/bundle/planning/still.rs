//! Keeps what runs by itself standing still until somebody says that it may go.
//!
//! A promotion deploys jobs before the model that they read is moved: one whose clock would start with the deployment
//! stays off, and so does a changed one that reads the model. Which ones is read from the world alone, so that every plan
//! of the same run, and the next run after a killed one, finds the same: a clock that does not run yet is not started.

use serde_json::Value;

use crate::bundle::planning::plan::Plan;
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
                && (!runs(kind, live) || (changes && models.iter().any(|model| mentions(wanted, model))));
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

/// Whether any text of it names the model.
fn mentions(wanted: &Tree, model: &str) -> bool {
    if let Some(text) = wanted.as_str() {
        return text.contains(model);
    }
    let in_map = wanted.as_map().into_iter().flatten().any(|(_, value)| mentions(value, model));
    in_map || wanted.as_list().into_iter().flatten().any(|value| mentions(value, model))
}
