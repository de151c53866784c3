//! What a deployment has promised, set beside what a fresh plan has just read.
//!
//! That the plan is empty covers every field the planner compares. Asked by name on top are
//! the facts a planner is blind to or takes from somebody's word: who a job really runs as,
//! whether its schedule is paused, which catalog things lie in, the name with its prefix.

use serde_json::{Map, Value};

use crate::policy::as_promised::Promise;

/// `config` is the resolved configuration, `fresh` the plan document made after the last
/// write, `deployer` the user that resources run as where nothing else is written.
pub fn promises(config: &Value, fresh: &Value, deployer: &str, catalog: Option<&str>) -> Vec<Promise> {
    let mut found = Vec::new();
    for (node, entry) in entries(&fresh["plan"]) {
        found.push(unchanged(node, entry));
        let Some((kind, key)) = parent(node) else { continue };
        let wanted = &config["resources"][kind][key];
        let live = &entry["remote_state"];
        let mut promise = |what: &str, expected: Option<&str>, found_text: &Value| {
            if let Some(expected) = expected {
                let text = found_text.as_str().unwrap_or("nothing").to_owned();
                found.push(Promise {
                    what: format!("{what} of {kind}.{key}"),
                    expected: expected.to_owned(),
                    found: text,
                });
            }
        };
        if !live.is_object() {
            continue;
        }
        promise("name", wanted["name"].as_str(), &live["name"]);
        if live.get("run_as_user_name").is_some() {
            promise("effective run_as", Some(runs_as(wanted, deployer)), &live["run_as_user_name"]);
        }
        for clock in ["schedule", "trigger", "continuous"] {
            promise(clock, wanted[clock]["pause_status"].as_str(), &live[clock]["pause_status"]);
        }
        if live.get("catalog_name").is_some() {
            let own = wanted["catalog_name"].as_str().filter(|own| !own.contains("${"));
            promise("catalog", own.or(catalog), &live["catalog_name"]);
        }
    }
    found
}

fn entries(plan: &Value) -> impl Iterator<Item = (&String, &Value)> {
    plan.as_object().into_iter().flat_map(Map::iter)
}

fn unchanged(node: &str, entry: &Value) -> Promise {
    let action = entry["action"].as_str().unwrap_or("unknown");
    let found = if action == "skip" { "as planned".to_owned() } else { describe(action, entry) };
    Promise { what: node.trim_start_matches("resources.").to_owned(), expected: "as planned".to_owned(), found }
}

/// Names the fields, never their values: those may not be printable.
fn describe(action: &str, entry: &Value) -> String {
    let differs = |change: &Value| change["action"].as_str() != Some("skip");
    let fields: Vec<&str> =
        entries(&entry["changes"]).filter(|(_, change)| differs(change)).map(|(field, _)| field.as_str()).collect();
    match (action, fields.is_empty()) {
        ("create", _) => "nothing: it is not there".to_owned(),
        (_, true) => format!("something that needs {action}"),
        (_, false) => format!("other values in {}", fields.join(", ")),
    }
}

/// `resources.jobs.train` is a resource; `resources.jobs.train.permissions` belongs to one.
fn parent(node: &str) -> Option<(&str, &str)> {
    let (kind, key) = node.strip_prefix("resources.")?.split_once('.')?;
    (!key.ends_with(".permissions") && !key.ends_with(".grants")).then_some((kind, key))
}

fn runs_as<'a>(wanted: &'a Value, deployer: &'a str) -> &'a str {
    let run_as = &wanted["run_as"];
    run_as["service_principal_name"].as_str().or(run_as["user_name"].as_str()).unwrap_or(deployer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn broken(config: Value, fresh: Value) -> Vec<String> {
        let all = promises(&config, &json!({"plan": fresh}), "deployer", Some("dev"));
        let broken = all.iter().filter(|p| !p.kept());
        broken.map(|p| format!("{}: expected {}, found {}", p.what, p.expected, p.found)).collect()
    }

    #[test]
    fn what_the_planner_cannot_see_is_asked_by_name() {
        let config = json!({"resources": {
            "jobs": {"train": {"name": "dev_train", "run_as": {"service_principal_name": "sp"},
                               "schedule": {"pause_status": "PAUSED"}}},
            "schemas": {"s": {"name": "churn"}}}});
        let fresh = json!({
            "resources.jobs.train": {"action": "skip", "remote_state":
                {"name": "dev_train", "run_as_user_name": "somebody", "schedule": {"pause_status": "UNPAUSED"}}},
            "resources.schemas.s": {"action": "skip", "remote_state": {"name": "churn", "catalog_name": "prod"}}});
        assert_eq!(
            broken(config, fresh),
            [
                "effective run_as of jobs.train: expected sp, found somebody",
                "schedule of jobs.train: expected PAUSED, found UNPAUSED",
                "catalog of schemas.s: expected dev, found prod",
            ]
        );
    }

    #[test]
    fn a_difference_names_its_fields_and_not_their_values() {
        let fresh = json!({
            "resources.jobs.train": {"action": "update", "remote_state": {},
                "changes": {"tags['a']": {"action": "update", "remote": "secret"}, "x": {"action": "skip"}}},
            "resources.jobs.score": {"action": "create"}});
        assert_eq!(
            broken(json!({}), fresh),
            [
                "jobs.train: expected as planned, found other values in tags['a']",
                "jobs.score: expected as planned, found nothing: it is not there",
            ]
        );
    }
}
