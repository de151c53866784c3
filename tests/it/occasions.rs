//! What started the run, from the runner's variables and the event's document.

use std::collections::HashMap;

use mlops_deploy::inputs::event::Kind;
use mlops_deploy::inputs::{Occasion, Trust};
use mlops_deploy::report;
use serde_json::{Value, json};

fn read(event: &str, document: Value, more: &[(&str, &str)]) -> Occasion {
    let variables: HashMap<&str, &str> = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", event),
        ("GITHUB_REPOSITORY", "acme/churn"),
        ("GITHUB_SHA", "5ba"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_RUN_ID", "4711"),
        ("GITHUB_RUN_ATTEMPT", "2"),
        ("GITHUB_JOB", "deploy"),
        ("GITHUB_ACTOR", "ada"),
        ("GITHUB_SERVER_URL", "https://github.acme.com/"),
    ]
    .into_iter()
    .chain(more.iter().copied())
    .collect();
    let document = document.to_string();
    Occasion::read(&|name| variables.get(name).map(|v| (*v).to_owned()), Some(document.as_bytes())).unwrap()
}

fn pull(head: Value, author: &str) -> Value {
    json!({"pull_request": {
        "number": 7, "head": {"sha": "bead", "repo": head}, "base": {"ref": "main"},
        "user": {"login": author}, "merged": false,
    }})
}

fn ours() -> Value {
    json!({"full_name": "Acme/churn"})
}

#[test]
fn a_collaborators_pull_request_may_read_and_comment() {
    let occasion = read("pull_request", pull(ours(), "ada"), &[]);
    assert_eq!((occasion.pull(), occasion.head_sha()), (Some(7), Some("bead")));
    assert_eq!(occasion.trust, Trust::PullRequest);
    let trust = occasion.trust;
    assert!(trust.may_use_credentials() && trust.may_comment() && !trust.may_deploy());
    assert_eq!(occasion.run_url().unwrap(), "https://github.acme.com/acme/churn/actions/runs/4711/attempts/2");
}

#[test]
fn forks_and_dependabot_get_the_offline_part() {
    let fork = pull(json!({"full_name": "eve/churn"}), "eve");
    let deleted_fork = pull(Value::Null, "eve");
    let by_dependabot = pull(ours(), "dependabot[bot]");
    for (document, actor) in
        [(fork, "eve"), (deleted_fork, "eve"), (by_dependabot, "ada"), (pull(ours(), "ada"), "dependabot[bot]")]
    {
        let trust = read("pull_request", document, &[("GITHUB_ACTOR", actor)]).trust;
        assert!(matches!(trust, Trust::Offline(_)), "{trust:?}");
        assert!(!trust.may_use_credentials() && !trust.may_comment() && trust.may_run_project_commands());
    }
}

#[test]
fn events_that_mix_our_permissions_with_their_code_get_nothing() {
    let run_of =
        |head: Value, of: &str| json!({"workflow_run": {"head_sha": "bead", "head_repository": head, "event": of}});
    let theirs = json!({"full_name": "eve/churn"});
    let cases = [
        ("pull_request_target", pull(ours(), "ada")),
        ("issue_comment", json!({"issue": {"number": 7, "pull_request": {}}})),
        ("workflow_run", run_of(theirs, "pull_request")),
        ("workflow_run", run_of(Value::Null, "push")),
        ("workflow_run", run_of(ours(), "pull_request_target")),
        ("watch", json!({})),
    ];
    for (event, document) in cases {
        let trust = read(event, document, &[]).trust;
        assert!(matches!(trust, Trust::Exposed(_)), "{event}: {trust:?}");
        assert!(!trust.may_use_credentials() && !trust.may_run_project_commands() && !trust.may_comment());
    }
    assert_eq!(read("issue_comment", json!({"issue": {"number": 7}}), &[]).pull(), None);
}

#[test]
fn merged_code_is_our_own() {
    let run = json!({"workflow_run": {"head_sha": "bead", "head_repository": ours(), "event": "push"}});
    for (event, document) in
        [("push", json!({})), ("workflow_dispatch", json!({})), ("schedule", json!({})), ("workflow_run", run.clone())]
    {
        assert_eq!(read(event, document, &[]).trust, Trust::Own, "{event}");
    }
    assert_eq!(read("workflow_run", run, &[]).head_sha(), Some("bead"));
    assert_eq!(read("push", json!({}), &[]).head_sha(), Some("5ba"));
    let group = read("merge_group", json!({"merge_group": {"head_sha": "9a9"}}), &[]);
    assert_eq!((group.head_sha(), group.pull()), (Some("9a9"), None));
    assert!(matches!(group.trust, Trust::Offline(_)) && group.trust.may_run_project_commands());
}

#[test]
fn a_pull_request_without_its_event_is_refused_rather_than_guessed_at() {
    let variables = |name: &str| match name {
        "GITHUB_ACTIONS" => Some("true".to_owned()),
        "GITHUB_EVENT_NAME" => Some("pull_request".to_owned()),
        _ => None,
    };
    for document in [None, Some("not json"), Some("{}"), Some(r#"{"pull_request": {"number": 7}}"#)] {
        let failure = Occasion::read(&variables, document.map(str::as_bytes)).unwrap_err();
        assert_eq!(failure.reason.name(), "invalid-input");
        if document == Some("{}") {
            insta::assert_snapshot!(report::failure::text(&failure));
        }
    }
}

#[test]
fn a_laptop_has_no_event() {
    let occasion = Occasion::read(&|_| None, None).unwrap();
    assert_eq!(occasion.kind, Kind::Laptop);
    assert!(!occasion.in_actions() && occasion.trust.may_deploy() && occasion.run_url().is_none());
}
