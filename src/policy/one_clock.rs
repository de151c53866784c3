//! Only prod runs by itself: elsewhere a clock would train and score beside the stage that judges.

use crate::domain::{Diagnostic, Tree};

const CLOCKS: [&str; 3] = ["schedule", "trigger", "continuous"];

/// `config` is the target of an environment before prod.
pub fn findings(config: &Tree, target: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut refuse = |what: String, set: &str, clock: &Tree| {
        let summary = format!("{what} of target `{target}` runs by itself: only prod may");
        let detail =
            format!("{set} in the target `{target}`; what stands still can be started by hand and by the stages.");
        found.push(Diagnostic::error(summary).detail(detail).at_tree(clock));
    };
    for (key, job) in resources(config, "jobs") {
        for clock in CLOCKS.iter().filter_map(|clock| job.get(clock)).filter(|clock| clock.as_map().is_some()) {
            if clock.text(&["pause_status"]) != Some("PAUSED") {
                let preset = "Leave `pause_status` out and set `presets: {trigger_pause_status: PAUSED}`";
                refuse(format!("job `{key}`"), preset, clock);
            }
        }
    }
    for (key, pipeline) in resources(config, "pipelines") {
        if let Some(clock) = pipeline.get("continuous").filter(|clock| clock.as_bool() == Some(true)) {
            refuse(format!("pipeline `{key}`"), "Set `continuous: false`", clock);
        }
    }
    found
}

fn resources<'t>(config: &'t Tree, kind: &'static str) -> impl Iterator<Item = (&'t String, &'t Tree)> {
    config.find(&["resources", kind]).and_then(Tree::as_map).into_iter().flatten()
}
