//! `mlops-deploy bundle …` as a person runs it, against the stand-in over real HTTP.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::{self, Config, Leniency, Running};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub const TOKEN: &str = "dapi-story";

pub struct Hand {
    pub workspace: Running,
    pub folder: TempDir,
}

impl Hand {
    pub async fn with(bundle: &str) -> Self {
        Self::at(Config::per_token(), bundle).await
    }

    async fn at(workspace: Config, bundle: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("databricks.yml"), bundle).unwrap();
        Self { workspace: workspace::serve(workspace).await.unwrap(), folder }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlops-deploy"));
        command.arg("bundle").args(args);
        self.surround(&mut command);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Folder and environment of a command.
    pub fn surround(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.env("DATABRICKS_HOST", self.workspace.url()).env("DATABRICKS_TOKEN", TOKEN);
    }

    pub async fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().await.unwrap()
    }

    /// Runs a command that must end well; what it printed.
    pub async fn done(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.workspace.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap()
    }

    /// A file of the workspace.
    pub async fn get_bytes(&self, path: &str) -> Vec<u8> {
        let url = format!("{}/api/2.0/workspace-files{path}", self.workspace.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let reply = http.get(url).bearer_auth(TOKEN).send().await.unwrap().error_for_status().unwrap();
        reply.bytes().await.unwrap().to_vec()
    }

    pub async fn post(&self, path: &str, body: Value) {
        let url = format!("{}{path}", self.workspace.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let reply = http.post(url).bearer_auth(TOKEN).json(&body).send().await.unwrap();
        assert!(reply.status().is_success(), "{}", reply.text().await.unwrap());
    }

    pub async fn post_bytes(&self, path: &str, body: impl Into<reqwest::Body>) {
        let url = format!("{}{path}", self.workspace.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let reply = http.post(url).bearer_auth(TOKEN).body(body).send().await.unwrap();
        assert!(reply.status().is_success(), "{}", reply.text().await.unwrap());
    }

    pub async fn jobs(&self) -> usize {
        self.get("/api/2.2/jobs/list").await["jobs"].as_array().map_or(0, Vec::len)
    }

    pub async fn state_path(&self) -> String {
        let document: Value = serde_json::from_str(&self.done(&["validate", "-o", "json"]).await).unwrap();
        document["workspace"]["state_path"].as_str().unwrap().to_owned()
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join(".databricks/bundle/default/resources.json.wal")
    }
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const ONE_JOB: &str =
    "bundle: {name: hand}\nresources: {jobs: {j: {name: j, permissions: [{level: CAN_VIEW, group_name: users}]}}}\n";

/// A command at a terminal, where somebody types; what the screen shows.
async fn at_a_terminal(hand: &Hand, args: &[&str], typed: &str, more: &[(&str, &str)]) -> (i32, String) {
    let mut terminal = Command::new("python3");
    let spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    terminal.args(["-c", spawn, env!("CARGO_BIN_EXE_mlops-deploy"), "bundle"]).args(args);
    hand.surround(&mut terminal);
    terminal.envs(more.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = terminal.spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(typed.as_bytes()).await.unwrap();
    // Who closes the keyboard hangs up: it stays until the command has ended.
    let output = child.wait_with_output().await.unwrap();
    drop(keys);
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).replace('\r', ""))
}

const QUESTION: &str = "Would you like to proceed? [y/N]: ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sits_at_a_terminal_is_asked_before_everything_is_destroyed() {
    let hand = Hand::with(ONE_JOB).await;
    hand.done(&["deploy"]).await;
    for no in ["n\n", "\n", "yes please\n", "nyes\n"] {
        let (code, screen) = at_a_terminal(&hand, &["destroy"], no, &[]).await;
        assert!(code == 0 && screen.contains(QUESTION) && screen.ends_with("Destroy cancelled!\n"), "{no:?}: {screen}");
        assert!(screen.find("delete resources.jobs.j").unwrap() < screen.find(QUESTION).unwrap(), "{screen}");
        assert_eq!(hand.jobs().await, 1, "{no:?}");
    }
    let (code, screen) = at_a_terminal(&hand, &["destroy"], "\u{4}", &[]).await;
    assert!(code == 1 && screen.contains("Error: EOF"), "{screen}");
    // The lock was given back each time.
    for (name, value) in [("TERM", "dumb"), ("NO_COLOR", "1")] {
        let (code, screen) = at_a_terminal(&hand, &["destroy"], "y\n", &[(name, value)]).await;
        assert!(code == 1 && !screen.contains(QUESTION) && screen.contains("--auto-approve"), "{name}: {screen}");
    }
    let refused = hand.run(&["destroy"]).await;
    assert!(refused.status.code() == Some(1) && !said(&refused).contains(QUESTION), "{}", said(&refused));
    assert_eq!(hand.jobs().await, 1);
    let (code, screen) = at_a_terminal(&hand, &["destroy"], " YES \n", &[]).await;
    assert!(code == 0 && screen.ends_with("Destroy: 1 deleted\n"), "{screen}");
    assert_eq!(hand.jobs().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sits_at_a_terminal_is_asked_before_data_is_lost() {
    let bundle = |name: &str| {
        format!("bundle: {{name: hand}}\nresources: {{schemas: {{s: {{name: {name}, catalog_name: main}}}}}}\n")
    };
    let hand = Hand::with(&bundle("old")).await;
    hand.done(&["deploy"]).await;
    fs::write(hand.folder.path().join("databricks.yml"), bundle("new")).unwrap();
    let (code, screen) = at_a_terminal(&hand, &["deploy"], "n\n", &[]).await;
    assert!(code == 0 && screen.contains("recreate resources.schemas.s\n\nWould you like"), "{screen}");
    assert!(screen.contains("Deployment cancelled!\n") && !screen.contains("Resources: "), "{screen}");
    let schemas = "/api/2.1/unity-catalog/schemas?catalog_name=main";
    assert!(hand.get(schemas).await.to_string().contains("main.old"));
    let refused = hand.run(&["deploy"]).await;
    assert!(refused.status.code() == Some(1) && said(&refused).contains("--auto-approve"), "{}", said(&refused));
    let (code, screen) = at_a_terminal(&hand, &["deploy"], "y\n", &[]).await;
    assert!(code == 0 && screen.contains("Recreated schemas.s\n"), "{screen}");
    assert!(hand.get(schemas).await.to_string().contains("main.new"));
    // What destroys nothing is not asked about.
    let (_, screen) = at_a_terminal(&hand, &["deploy"], "", &[]).await;
    assert!(!screen.contains(QUESTION), "{screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_deployment_changes_nothing_and_destroy_leaves_nothing() {
    let hand = Hand::with(ONE_JOB).await;
    let first = hand.run(&["deploy"]).await;
    assert!(first.status.success(), "{}", said(&first));
    assert!(said(&first).contains("Created jobs.j\n"), "{}", said(&first));
    let second = hand.run(&["deploy"]).await;
    assert!(said(&second).ends_with("Resources: 0 created, 0 changed, 0 deleted, 2 unchanged\n"), "{}", said(&second));
    assert_eq!(hand.done(&["plan"]).await, "Plan: 0 to add, 0 to change, 0 to delete, 2 unchanged\n");
    hand.done(&["destroy", "--auto-approve"]).await;
    assert_eq!(hand.jobs().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_lock_stops_the_deployment_and_names_its_holder() {
    let hand = Hand::with(ONE_JOB).await;
    let state = hand.state_path().await;
    hand.post("/api/2.0/workspace/mkdirs", json!({"path": state})).await;
    let lock = json!({"ID": "aaaaaaaa-0000-4000-8000-bbbbbbbbbbbb", "AcquisitionTime": "2024-05-05T05:05:05Z",
        "IsForced": false, "User": "other@example.com"});
    hand.post(&format!("/api/2.0/workspace-files/import-file{state}/deploy.lock?overwrite=true"), lock).await;
    let refused = hand.run(&["deploy"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("acquired by other@example.com at 2024-05-05 05:05:05 +0000 UTC"),
        "{}",
        said(&refused)
    );
    assert_eq!(hand.jobs().await, 0);
    hand.done(&["deploy", "--force-lock"]).await;
    assert_eq!(hand.jobs().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_creation_was_not_answered_is_found_and_not_made_twice() {
    for fault in [Fault::LostReply, Fault::status_after(500), Fault::MalformedBody] {
        let hand = Hand::with(ONE_JOB).await;
        hand.workspace.control().fail(Rule::on("POST", "/api/2.2/jobs/create", fault));
        hand.done(&["deploy"]).await;
        assert_eq!(hand.jobs().await, 1);
        assert_eq!(hand.done(&["plan"]).await, "Plan: 0 to add, 0 to change, 0 to delete, 2 unchanged\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_changed_nothing_makes_no_state() {
    let hand = Hand::with("bundle: {name: hand}\nresources: {jobs: {j: {name: j}}}\n").await;
    let refuse = || Rule::on("POST", "/api/2.2/jobs/*", Fault::status(400)).always();
    let serial = async || -> serde_json::Value {
        let plan = hand.done(&["plan", "-o", "json"]).await;
        serde_json::from_str::<serde_json::Value>(&plan).unwrap()["serial"].clone()
    };
    hand.workspace.control().fail(refuse());
    assert!(!hand.run(&["deploy"]).await.status.success());
    assert_eq!(serial().await, serde_json::Value::Null);
    hand.workspace.control().faults().clear();
    hand.done(&["deploy"]).await;
    assert_eq!(serial().await, 1);
    fs::write(hand.folder.path().join("databricks.yml"), "bundle: {name: hand}\nresources: {jobs: {j: {name: k}}}\n")
        .unwrap();
    hand.workspace.control().fail(refuse());
    assert!(!hand.run(&["deploy"]).await.status.success());
    assert_eq!(serial().await, 1);
    hand.workspace.control().faults().clear();
    hand.done(&["deploy"]).await;
    assert_eq!(serial().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_cannot_be_loaded_is_told_as_far_as_it_is_known() {
    let hand = Hand::with(ONE_JOB).await;
    let validate = async |more: &[&str]| {
        let ended = hand.run(&[&["validate"], more].concat()).await;
        (ended.status.success(), String::from_utf8_lossy(&ended.stdout).into_owned())
    };
    assert_eq!(validate(&["-t", "nope"]).await, (false, "Name: hand\n\nFound 1 error\n".to_owned()));
    assert_eq!(validate(&["--var", "x"]).await, (false, "Name: hand\nTarget: default\n\nFound 1 error\n".to_owned()));
    // The last word counts.
    assert!(validate(&["-t", "nope", "-t", "default"]).await.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_asks_for_another_way_in_than_a_token_is_refused_before_anybody_is_asked() {
    let hand = Hand::with("").await;
    let validate = async |workspace: &str| {
        let text = format!("bundle: {{name: hand}}\nworkspace: {{{workspace}}}\n");
        fs::write(hand.folder.path().join("databricks.yml"), text).unwrap();
        let ended = hand.run(&["validate"]).await;
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    for key in ["auth_type: azure-cli", "azure_client_id: a", "azure_use_msi: true", "google_service_account: a"] {
        let name = key.split(':').next().unwrap();
        assert_eq!(validate(key).await, (Some(64), format!("unsupported: workspace.{name} (databricks.yml:2)\n")));
    }
    assert_eq!(hand.workspace.control().requests().len(), 0);
    for key in ["auth_type: pat, client_id: a", "auth_type: ''", "azure_environment: public"] {
        assert_eq!(validate(key).await.0, Some(0), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_that_no_folder_has_stops_a_deployment_of_nothing_but_files() {
    let hand = Hand::with("bundle: {name: hand}\npermissions: [{level: CAN_EDIT, user_name: x}]\n").await;
    hand.done(&["validate"]).await;
    let deploy = hand.run(&["deploy"]).await;
    let said = String::from_utf8_lossy(&deploy.stderr).into_owned();
    assert!(!deploy.status.success() && said.contains("unsupported bundle permission level CAN_EDIT"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_may_still_be_deleted_and_is_never_taken_for_gone() {
    let hand = Hand::with(ONE_JOB).await;
    hand.done(&["deploy"]).await;
    hand.workspace.control().fail(Rule::on("GET", "/api/2.2/jobs/get", Fault::status(403)).always());
    let plan = hand.run(&["plan"]).await;
    let said = String::from_utf8_lossy(&plan.stderr).into_owned();
    assert!(!plan.status.success() && said.contains("read resources.jobs.j"), "{said}");

    fs::write(hand.folder.path().join("databricks.yml"), "bundle: {name: hand}\n").unwrap();
    let removed = hand.run(&["deploy", "--auto-approve"]).await;
    let said = String::from_utf8_lossy(&removed.stderr).into_owned();
    assert!(removed.status.success() && said.contains("it is deleted unseen"), "{said}");
    assert_eq!(hand.jobs().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_deleted_is_forgotten_where_it_goes_and_kept_where_it_is_made_anew() {
    let schema = |catalog: &str| {
        format!("bundle: {{name: hand}}\nresources: {{schemas: {{s: {{name: s, catalog_name: {catalog}}}}}}}\n")
    };
    let hand = Hand::with(&schema("main")).await;
    let write = |text: &str| fs::write(hand.folder.path().join("databricks.yml"), text).unwrap();
    let creates = || {
        let requests = hand.workspace.control().requests().into_iter();
        requests.filter(|r| r.method == "POST" && r.path.ends_with("/unity-catalog/schemas")).count()
    };
    hand.done(&["deploy"]).await;
    hand.workspace.control().fail(Rule::on("DELETE", "/api/2.1/unity-catalog/schemas/*", Fault::status(403)).always());
    write(&schema("other"));
    assert!(!hand.run(&["deploy", "--auto-approve"]).await.status.success());
    assert_eq!(creates(), 1, "nothing takes the place of what is still there");
    write("bundle: {name: hand}\n");
    hand.done(&["deploy", "--auto-approve"]).await;
    assert_eq!(hand.done(&["plan"]).await, "Plan: 0 to add, 0 to change, 0 to delete, 0 unchanged\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_deployment_is_taken_up_from_its_log() {
    let hand = Hand::with(ONE_JOB).await;
    let late = Fault::Delay { millis: 60_000 };
    hand.workspace.control().fail(Rule::on("PUT", "/api/2.0/permissions/jobs/*", late));
    let mut child = hand.command(&["deploy"]).stderr(Stdio::null()).spawn().unwrap();
    while !mentions(&hand.log(), "resources.jobs.j") {
        tokio::task::yield_now().await;
    }
    child.kill().await.unwrap();
    hand.workspace.control().faults().clear();
    hand.done(&["deploy", "--force-lock"]).await;
    assert_eq!(hand.jobs().await, 1);
    assert!(!hand.log().exists());
}

fn mentions(path: &Path, text: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|content| content.contains(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_known_is_refused_with_its_line_and_changes_nothing() {
    let hand = Hand::with("bundle: {name: hand}\nresources:\n  secrets: {v: {name: v}}\n").await;
    for command in ["validate", "plan", "deploy"] {
        let refused = hand.run(&[command]).await;
        assert_eq!(refused.status.code(), Some(64));
        assert_eq!(said(&refused), "unsupported: resources.secrets (databricks.yml:3)\n");
    }
    let generate = hand.run(&["generate", "job"]).await;
    assert_eq!(
        (generate.status.code(), said(&generate).as_str()),
        (Some(64), "unsupported: bundle generate (command line)\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_workspace_says_of_its_user_is_no_mistake_of_the_bundle() {
    let hand = Hand::at(Config { leniency: Leniency::Strict, ..Config::per_token() }, ONE_JOB).await;
    let checked = hand.run(&["validate", "-o", "json"]).await;
    assert_eq!(said(&checked), "");
    let document: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let user = &document["workspace"]["current_user"];
    assert!(user["displayName"].is_string() && user["groups"][0]["display"] == "users", "{user}");
}

/// A profile is of one workspace: its token goes nowhere else.
#[tokio::test]
async fn a_named_profile_says_which_workspace_it_is() {
    let hand = Hand::with("bundle: {name: hand}\n").await;
    let other = workspace::serve(Config::per_token()).await.unwrap();
    let without_file = hand.run(&["validate", "-p", "other"]).await;
    assert!(without_file.status.success() && said(&without_file).contains("profile `other` is not used"));
    let profiles = format!("[other]\nhost = {}\ntoken = dapi-other\n", other.url());
    fs::write(hand.folder.path().join(".databrickscfg"), profiles).unwrap();
    let config: Value = serde_json::from_str(&hand.done(&["validate", "-o", "json", "-p", "other"]).await).unwrap();
    assert_eq!(config["workspace"]["profile"], "other");
    let before = hand.workspace.control().requests().len();
    hand.done(&["deploy", "-p", "other"]).await;
    assert_eq!(hand.workspace.control().requests().len(), before);
    assert!(other.control().requests().iter().any(|request| request.is_write()));
    let bundle = format!("bundle: {{name: hand}}\nworkspace: {{host: {}}}\n", hand.workspace.url());
    fs::write(hand.folder.path().join("databricks.yml"), bundle).unwrap();
    let refused = hand.run(&["deploy", "-p", "other"]).await;
    assert!(!refused.status.success() && said(&refused).contains("and the bundle names"), "{}", said(&refused));
    assert_eq!(hand.workspace.control().requests().len(), before);
}

#[tokio::test]
async fn a_file_whose_name_is_no_text_is_not_left_out_silently() {
    use std::os::unix::ffi::OsStrExt;
    let hand = Hand::with("bundle: {name: hand}\n").await;
    fs::write(hand.folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff.txt")), "x").unwrap();
    let refused = hand.run(&["deploy"]).await;
    assert!(!refused.status.success() && said(&refused).contains("a\u{fffd}.txt"), "{}", said(&refused));
    fs::write(hand.folder.path().join(".gitignore"), "*.txt\n").unwrap();
    hand.done(&["deploy"]).await;
}

#[tokio::test]
async fn a_token_that_no_header_takes_is_told_at_once() {
    let hand = Hand::with("bundle: {name: hand}\n").await;
    let mut command = hand.command(&["validate", "--debug"]);
    let output = command.env("DATABRICKS_TOKEN", "dapi-\nsecret").output().await.unwrap();
    let said = said(&output);
    assert!(!output.status.success() && said.contains("header value") && !said.contains("secret"), "{said}");
    assert!(!said.contains("again in"), "{said}");
    hand.workspace.control().faults().add(Rule::on("GET", "*/scim/v2/Me", Fault::status(503)));
    let mut command = hand.command(&["validate", "--debug"]);
    let output = command.env("DATABRICKS_BUNDLE_RETRY_INTERVAL_MS", "1").output().await.unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("again in"), "{output:?}");
}
