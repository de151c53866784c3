//! What a reviewer reads of a resource that is made: a few facts, and what of them begins to
//! cost something or acts in somebody else's name.
//!
//! A field that changes is judged by its two values; of a new resource nothing was there, so
//! only what would be wrong to overlook is named: a clock that starts, compute that never stops.

use serde_json::Value;

use super::value::shown_within;
use super::{Danger, Fact, Knowledge, Risk, Said, Shown, Told};

/// More facts of one resource are counted.
const FACTS: usize = 60;

/// Longer values are cut: a cluster, told in its few fields, fits.
const LONGEST: usize = 240;

/// And how many are left out. That whoever makes a thing has rights on it goes without saying.
pub(super) fn facts(knowledge: &Knowledge<'_>, node: &str, state: &Value) -> (Vec<Fact>, usize) {
    let mut all = (knowledge.facts)(node, state);
    let of_deployer = format!("='{}']", knowledge.deployer);
    all.retain(|told| !matches!(told, Told::Value(path, _) if path.contains(&of_deployer)));
    let more = all.len().saturating_sub(FACTS);
    let fact = |told| match told {
        Told::Value(path, value) if path == "run_as" && runs_as(&value) == Some(knowledge.deployer) => {
            Fact { path, value: Said::Words("whoever deploys".to_owned()) }
        }
        Told::Value(path, value) => {
            Fact { value: Said::Value(shown_within(LONGEST, knowledge, node, &path, Some(&value))), path }
        }
        Told::Words(path, words) => Fact { path, value: Said::Words(words) },
        Told::Absent(path) => Fact { path, value: Said::Value(Shown::Absent) },
    };
    (all.into_iter().take(FACTS).map(fact).collect(), more)
}

fn runs_as(run_as: &Value) -> Option<&str> {
    ["service_principal_name", "user_name", "group_name"].iter().find_map(|who| run_as.get(*who)?.as_str())
}

/// What runs by itself has one of these.
const CLOCKS: [&str; 4] = ["schedule", "trigger", "continuous", "triggers"];

/// A zero in one of these means never.
pub(super) const STOPS: [&str; 2] = ["autotermination_minutes", "auto_stop_mins"];

pub(super) fn dangers(state: &Value, deployer: &str) -> Vec<Danger> {
    let mut found = Vec::new();
    let mut cost = |sentence: &str| found.push(Danger { risk: Risk::Cost, sentence: sentence.to_owned() });
    if CLOCKS.iter().any(|clock| state.get(clock).is_some_and(runs)) {
        cost("it begins to run by itself");
    }
    if state.get("continuous").and_then(Value::as_bool) == Some(true) {
        cost("it runs all the time");
    }
    if STOPS.iter().any(|stop| state.get(stop).and_then(Value::as_f64) == Some(0.0)) {
        cost("it never stops by itself");
    }
    let entities = ["served_entities", "served_models"].iter().filter_map(|list| state["config"][*list].as_array());
    let always = |entity: &Value| entity.get("external_model").is_none() && entity["scale_to_zero_enabled"] != true;
    if entities.flatten().any(always) {
        cost("it does not scale to zero");
    }
    if let Some(who) = state.get("run_as").and_then(runs_as).filter(|who| *who != deployer) {
        found.push(Danger { risk: Risk::Privilege, sentence: format!("it runs as `{who}`") });
    }
    if state.get("embed_credentials").and_then(Value::as_bool) == Some(true) {
        found.push(Danger { risk: Risk::Privilege, sentence: SHARES_ITS_RIGHTS.to_owned() });
    }
    found
}

pub(super) const SHARES_ITS_RIGHTS: &str = "whoever may view it reads data with its publisher's rights";

/// Whether a clock runs that is written so.
pub(super) fn runs(clock: &Value) -> bool {
    match clock {
        Value::Object(fields) => fields.get("pause_status").and_then(Value::as_str) != Some("PAUSED"),
        Value::Array(clocks) => clocks.iter().any(runs),
        _ => false,
    }
}

/// Whether a field is one in which a clock is written.
pub(super) fn is_clock(path: &str) -> bool {
    CLOCKS.contains(&path)
}
