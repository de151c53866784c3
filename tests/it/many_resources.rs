//! Bundles with many resources: what is asked, how fast, and what is shown meanwhile.

use std::fs;
use std::process::Stdio;

use mlops_deploy::rehearsal::front::{Fault, Rule};
use serde_json::json;
use tokio::process::Command;

use crate::bundle_by_hand::{Hand, said};

fn jobs(count: usize, parameter: &str) -> String {
    let job = |i: usize| format!("    j{i}: {{name: j{i}, parameters: [{{name: day, default: '{parameter}'}}]}}\n");
    format!("bundle: {{name: many}}\nresources:\n  jobs:\n{}", (0..count).map(job).collect::<String>())
}

/// The service's list leaves parameters out: plans are not made from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_jobs_are_planned_with_what_a_list_of_them_does_not_show() {
    let hand = Hand::with(&jobs(40, "monday")).await;
    hand.done(&["deploy"]).await;
    assert_eq!(hand.done(&["plan"]).await, "Plan: 0 to add, 0 to change, 0 to delete, 40 unchanged\n");
    let all = hand.get("/api/2.2/jobs/list?limit=100").await;
    let id = &all["jobs"][7]["job_id"];
    let more = json!([{"name": "day", "default": "monday"}, {"name": "by-hand", "default": "x"}]);
    hand.post("/api/2.2/jobs/update", json!({"job_id": id, "new_settings": {"parameters": more}})).await;
    let plan = hand.done(&["plan"]).await;
    assert!(plan.ends_with("Plan: 0 to add, 1 to change, 0 to delete, 39 unchanged\n"), "{plan}");
}

/// A catalog's list does show everything, and costs one request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_schemas_are_read_by_one_list_and_what_changed_by_itself() {
    let schema = |i: usize| format!("    s{i}: {{name: s{i}, catalog_name: main, comment: c}}\n");
    let bundle = format!("bundle: {{name: many}}\nresources:\n  schemas:\n{}", (0..40).map(schema).collect::<String>());
    let hand = Hand::with(&bundle).await;
    hand.done(&["deploy"]).await;
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/2.1/unity-catalog/schemas/main.s3", hand.workspace.url());
    let changed = request.patch(url).bearer_auth(crate::bundle_by_hand::TOKEN).json(&json!({"comment": "by hand"}));
    assert!(changed.send().await.unwrap().status().is_success());
    hand.workspace.control().forget_requests();
    let plan = hand.done(&["plan"]).await;
    assert!(plan.ends_with("Plan: 0 to add, 1 to change, 0 to delete, 39 unchanged\n"), "{plan}");
    let seen = hand.workspace.control().requests();
    let asked: Vec<&str> = seen.iter().map(|s| s.path.as_str()).filter(|path| path.contains("unity-catalog")).collect();
    assert_eq!(asked, ["/api/2.1/unity-catalog/schemas", "/api/2.1/unity-catalog/schemas/main.s3"]);
}

/// Every request is turned away now and then; all is made, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_that_has_too_much_to_do_is_given_time() {
    let hand = Hand::with(&jobs(60, "monday")).await;
    let busy = Fault::TooManyRequests { retry_after: 0 };
    for passed in [2, 8, 18, 28, 40, 50] {
        let rule = Rule::on("POST", "/api/2.2/jobs/create", busy.clone());
        hand.workspace.control().fail(rule.skip(passed).times(2));
    }
    let deployed = hand.run(&["deploy"]).await;
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert_eq!(hand.get("/api/2.2/jobs/list?limit=100").await["jobs"].as_array().unwrap().len(), 60);
    let seen = hand.workspace.control().requests();
    let turned_away = seen.iter().filter(|s| s.status == 429).count();
    let made = seen.iter().filter(|s| s.path == "/api/2.2/jobs/create" && s.status == 200).count();
    assert_eq!((turned_away, made), (12, 60));
    hand.workspace.control().fail(Rule::on("GET", "/api/2.2/jobs/get", busy).skip(4).times(7));
    assert_eq!(hand.done(&["plan"]).await, "Plan: 0 to add, 0 to change, 0 to delete, 60 unchanged\n");
}

/// What a person sees on a terminal while it lasts, and what a log keeps of it: nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_shows_how_far_a_deployment_is() {
    let hand = Hand::with(&jobs(3, "monday")).await;
    fs::write(hand.folder.path().join("a.txt"), "a").unwrap();
    let slow = Fault::Delay { millis: 1000 };
    hand.workspace.control().fail(Rule::on("POST", "*a.txt", slow.clone()));
    hand.workspace.control().fail(Rule::on("POST", "/api/2.2/jobs/create", slow).skip(1));
    let program = env!("CARGO_BIN_EXE_mlops-deploy");
    let mut terminal = Command::new("python3");
    terminal.args(["-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)", program, "bundle", "deploy"]);
    hand.surround(&mut terminal);
    let output = terminal.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let screen = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{screen}");
    assert!(screen.contains("\r\u{1b}[KUploading files [############............] 1/2"), "{screen:?}");
    assert!(screen.contains("\r\u{1b}[KChanging resources [################........] 2/3"), "{screen:?}");
    // The bar makes way for the result.
    assert!(screen.contains("\r\u{1b}[KCreated jobs.j0"), "{screen:?}");
    let again = hand.run(&["deploy"]).await;
    assert!(!said(&again).contains('\u{1b}') && !said(&again).contains("Changing resources"), "{}", said(&again));
}
