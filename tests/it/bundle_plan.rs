//! What the engine plans: compared with what the official command planned, and by its laws.
//!
//! The corpus lies beside the checkout; without it that test says so and compares nothing.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use mlops_deploy::bundle::planning::lookup::{self, Known};
use mlops_deploy::bundle::planning::plan::{Action, Plan};
use mlops_deploy::bundle::planning::planner::{self, Answers, NoPlan};
use mlops_deploy::bundle::planning::{requests, typed};
use mlops_deploy::bundle::state::{self, Deployed, State};
use mlops_deploy::bundle::syntax::json;
use mlops_deploy::domain::Tree;
use proptest::prelude::*;
use serde_json::{Value, json};

const CLI: &str = "1.14.0";

fn config(value: &Value) -> Tree {
    let file: Arc<str> = "databricks.yml".into();
    json::read(&file, value.to_string().as_bytes()).unwrap()
}

fn resources(value: Value) -> Tree {
    config(&json!({ "resources": value }))
}

fn fresh(value: Value) -> Plan {
    planner::plan(&resources(value), &State::new(), &Answers::new(), CLI).unwrap()
}

fn refusal(value: Value) -> String {
    match planner::plan(&resources(value), &State::new(), &Answers::new(), CLI) {
        Err(NoPlan::Wrong(found)) => found[0].summary.clone(),
        Err(NoPlan::Unsupported(found)) => found[0].to_string(),
        Ok(plan) => panic!("planned: {}", plan.text()),
    }
}

/// What the workspace answers to the read of a node that was made as `value` says.
fn answer(node: &str, id: &str, value: &Value) -> Value {
    match node.split('.').collect::<Vec<_>>()[..] {
        [.., "permissions"] => {
            let acl = value["__embed__"].as_array().into_iter().flatten().map(|entry| {
                let mut one = entry.clone();
                let level = one.as_object_mut().unwrap().remove("level").unwrap();
                one["all_permissions"] = json!([{"inherited": false, "permission_level": level}]);
                one
            });
            json!({"object_id": id, "access_control_list": acl.collect::<Vec<_>>()})
        }
        [.., "grants"] => json!({"privilege_assignments": value["__embed__"]}),
        [_, "jobs", ..] => json!({"job_id": id.parse::<i64>().unwrap_or(1), "settings": value}),
        [_, "experiments", ..] => json!({"experiment": value}),
        [_, "pipelines", ..] => json!({"pipeline_id": id, "spec": value}),
        _ => value.clone(),
    }
}

/// Carries a plan out on a workspace that makes exactly what it is told.
fn carry_out(plan: &Plan, before: &State) -> (State, Answers) {
    let mut after = before.next(|| "lineage".to_owned(), CLI);
    let mut answers = Answers::new();
    let mut waiting: Vec<&String> = plan.nodes.keys().collect();
    while !waiting.is_empty() {
        let round = waiting.len();
        waiting.retain(|node| {
            let planned = &plan.nodes[*node];
            if planned.action == Action::Delete {
                after.remove(node);
                return false;
            }
            let mut value = planned.value.clone();
            for blank in &planned.blanks {
                let found = lookup::fill_blank(&mut blank.clone(), |on, steps| match after.resources.get(on) {
                    Some(made) if !waiting_for(plan, on, &after) => {
                        lookup::after(&plan.nodes[on], &made.id, &made.state, Some(&made.state), steps)
                    }
                    _ => Known::Later,
                });
                match found.unwrap() {
                    Some(known) => typed::fill(&mut value, blank, &known).unwrap(),
                    None => return true,
                }
            }
            let keeps_id = matches!(planned.action, Action::Skip | Action::Update);
            let at = plan.nodes.keys().position(|n| n == *node).unwrap();
            let name =
                |fields: &[&str]| fields.iter().map(|f| value[f].as_str().unwrap()).collect::<Vec<_>>().join(".");
            let made = || {
                requests::id(planned.kind, &value, &json!({})).unwrap_or_else(|| match planned.kind.name {
                    "jobs" | "experiments" => (1000 * after.serial as usize + at).to_string(),
                    "schemas" => name(&["catalog_name", "name"]),
                    _ => name(&["catalog_name", "schema_name", "name"]),
                })
            };
            let id = planned.id().filter(|_| keeps_id).map_or_else(made, str::to_owned);
            answers.insert((*node).clone(), Some(answer(node, &id, &value)));
            after.put(node, Deployed { id, state: value, depends_on: planned.depends_on.clone() });
            false
        });
        assert!(waiting.len() < round, "nothing moves: {waiting:?}");
    }
    (after, answers)
}

fn waiting_for(plan: &Plan, node: &str, after: &State) -> bool {
    plan.nodes[node].action != Action::Skip && !after.resources.contains_key(node)
}

// --- by example ---

#[test]
fn a_reference_to_nothing_and_a_cycle_are_told_apart() {
    let to = |text: &str| json!({"jobs": {"j": {"name": text}, "k": {"name": "k"}}});
    assert_eq!(
        refusal(to("${resources.jobs.x.id}")),
        r#"invalid dependency "${resources.jobs.x.id}", no such node "resources.jobs.x""#
    );
    assert_eq!(refusal(to("${env.HOME}")), r#"invalid dependency "${env.HOME}", no such node """#);
    assert_eq!(
        refusal(to("${resources.jobs.j.id}")),
        "cycle detected: resources.jobs.j refers to itself via ${resources.jobs.j.id}"
    );
    assert_eq!(
        refusal(json!({"jobs": {
            "a": {"name": "${resources.jobs.b.id}"}, "b": {"name": "${resources.jobs.c.id}"}, "c": {"name": "${resources.jobs.a.id}"}
        }})),
        "cycle detected: resources.jobs.c refers to resources.jobs.a via ${resources.jobs.a.id} resources.jobs.b refers \
         to resources.jobs.c via ${resources.jobs.c.id} which refers to resources.jobs.b via ${resources.jobs.b.id}"
    );
    assert_eq!(
        refusal(json!({"genie_spaces": {"g": {"name": "g"}}})),
        "unsupported: resources.genie_spaces.g (databricks.yml:1)"
    );
}

#[test]
fn a_key_with_dots_and_brackets_is_planned_like_any_other() {
    let plan = fresh(
        json!({"jobs": {"a.b": {"name": "x", "permissions": [{"level": "CAN_VIEW", "group_name": "g"}]}, "c[0]": {"name": "y"}}}),
    );
    assert_eq!(
        plan.text(),
        "create jobs.a.b\ncreate jobs.a.b.permissions\ncreate jobs.c[0]\n\nPlan: 3 to add, 0 to change, 0 to delete, 0 unchanged\n"
    );
    let blank = &plan.nodes["resources.jobs.a.b.permissions"].blanks;
    assert_eq!(blank.len(), 1, "waits for its job's id");
}

#[test]
fn what_is_known_is_filled_in_and_the_rest_waits() {
    let plan = fresh(json!({
        "schemas": {"s": {"catalog_name": "main", "name": "churn"}},
        "volumes": {"v": {"catalog_name": "main", "schema_name": "${resources.schemas.s.name}", "name": "raw"}},
        "jobs": {"j": {"name": "in ${resources.schemas.s.name}, ${resources.volumes.v.id}", "timeout_seconds": "${resources.jobs.k.id}"}, "k": {"name": "k"}},
    }));
    let job = &plan.document()["plan"]["resources.jobs.j"];
    assert_eq!(job["new_state"]["value"], json!({"name": "in churn, ${resources.volumes.v.id}"}));
    assert_eq!(
        job["new_state"]["vars"],
        json!({"name": "in churn, ${resources.volumes.v.id}", "timeout_seconds": "${resources.jobs.k.id}"})
    );
    assert_eq!(plan.document()["plan"]["resources.volumes.v"]["new_state"]["value"]["schema_name"], "churn");
}

#[test]
fn drift_a_new_name_and_what_is_gone_become_their_actions() {
    let before = json!({
        "jobs": {"j": {"name": "j", "tags": {"team": "ml"}}},
        "schemas": {"s": {"catalog_name": "main", "name": "a"}},
        "volumes": {"v": {"catalog_name": "main", "schema_name": "x", "name": "v"}},
        "experiments": {"e": {"name": "/Shared/e"}, "f": {"name": "/Shared/f"}},
    });
    let (state, mut answers) = carry_out(&fresh(before.clone()), &State::new());
    answers.get_mut("resources.jobs.j").unwrap().as_mut().unwrap()["settings"]["tags"]["team"] = "bi".into();
    answers.insert("resources.experiments.e".to_owned(), None);
    let mut now = before;
    now["schemas"]["s"]["name"] = "b".into();
    now["volumes"]["v"]["name"] = "w".into();
    now["experiments"].as_object_mut().unwrap().remove("f");
    let plan = planner::plan(&resources(now), &state, &answers, CLI).unwrap();
    insta::assert_snapshot!(plan.text(), @r"
    create experiments.e
    delete experiments.f
    update jobs.j
    recreate schemas.s
    update volumes.v

    Plan: 2 to add, 2 to change, 2 to delete, 0 unchanged
    ");
    let job = &plan.nodes["resources.jobs.j"];
    assert!(job.changes["tags['team']"].is_drift());
    assert_eq!(plan.nodes["resources.volumes.v"].action, Action::UpdateId);
}

#[test]
fn a_catalog_that_keeps_no_capital_letters_is_no_reason_to_delete_a_schema() {
    let wanted = |name: &str| {
        json!({
            "schemas": {"s": {"catalog_name": "main", "name": name}},
            "volumes": {"v": {"catalog_name": "main", "schema_name": "ML", "name": name}},
            "registered_models": {"m": {"catalog_name": "main", "schema_name": "ML", "name": name}},
        })
    };
    let (state, mut answers) = carry_out(&fresh(wanted("Scores")), &State::new());
    for (node, fields) in [
        ("resources.schemas.s", &["name"][..]),
        ("resources.volumes.v", &["schema_name", "name"]),
        ("resources.registered_models.m", &["schema_name", "name"]),
    ] {
        let answer = answers.get_mut(node).unwrap().as_mut().unwrap();
        for field in fields {
            answer[*field] = answer[*field].as_str().unwrap().to_lowercase().into();
        }
    }
    let same = planner::plan(&resources(wanted("Scores")), &state, &answers, CLI).unwrap();
    assert!(same.is_empty());
    assert_eq!(same.nodes["resources.schemas.s"].changes["name"].reason, Some("id_field"));
    // Another name is another schema, in whatever letters it was found.
    let other = planner::plan(&resources(wanted("SCORES")), &state, &answers, CLI).unwrap();
    assert_eq!(other.nodes["resources.schemas.s"].action, Action::Recreate);
}

#[test]
fn everything_goes_on_destroy_but_what_must_not() {
    let (state, answers) =
        carry_out(&fresh(json!({"schemas": {"s": {"catalog_name": "m", "name": "n"}}})), &State::new());
    let kept = resources(
        json!({"schemas": {"s": {"catalog_name": "m", "name": "n", "lifecycle": {"prevent_destroy": true}}}}),
    );
    let plan = planner::plan_destroy(&kept, &state, &answers, CLI).unwrap();
    assert_eq!(plan.nodes["resources.schemas.s"].action, Action::Delete);
    assert_eq!(plan.prevented().len(), 1);
}

#[test]
fn a_state_is_written_as_it_was_read_and_features_are_refused() {
    let text = concat!(
        "{\n \"state_version\": 3,\n \"cli_version\": \"1.17.0\",\n \"lineage\": \"l\",\n \"serial\": 4,\n \"state\": {\n",
        "  \"resources.jobs.a.b\": {\n   \"__id__\": \"1\",\n   \"state\": {\n    \"name\": \"x \\u003c\\u0026\\u003e\"\n   }\n  }\n }\n}"
    );
    let read = State::parse(text.as_bytes()).unwrap();
    assert_eq!((read.version, read.serial, read.id("resources.jobs.a.b")), (3, 4, Some("1")));
    assert_eq!(read.render(), text);
    let marked = r#"{"state_version": 3, "lineage": "l", "features": {"deployment_history": {}}, "state": {}}"#;
    let refused = State::parse(marked.as_bytes()).unwrap_err();
    assert!(refused.to_string().contains("deployment_history"), "{refused}");
    assert!(State::parse(br#"{"state_version": 4, "state": {}}"#).is_err());
}

#[test]
fn a_log_is_replayed_over_the_state_it_belongs_to() {
    let mut state = State::new().next(|| "l".to_owned(), CLI);
    let entry = Deployed { id: "7".to_owned(), state: json!({"name": "a"}), depends_on: Vec::new() };
    state.put("resources.jobs.gone", entry.clone());
    let next = state.next(|| unreachable!("it has a lineage"), CLI);
    let log = next.log_header()
        + &state::log_line("resources.jobs.a", Some(&entry))
        + "torn{\n"
        + &state::log_line("resources.jobs.gone", None);
    let (replayed, bad) = state.replay(&log).unwrap();
    assert_eq!(replayed.resources.keys().collect::<Vec<_>>(), ["resources.jobs.a"]);
    assert_eq!((replayed.serial, bad.len()), (2, 1));
    assert_eq!(state.replay(&next.log_header()).unwrap().0, state, "a header alone moves nothing");
    assert_eq!(replayed.replay(&log).unwrap().0, replayed, "an older log is dropped");
    assert!(State::new().next(|| "other".to_owned(), CLI).replay(&log).is_err());
}

// --- by its laws ---

fn some_resources() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["a", "b", "", "x y", "${resources.schemas.s.name}", "${resources.jobs.z.id}"]);
    let job = (text.clone(), 0..3i64, any::<bool>(), prop::collection::vec(0..3usize, 0..3)).prop_map(
        |(description, timeout, disabled, tasks)| {
            let tasks: Vec<Value> = tasks.iter().enumerate().map(|(at, n)| json!({"task_key": format!("t{at}"), "disabled": disabled, "max_retries": n})).collect();
            json!({"name": "j", "description": description, "timeout_seconds": timeout, "tasks": tasks, "tags": {"a.b": description},
                   "permissions": [{"level": "CAN_VIEW", "group_name": "g"}]})
        },
    );
    (prop::collection::btree_map("[a-c]", job, 0..4), text, any::<bool>()).prop_map(|(mut jobs, comment, grants)| {
        jobs.insert("z".to_owned(), json!({"name": "z"}));
        let comment = if comment.contains("schemas") { "c" } else { comment };
        let mut schema = json!({"catalog_name": "main", "name": "s", "comment": comment});
        if grants {
            schema["grants"] = json!([{"principal": "p", "privileges": ["USE_SCHEMA", "SELECT"]}]);
        }
        json!({"jobs": jobs, "schemas": {"s": schema}})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn planning_twice_is_equal_and_a_carried_out_plan_leaves_nothing(first in some_resources(), second in some_resources()) {
        let plan = fresh(first.clone());
        prop_assert_eq!(plan.document(), fresh(first.clone()).document());
        let (state, answers) = carry_out(&plan, &State::new());
        let again = planner::plan(&resources(first), &state, &answers, CLI).unwrap();
        prop_assert!(again.is_empty(), "{}\n{:#}", again.text(), again.document());
        prop_assert_eq!(State::parse(state.render().as_bytes()).unwrap(), state.clone());
        let changed = planner::plan(&resources(second.clone()), &state, &answers, CLI).unwrap();
        let (state, answers) = carry_out(&changed, &state);
        let settled = planner::plan(&resources(second), &state, &answers, CLI).unwrap();
        prop_assert!(settled.is_empty(), "{}\n{:#}", settled.text(), settled.document());
    }
}

// --- compared with the recorded plans ---

/// Placeholders of ids stand for numbers where the workspace gave numbers.
fn numbered(text: &str, seen: &mut HashMap<String, usize>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("[id:") {
        let end = at + rest[at..].find(']').unwrap() + 1;
        let next = seen.len();
        let number = 7000 + *seen.entry(rest[at..end].to_owned()).or_insert(next);
        let (before, after) = (&rest[..at], &rest[end..]);
        match after.strip_prefix("(int)\"") {
            Some(after) => {
                out.push_str(before.strip_suffix('"').unwrap());
                rest = after;
            }
            None => {
                out.push_str(before);
                rest = after;
            }
        }
        out.push_str(&number.to_string());
    }
    out.push_str(rest);
    out.replace("\"[NUM](int)\"", "5")
}

fn recorded(path: &Path, seen: &mut HashMap<String, usize>) -> Option<Value> {
    let text = fs::read_to_string(path).ok()?;
    serde_json::from_str(&numbered(&text, seen)).ok()
}

#[test]
fn recorded_plans_are_made_again() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/corpus");
    if !corpus.is_dir() {
        println!("skipped: {} is not there", corpus.display());
        return;
    }
    let (mut equal, mut empty, mut refused, mut different) = (0, 0, 0, Vec::new());
    for group in fs::read_dir(&corpus).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        for case in fs::read_dir(&group).unwrap().map(|e| e.unwrap().path()) {
            match compare(&case) {
                Compared::Nothing => {}
                Compared::Refused => refused += 1,
                Compared::Equal { plans, nothing_to_do } => {
                    equal += plans;
                    empty += nothing_to_do;
                }
                Compared::Different(why) => different.push(format!("{}: {why}", case.display())),
            }
        }
    }
    println!("{equal} plans equal, {empty} of them empty after a deployment, {refused} cases refused");
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(equal >= 60, "only {equal} plans were compared");
    assert!(empty >= 30, "only {empty} plans of a recorded state were empty");
}

enum Compared {
    Nothing,
    Refused,
    Equal {
        plans: usize,
        /// Made from a recorded state, and nothing in them changes.
        nothing_to_do: usize,
    },
    Different(String),
}

/// Validates, plans and deploys of one configuration, in a row: the others need a workspace.
/// What the recorded plans show of these is put together from several answers of the workspace; the corpus's own
/// checker runs them whole.
const READ_IN_PARTS: [&str; 2] = ["model_serving_endpoints:", "secret_scopes:"];

fn compare(case: &Path) -> Compared {
    let bundle = fs::read_to_string(case.join("bundle/databricks.yml")).unwrap_or_default();
    if READ_IN_PARTS.iter().any(|kind| bundle.contains(kind)) {
        return Compared::Nothing;
    }
    let spec: Value = serde_json::from_slice(&fs::read(case.join("case.json")).unwrap()).unwrap();
    let mut seen = HashMap::new();
    let (mut resolved, mut state, mut plans, mut nothing_to_do) = (None, State::new(), 0, 0);
    for (at, step) in spec["steps"].as_array().unwrap().iter().enumerate() {
        let folder = |name: &str| case.join(format!("expect/{:02}-{name}", at + 1));
        match step.as_str() {
            Some("validate") => resolved = recorded(&folder("validate").join("stdout.json"), &mut seen),
            Some("deploy") => {
                let Some(document) = recorded(&folder("deploy").join("resources.json"), &mut seen) else { break };
                state = State::parse(document.to_string().as_bytes()).unwrap();
            }
            Some("plan") => {
                let (Some(resolved), Some(want)) =
                    (&resolved, recorded(&folder("plan").join("stdout.json"), &mut seen))
                else {
                    break;
                };
                // Wheels and requirements get their place in the workspace after `validate`; and a
                // number that the corpus hides inside a text cannot be compared.
                let shown = want.to_string();
                if ["/artifacts/.internal/", "req.txt", "\"[NUM]\""].iter().any(|text| shown.contains(text)) {
                    break;
                }
                let answers = state.resources.iter().filter_map(|(node, entry)| {
                    let remote = &want["plan"][node]["remote_state"];
                    (!remote.is_null()).then(|| (node.clone(), Some(answer_as_shown(node, &entry.id, remote))))
                });
                match planner::plan(&config(resolved), &state, &answers.collect(), CLI) {
                    Ok(plan) if plan.document()["plan"] == want["plan"] => {
                        plans += 1;
                        nothing_to_do += usize::from(plan.is_empty() && !state.resources.is_empty());
                    }
                    Ok(plan) => return Compared::Different(first_difference(&want["plan"], &plan.document()["plan"])),
                    Err(NoPlan::Unsupported(_)) => return Compared::Refused,
                    Err(NoPlan::Wrong(found)) => return Compared::Different(found[0].summary.clone()),
                }
            }
            _ => break,
        }
    }
    if plans == 0 { Compared::Nothing } else { Compared::Equal { plans, nothing_to_do } }
}

/// A remote state as the answer it was made from.
fn answer_as_shown(node: &str, id: &str, remote: &Value) -> Value {
    let mut answer = answer(node, id, remote);
    if let (Some(into), Some(from)) = (answer.as_object_mut(), remote.as_object()) {
        for (key, value) in from.iter().filter(|(key, _)| !key.starts_with("__")) {
            into.entry(key.clone()).or_insert(value.clone());
        }
    }
    answer
}

fn first_difference(want: &Value, got: &Value) -> String {
    let nodes = want.as_object().into_iter().flatten().chain(got.as_object().into_iter().flatten());
    for (node, _) in nodes {
        if want[node] != got[node] {
            return format!("{node}\n  want {}\n  got  {}", want[node], got[node]);
        }
    }
    "the same nodes".to_owned()
}
