//! `mlops-deploy bundle run`: what is sent for what is written, and what is said of a run that ends badly.

use std::process::Output;

use mlops_deploy::rehearsal::workspace::Outcome;
use serde_json::{Value, json};

use crate::bundle_by_hand::{Hand, TOKEN, said};

const BUNDLE: &str = "\
bundle: {name: runs}
variables: {greeting: {default: hello}}
scripts:
  hello: {content: echo $GREETING $FROM_OUTSIDE $DATABRICKS_BUNDLE_TARGET; false; echo never, env: {GREETING: '${var.greeting}'}}
resources:
  pipelines:
    refine: {name: refine, catalog: main, schema: default, libraries: [{file: {path: refine.py}}]}
  jobs:
    own:
      name: own
      parameters: [{name: day, default: today}]
      tasks: [{task_key: t, notebook_task: {notebook_path: /Shared/a}}, {task_key: u, notebook_task: {notebook_path: /Shared/a}}]
    wheel:
      name: wheel
      tasks: [{task_key: t, environment_key: e, python_wheel_task: {package_name: p, entry_point: main}}]
      environments: [{environment_key: e, spec: {environment_version: '4', dependencies: [p]}}]
";

async fn deployed() -> Hand {
    let hand = Hand::with(BUNDLE).await;
    std::fs::write(hand.folder.path().join("refine.py"), "print('fine')\n").unwrap();
    hand.done(&["deploy"]).await;
    hand.workspace.control().forget_requests();
    hand
}

/// What started the run, without what differs between two tries.
fn started(hand: &Hand) -> Vec<Value> {
    let starts = |path: &str| path.ends_with("/run-now") || path.ends_with("/updates");
    let seen = hand.workspace.control().requests().into_iter().filter(|seen| seen.is_write() && starts(&seen.path));
    let mut bodies: Vec<Value> = seen.map(|seen| seen.body).collect();
    hand.workspace.control().forget_requests();
    for body in bodies.iter_mut().filter_map(Value::as_object_mut) {
        body.remove("idempotency_token");
        body.remove("job_id");
    }
    bodies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_after_the_key_arrives_in_the_request_that_starts_the_run() {
    let hand = deployed().await;
    for (line, body) in [
        ("own", json!({})),
        ("own --params day=monday", json!({"job_parameters": {"day": "monday"}})),
        ("own --params day=monday -- --day tuesday", json!({"job_parameters": {"day": "tuesday"}})),
        ("jobs.own --only t,+u --no-wait", json!({"only": ["t", "+u"]})),
        ("wheel --python-named-params a=1,b=2", json!({"python_named_params": {"a": "1", "b": "2"}})),
        (
            "wheel --python-params x -- y",
            json!({"python_params": ["x", "y"], "notebook_params": {"__python_params": "[\"x\",\"y\"]"}}),
        ),
        ("wheel --jar-params x,y --sql-params q=1", json!({"jar_params": ["x", "y"], "sql_params": {"q": "1"}})),
        ("refine", json!({})),
        ("refine --refresh-all", json!({})),
        (
            "refine --refresh a,b --full-refresh c",
            json!({"refresh_selection": ["a", "b"], "full_refresh_selection": ["c"]}),
        ),
        ("refine --full-refresh-all", json!({"full_refresh": true})),
        ("refine --validate-only", json!({"validate_only": true})),
    ] {
        let words: Vec<&str> = ["run"].into_iter().chain(line.split(' ')).collect();
        hand.done(&words).await;
        assert_eq!(started(&hand), [body], "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_meant_starts_no_run() {
    let hand = deployed().await;
    for (line, code, message) in [
        ("own --params day", 1, "day must be formatted as key=value"),
        ("own --notebook-params a=1", 1, "the job to run defines job parameters"),
        ("wheel --params a=1", 1, "the job to run does not define job parameters"),
        ("own -- monday", 1, "received 1 unexpected positional arguments"),
        ("own monday", 1, "received 1 unexpected positional arguments"),
        ("own --only v", 1, "task \"v\" not found in job \"own\""),
        ("refine -- x", 1, "received 1 unexpected positional arguments"),
        ("refine --refresh-all --validate-only", 1, "--refresh-all, --validate-only pipeline run flags"),
        ("refine --refresh a --full-refresh-all", 1, "together with --full-refresh-all"),
        ("nothing", 1, "resource with key \"nothing\" not found"),
        ("hello -- a b", 1, "additional arguments are not supported for scripts. Got: [a b]"),
        ("scripts.hello", 1, "resource with key \"scripts.hello\" not found"),
        ("-- there-is-no-such-program", 1, "looking up \"there-is-no-such-program\" failed"),
    ] {
        let words: Vec<&str> = ["run"].into_iter().chain(line.split(' ')).collect();
        let refused = hand.run(&words).await;
        assert_eq!(refused.status.code(), Some(code), "{line}: {}", said(&refused));
        assert!(said(&refused).contains(message), "{line}: {}", said(&refused));
        assert_eq!(started(&hand), Vec::<Value>::new(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_ends_badly_shows_what_its_tasks_said() {
    let hand = deployed().await;
    hand.workspace.control().script("own", "u", Outcome::Failed { error: "no data".to_owned() });
    let failed: Output = hand.run(&["run", "own"]).await;
    assert_eq!((failed.status.code(), failed.stdout.len()), (Some(1), 0));
    let said = said(&failed);
    assert!(said.contains("Task u FAILED:\nno data\n") && said.contains("\nError: Task u failed!\n"), "{said}");
    assert!(said.starts_with(&format!("Run URL: {}/jobs/", hand.workspace.url())), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_and_commands_take_our_place_with_the_credential() {
    let hand = deployed().await;
    let script = hand.command(&["run", "hello"]).env("FROM_OUTSIDE", "again").output().await.unwrap();
    let printed = String::from_utf8(script.stdout).unwrap();
    assert_eq!((script.status.code(), printed.as_str()), (Some(1), "hello again default\n"));

    let echo = "echo \"$1 $DATABRICKS_HOST $DATABRICKS_TOKEN $DATABRICKS_AUTH_TYPE\"; exit 7";
    let inner = hand.folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let words = ["run", "--", "sh", "-c", &format!("pwd; {echo}"), "sh", "one"];
    let command = hand.command(&words).current_dir(&inner).output().await.unwrap();
    let here = inner.canonicalize().unwrap();
    let expected = format!("{}\none {} {TOKEN} pat\n", here.display(), hand.workspace.url());
    assert_eq!((command.status.code(), String::from_utf8(command.stdout).unwrap()), (Some(7), expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_is_not_understood_is_refused_with_its_line() {
    for script in ["{content: ''}", "{}", "{content: 'echo ${var.greeting}'}"] {
        let hand = Hand::with(&format!("bundle: {{name: runs}}\nscripts:\n  bad: {script}\n")).await;
        let refused = hand.run(&["validate"]).await;
        assert_eq!(refused.status.code(), Some(64));
        assert_eq!(said(&refused), "unsupported: scripts.bad (databricks.yml:3)\n");
    }
}
