//! What a step finds: variables, the event, command files.

use super::*;

#[test]
fn a_step_finds_what_a_runner_gives() {
    let story = Story::new();
    let dir = tempfile::tempdir().unwrap();
    let runner = story.job().runner(dir.path()).unwrap();
    let var = |name: &str| runner.vars[name].as_str();
    assert_eq!(var("GITHUB_REF"), "refs/pull/1/merge");
    assert_eq!(var("GITHUB_REF_NAME"), "1/merge");
    assert_eq!((var("GITHUB_HEAD_REF"), var("GITHUB_BASE_REF")), ("feature", "main"));
    assert!(!runner.vars.contains_key("GITHUB_TOKEN"));
    let event: Value = serde_json::from_str(&std::fs::read_to_string(var("GITHUB_EVENT_PATH")).unwrap()).unwrap();
    assert_eq!(event["number"], 1);
    assert_eq!(event["pull_request"]["head"]["sha"], story.github.tip("feature").unwrap().as_str());
    // The test merge is what the checkout has, and neither the head nor the base.
    assert_ne!(var("GITHUB_SHA"), story.github.tip("feature").unwrap());
    std::fs::write(var("GITHUB_OUTPUT"), "plain=1\nlong<<END\na\nb\nEND\n").unwrap();
    assert_eq!(runner.outputs().unwrap()["long"], "a\nb");
    std::fs::write(var("GITHUB_STEP_SUMMARY"), "# Done").unwrap();
    assert_eq!(runner.summary(), "# Done");
}

#[test]
fn each_event_runs_where_github_runs_it() {
    let story = Story::new();
    let main = story.github.tip("main").unwrap();
    let first = story.github.start_job(JobSpec::on(Event::push("main"))).unwrap();
    let seen = |event: Event| {
        let dir = tempfile::tempdir().unwrap();
        let runner = story.github.start_job(JobSpec::on(event)).unwrap().runner(dir.path()).unwrap();
        let text = std::fs::read_to_string(&runner.vars["GITHUB_EVENT_PATH"]).unwrap();
        (runner, serde_json::from_str::<Value>(&text).unwrap())
    };
    let (push, payload) = seen(Event::push("main"));
    assert_eq!((push.vars["GITHUB_REF"].as_str(), &payload["after"]), ("refs/heads/main", &json!(main)));
    let (dispatch, payload) = seen(Event::dispatch("feature"));
    assert_eq!(dispatch.vars["GITHUB_SHA"], story.github.tip("feature").unwrap());
    assert_eq!(payload["inputs"], json!({}));
    let (chained, payload) = seen(Event::WorkflowRun { run: first.run });
    assert_eq!(
        (chained.vars["GITHUB_SHA"].as_str(), &payload["workflow_run"]["head_sha"]),
        (main.as_str(), &json!(main))
    );
    let (target, _) = seen(Event::pull_request_target(story.number));
    assert_eq!((target.vars["GITHUB_REF"].as_str(), &target.vars["GITHUB_SHA"]), ("refs/heads/main", &main));
    let (queue, payload) = seen(Event::MergeGroup { number: story.number });
    assert!(queue.vars["GITHUB_REF"].starts_with("refs/heads/gh-readonly-queue/main/pr-1-"));
    assert_eq!(payload["merge_group"]["head_sha"].as_str(), Some(queue.vars["GITHUB_SHA"].as_str()));
    assert!(payload.get("pull_request").is_none());
    story.github.merge(story.number, "cleo").unwrap();
    let (closed, payload) = seen(Event::PullRequest { number: story.number, action: "closed".to_owned() });
    assert_eq!(
        (closed.vars["GITHUB_REF"].as_str(), &payload["pull_request"]["merged"]),
        ("refs/heads/main", &json!(true))
    );
    assert!(story.github.start_job(JobSpec::on(Event::push("nowhere"))).is_err());
}
