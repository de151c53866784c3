//! Plan documents read into what a reviewer asks.

use mlops_deploy::domain::plan::{Action, Cause, Knowledge, Loss, PlanView, Shown, Told, read};
use serde_json::{Value, json};

/// Knows like the kinds do: names may be shown, free texts and parameters may not.
pub(crate) fn view(document: &Value) -> PlanView {
    let secret = ["description", "parameters", "default", "comment"];
    let printable = |_: &str, path: &str| !secret.iter().any(|s| path.contains(s));
    let lost = |kind: &str| Loss {
        identity: matches!(kind, "jobs" | "pipelines"),
        data: match kind {
            "registered_models" => "all versions of the model are deleted".to_owned(),
            "schemas" => "the tables in it are deleted".to_owned(),
            "jobs" => "its run history is deleted".to_owned(),
            _ => String::new(),
        },
    };
    let title = |kind: &str| kind.trim_end_matches('s').replace('_', " ");
    let deployed = |node: &str| node.ends_with("vanished");
    let facts = |_: &str, state: &Value| {
        let fields = state.as_object().into_iter().flatten();
        fields.map(|(name, value)| Told::Value(name.clone(), value.clone())).collect()
    };
    let knowledge = Knowledge {
        printable: &printable,
        facts: &facts,
        lost: &lost,
        title: &title,
        deployed: &deployed,
        deployer: "deployer",
    };
    read(document, &knowledge).unwrap()
}

fn one(entry: Value) -> PlanView {
    view(&json!({"plan": {"resources.jobs.train": entry}}))
}

fn field(change: Value) -> (Cause, Shown, Shown, Shown) {
    let mut entry = json!({"action": "update", "remote_state": {}, "changes": {"x": change}});
    entry["changes"]["x"]["action"] = json!("update");
    let field = one(entry).changes.remove(0).fields.remove(0);
    (field.cause, field.old, field.new, field.live)
}

fn text(t: &str) -> Shown {
    Shown::Text(t.to_owned())
}

#[test]
fn who_changed_a_field_is_told_three_ways() {
    let cases = [
        (json!({"old": 1, "new": 4, "remote": 1}), Cause::Intended),
        (json!({"old": 1, "new": 4, "remote": 4}), Cause::Intended),
        (json!({"new": 4}), Cause::Intended),
        (json!({"old": 1, "remote": 1}), Cause::Intended),
        (json!({"old": 1, "new": 1, "remote": 9}), Cause::Drift),
        (json!({"old": 1, "new": 1}), Cause::Drift),
        (json!({"remote": "by hand"}), Cause::Drift),
        (json!({"old": 1, "new": 4, "remote": 9}), Cause::Conflict),
        (json!({"new": 4, "remote": 9}), Cause::Conflict),
    ];
    for (change, cause) in cases {
        assert_eq!(field(change.clone()).0, cause, "{change}");
    }
    assert_eq!(field(json!({"old": 1, "new": 4, "remote": 9})), (Cause::Conflict, text("1"), text("4"), text("9")));
}

#[test]
fn a_value_is_shown_leaf_by_leaf() {
    let mixed = json!({"new": {"name": "q", "default": "hunter2", "list": [1, {"description": "hunter3"}]}});
    assert_eq!(field(mixed).2, text("{name: q, default: …, list: [1, {description: …}]}"));
    assert_eq!(field(json!({"new": {"default": "hunter2"}})).2, Shown::Hidden);
    assert_eq!(field(json!({"new": ""})).2, text("\"\""));
    assert_eq!(field(json!({"new": "x".repeat(500)})).2, text(&format!("{}…", "x".repeat(119))));
    let address = json!({"new": "https://ada:hunter2@github.com/acme/churn?at=main"});
    assert_eq!(field(address).2, text("https://…@github.com/acme/churn?at=main"));
    assert_eq!(field(json!({"new": "https://github.com/@acme/churn"})).2, text("https://github.com/@acme/churn"));
    let entry = json!({"action": "update", "changes": {"description": {"action": "update", "old": "a", "new": "b"}}});
    let hidden = one(entry).changes.remove(0).fields.remove(0);
    assert_eq!((hidden.old, hidden.new, hidden.live), (Shown::Hidden, Shown::Hidden, Shown::Absent));
}

#[test]
fn dangers_are_named_worst_first() {
    let plan = json!({"plan": {
        "resources.jobs.train": {"action": "update", "remote_state": {}, "changes": {
            "job_clusters[job_cluster_key='c'].new_cluster.num_workers": {"action": "update", "old": 2, "new": 8, "remote": 2},
            "max_concurrent_runs": {"action": "update", "old": 4, "new": 1, "remote": 4},
            "schedule.pause_status": {"action": "update", "old": "UNPAUSED", "new": "PAUSED", "remote": "UNPAUSED"},
            "run_as.service_principal_name": {"action": "update", "old": "a", "new": "b", "remote": "a"},
            "timeout_seconds": {"action": "skip", "reason": "empty", "remote": 0}}},
        "resources.jobs.train.permissions": {"action": "update", "remote_state": {}, "changes": {
            "[group_name='users']": {"action": "update", "new": {"group_name": "users", "level": "CAN_VIEW"}},
            "[user_name='ada@acme.com'].level": {"action": "update", "old": "CAN_VIEW", "new": "CAN_MANAGE", "remote": "CAN_VIEW"},
            "[group_name='ml']": {"action": "update", "old": {"level": "CAN_MANAGE"}, "remote": {"level": "CAN_MANAGE"}}}},
        "resources.schemas.s.grants": {"action": "update", "remote_state": {}, "changes": {
            "[principal='b'].privileges": {"action": "update", "new": ["MANAGE", "SELECT"], "old": ["SELECT"], "remote": ["SELECT"]}}},
        "resources.jobs.new.permissions": {"action": "create", "new_state": {"value": {"__embed__": [
            {"group_name": "users", "level": "CAN_MANAGE"}, {"user_name": "me", "level": "IS_OWNER"}]}}},
        "resources.registered_models.churn": {"action": "recreate", "remote_state": {}, "changes": {
            "schema_name": {"action": "recreate", "reason": "immutable", "old": "a", "new": "b", "remote": "a"}}},
        "resources.jobs.old": {"action": "delete"},
        "resources.jobs.left": {"action": "delete", "gone": true},
        "resources.volumes.v": {"action": "update_id", "changes": {
            "name": {"action": "update_id", "old": "v", "new": "w", "remote": "v"}}},
        "resources.jobs.vanished": {"action": "create"},
        "resources.jobs.same": {"action": "skip"},
    }, "not_selected": 3});
    let view = view(&plan);
    let said: Vec<String> =
        view.dangers().iter().map(|(c, d)| format!("{}: {}: {}", d.risk.words(), c.title, d.sentence)).collect();
    insta::assert_snapshot!(said.join("\n"));
    let counts = view.counts();
    assert_eq!((counts.created, counts.updated, counts.recreated, counts.deleted, counts.unchanged), (2, 4, 1, 2, 1));
    assert_eq!(view.not_selected, 3);
    let vanished: Vec<&str> = view.changes.iter().filter(|c| c.vanished).map(|c| c.title.as_str()).collect();
    assert_eq!(vanished, ["job `left`", "job `vanished`"]);
    let actions: Vec<Action> = view.changes.iter().map(|c| c.action).collect();
    assert!(actions.is_sorted());
}

fn dangers_of(node: &str, entry: Value) -> Vec<String> {
    let view = view(&json!({"plan": {node: entry}}));
    view.dangers().iter().map(|(_, danger)| format!("{}: {}", danger.risk.words(), danger.sentence)).collect()
}

#[test]
fn what_is_new_is_dangerous_where_it_costs_by_itself_or_acts_for_somebody_else() {
    let schedule = json!({"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"});
    let made =
        |state: Value| dangers_of("resources.jobs.new", json!({"action": "create", "new_state": {"value": state}}));
    let starts = ["cost: it begins to run by itself"];
    assert_eq!(made(json!({"schedule": schedule})), starts);
    assert_eq!(
        made(json!({"trigger": {"periodic": {"interval": 1, "unit": "DAYS"}}})),
        starts,
        "unpaused where nothing is said"
    );
    assert_eq!(made(json!({"triggers": [{"pause_status": "PAUSED"}, {"file_arrival": {}}]})), starts);
    assert_eq!(made(json!({"continuous": {"pause_status": "PAUSED"}})), [""; 0]);
    assert_eq!(made(json!({"continuous": true})), ["cost: it runs all the time"]);
    assert_eq!(made(json!({"autotermination_minutes": 0})), ["cost: it never stops by itself"]);
    assert_eq!(made(json!({"auto_stop_mins": 10})), [""; 0]);
    assert_eq!(made(json!({"run_as": {"service_principal_name": "deployer"}})), [""; 0]);
    assert_eq!(made(json!({"run_as": {"user_name": "ada@acme.com"}})), ["privilege: it runs as `ada@acme.com`"]);
    let entities =
        |scale: bool| json!({"config": {"served_entities": [{"entity_name": "m", "scale_to_zero_enabled": scale}]}});
    assert_eq!(
        (made(entities(false)), made(entities(true))),
        (vec!["cost: it does not scale to zero".to_owned()], vec![])
    );
    assert_eq!(made(json!({"config": {"served_entities": [{"external_model": {"name": "gpt"}}]}})), [""; 0]);
    let shares = "privilege: whoever may view it reads data with its publisher's rights";
    assert_eq!(made(json!({"embed_credentials": true})), [shares]);

    let changed = |path: &str, change: Value| {
        let mut entry = json!({"action": "update", "remote_state": {}, "changes": {path: change}});
        entry["changes"][path]["action"] = json!("update");
        dangers_of("resources.jobs.old", entry)
    };
    assert_eq!(changed("schedule", json!({"new": schedule})), starts, "a clock where none was");
    assert_eq!(changed("schedule", json!({"new": {"pause_status": "PAUSED"}})), [""; 0]);
    assert_eq!(
        changed("auto_stop_mins", json!({"old": 10, "new": 0, "remote": 10})),
        ["cost: it never stops by itself"]
    );
    assert_eq!(changed("embed_credentials", json!({"old": false, "new": true, "remote": false})), [shares]);

    let access = |node: &str, entries: Value| {
        dangers_of(node, json!({"action": "create", "new_state": {"value": {"__embed__": entries, "acls": entries}}}))
    };
    let manages =
        |who: &str, level: &str| json!([{who: "deployer", "level": "IS_OWNER"}, {who: "ada", "level": level}]);
    assert_eq!(
        access("resources.jobs.new.permissions", manages("user_name", "CAN_MANAGE")),
        ["privilege: `ada` gets CAN_MANAGE"]
    );
    assert_eq!(access("resources.jobs.new.permissions", manages("group_name", "CAN_VIEW")), [""; 0]);
}

#[test]
fn an_edit_by_hand_that_weakens_us_is_judged_by_what_lies_there() {
    let plan = json!({"plan": {"resources.schemas.s.grants": {"action": "update", "remote_state": {}, "changes": {
        "[principal='intruder']": {"action": "update", "remote": {"principal": "intruder", "privileges": ["ALL_PRIVILEGES"]}},
        "[principal='ml']": {"action": "update", "old": {"privileges": ["MANAGE"]}, "new": {"privileges": ["MANAGE"]}}}}}});
    let view = view(&plan);
    assert_eq!(view.edits_by_hand(), 2);
    let said: Vec<&str> = view.dangers().iter().map(|(_, d)| d.sentence.as_str()).collect();
    assert_eq!(said, ["`ml` gets MANAGE"], "giving back what somebody took is a gain; taking away is none");
}

#[test]
fn a_plan_that_is_none_is_our_own_mistake() {
    let nobody = Knowledge {
        printable: &|_, _| false,
        facts: &|_, _| Vec::new(),
        lost: &|_| Loss::default(),
        title: &|kind| kind.to_owned(),
        deployed: &|_| false,
        deployer: "",
    };
    for document in [json!({}), json!({"plan": {"resources.jobs.a": {"action": "explode"}}})] {
        assert_eq!(read(&document, &nobody).unwrap_err().reason.name(), "internal");
    }
}

#[test]
fn a_view_goes_through_the_journal_unchanged() {
    let view = one(json!({"action": "update", "changes": {"x": {"action": "update", "old": 1, "new": 2}}}));
    let again: PlanView = serde_json::from_str(&serde_json::to_string(&view).unwrap()).unwrap();
    assert_eq!(again, view);
}

/// Every plan of the corpus can be read, where the corpus lies beside the checkout.
#[test]
fn the_recorded_plans_can_be_read() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/corpus");
    let corpus = std::env::var_os("CONFORMANCE").map_or(corpus, Into::into);
    let mut read = 0;
    for case in folders(&corpus).iter().flat_map(|group| folders(group)) {
        for step in folders(&case.join("expect")) {
            let is_plan = step.file_name().is_some_and(|n| n.to_string_lossy().contains("-plan"));
            let Ok(text) = std::fs::read_to_string(step.join("stdout.json")) else { continue };
            let document: Value = serde_json::from_str(&text).unwrap();
            if is_plan && document.get("plan").is_some() {
                view(&document);
                read += 1;
            }
        }
    }
    println!("{read} recorded plans read");
}

fn folders(of: &std::path::Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(of).into_iter().flatten().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect()
}
