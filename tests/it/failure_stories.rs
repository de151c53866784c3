//! What a person reads when a stage fails, word for word: the real program, run as a runner
//! runs it, each failure brought about from outside.

use std::fs;

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::Outcome;
use reqwest::Method;
use serde_json::json;

use crate::stage_world::{BUNDLE, Left, ROOT, StageWorld, Step, as_somebody, table};

/// The last words of a step that failed, without what is different each time.
fn words(world: &StageWorld, left: &Left) -> String {
    let lines: Vec<&str> = left.stdout.lines().filter(|line| !line.starts_with("::")).collect();
    let from = lines.iter().rposition(|line| line.starts_with("failed to ") || line.starts_with("stopped "));
    let from = from.unwrap_or_else(|| panic!("it told nothing\n{}", left.stdout));
    // The verdict below it is a sentence of its own.
    let told = lines[from..].iter().take_while(|line| !line.starts_with(char::is_uppercase));
    let mut text = told.copied().collect::<Vec<_>>().join("\n").trim_end().to_owned();
    let checkout = world.path("").display().to_string();
    for (known, word) in [
        (checkout.trim_end_matches('/'), "CHECKOUT"),
        (world.workspace().url(), "https://dbc.example.com"),
        (world.github.server_url().as_str(), "https://github.example.com"),
    ] {
        text = text.replace(known, word);
    }
    without_ids(&text)
}

/// Ids, digests and commits are other ones each time.
fn without_ids(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let plain = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let changes = plain.len() >= 9 && plain.bytes().all(|b| b.is_ascii_hexdigit());
        out.push_str(if changes { "ID" } else { plain });
        out.push_str(&word[plain.len()..]);
    }
    out
}

struct Told<'w> {
    world: &'w StageWorld,
    step: Step,
}

impl Told<'_> {
    async fn with_code(self, code: i32) -> String {
        let left = self.step.run().await;
        left.expect(code);
        let told = format!("[{}]\n{}\n", left.output("failure-reason"), words(self.world, &left));
        self.step.settle().await.expect(0);
        told
    }
}

fn deploy(world: &StageWorld) -> Told<'_> {
    Told { world, step: world.deploy() }
}

fn deploy_with<'w>(world: &'w StageWorld, name: &str, value: &str) -> Told<'w> {
    Told { world, step: world.deploy().with(name, value) }
}

/// The bundle with an artifact that is built by `command`.
fn built_by(command: &str) -> String {
    let artifact = format!("artifacts:\n  tiny:\n    type: whl\n    path: .\n    build: {command}\nresources:");
    BUNDLE.replace("resources:", &artifact)
}

#[tokio::test]
async fn your_input() {
    let mut told = Vec::new();
    let world = StageWorld::new().await;
    told.push(deploy_with(&world, "INPUT_TARGET", "nowhere").with_code(2).await);
    told.push(deploy_with(&world, "INPUT_COMMIT", &"1234567890".repeat(4)).with_code(2).await);
    let smoke = fs::read_to_string(world.path("mlops-deploy.yml")).unwrap();
    world.edit("mlops-deploy.yml", "job: train", "job: trian");
    told.push(deploy(&world).with_code(2).await);
    world.write("mlops-deploy.yml", &smoke);
    let bundle = fs::read_to_string(world.path("databricks.yml")).unwrap();
    for (from, to) in [
        ("name: train", "name: train ${var.nobody}"),
        ("level: CAN_VIEW", "level: CAN_LOOK"),
        ("resources:", "resources: [\n"),
    ] {
        world.write("databricks.yml", &bundle.replacen(from, to, 1));
        told.push(deploy(&world).with_code(2).await);
    }
    fs::remove_file(world.path("databricks.yml")).unwrap();
    told.push(deploy(&world).with_code(2).await);
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_build() {
    let mut told = Vec::new();
    let failing = StageWorld::with(&built_by("echo one; echo two >&2; exit 3")).await;
    told.push(deploy(&failing).with_code(2).await);
    let missing = built_by("'true'").replace(
        "          notebook_task:",
        "          libraries:\n            - whl: ./dist/*.whl\n          notebook_task:",
    );
    let missing = StageWorld::with(&missing).await;
    told.push(deploy(&missing).with_code(2).await);
    let without = StageWorld::with(&built_by("no-such-program")).await;
    told.push(deploy(&without).with_code(4).await);
    let world = StageWorld::new().await;
    told.push(deploy_with(&world, "INPUT_ENGINE", "cli").with_code(4).await);
    let wrapped = format!("experimental:\n  python_wheel_wrapper: true\n{BUNDLE}");
    let unknown = StageWorld::with(&wrapped).await;
    told.push(deploy(&unknown).with_code(64).await);
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_lock() {
    let mut told = Vec::new();
    let world = StageWorld::new().await;
    // The first import finds no folder to lie in; the second is the lock.
    let import = Rule::on("POST", "/api/2.0/workspace/import", Fault::DelayAfter { millis: 500 });
    world.workspace().fail(import.skip(1));
    let step = world.deploy();
    let child = step.spawn();
    world.workspace().faults().delaying().await;
    let gone = json!({"path": format!("{ROOT}/state/deploy.lock")});
    as_somebody(world.workspace(), Method::POST, "/api/2.0/workspace/delete", gone).await;
    let left = step.left(child).await;
    told.push(format!("[{}]\n{}\n", left.output("failure-reason"), words(&world, &left)));
    let holder = json!({"ID": "0b9e6e3c-4f8f-4e0f-9a3f-3f3a7b1f7c11", "AcquisitionTime": "2026-01-02T03:04:05Z",
        "IsForced": false, "User": "ana@example.com"});
    let path = format!("/api/2.0/workspace-files/import-file{ROOT}/state/deploy.lock?overwrite=false");
    as_somebody(world.workspace(), Method::POST, &path, holder).await;
    told.push(deploy_with(&world, "INPUT_LOCK-TIMEOUT", "0s").with_code(3).await);
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_gate() {
    let mut told = Vec::new();
    let world = StageWorld::new().await;
    world.edit(
        "databricks.yml",
        "      comment: Where",
        "      lifecycle:\n        prevent_destroy: true\n      comment: Where",
    );
    world.deployed().await;
    let elsewhere = StageWorld::new().await;
    elsewhere.edit("databricks.yml", "catalog_name: dev", "catalog_name: other");
    told.push(deploy(&elsewhere).with_code(2).await);
    world.edit("databricks.yml", "      name: scores", "      name: points");
    told.push(deploy(&world).with_code(3).await);
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_smoke_run() {
    let mut told = Vec::new();
    let world = StageWorld::new().await;
    let error = "ValueError: no customers\n\n   id  name\n0   1  Ada".to_owned();
    world.workspace().script("train", "*", Outcome::Failed { error });
    told.push(deploy(&world).with_code(3).await);
    let world = StageWorld::new().await;
    world.edit("mlops-deploy.yml", "job: train", "job: train\n    timeout: 1s");
    world.workspace().hold_runs();
    told.push(deploy(&world).with_code(3).await);
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn two_that_match() {
    let world = StageWorld::new().await;
    let twin = json!({"name": "train", "deployment": {"kind": "BUNDLE",
        "metadata_file_path": format!("/Workspace{ROOT}/state/metadata.json")}});
    as_somebody(world.workspace(), Method::POST, "/api/2.2/jobs/create", twin).await;
    world.workspace().fail(Rule::on("POST", "/api/2.2/jobs/create", Fault::LostReply));
    insta::assert_snapshot!(deploy(&world).with_code(3).await);
}

#[tokio::test]
async fn a_name_that_is_taken() {
    let world = StageWorld::new().await;
    let theirs = json!({"name": "scores", "catalog_name": "dev", "comment": "Theirs"});
    as_somebody(world.workspace(), Method::POST, "/api/2.1/unity-catalog/schemas", theirs).await;
    insta::assert_snapshot!(deploy(&world).with_code(4).await);
    assert!(table(world.workspace(), "jobs").is_empty());
    assert!(table(world.workspace(), "schemas").values().any(|schema| schema["comment"] == "Theirs"));
}

#[tokio::test]
async fn time_and_signals() {
    let mut told = Vec::new();
    let world = StageWorld::new().await;
    world.workspace().fail(Rule::on("GET", "/api/2.0/preview/scim/v2/Me", Fault::Delay { millis: 3_000 }));
    told.push(deploy_with(&world, "INPUT_DEADLINE", "1s").with_code(4).await);
    let world = StageWorld::new().await;
    world.workspace().fail(Rule::on("POST", "/api/2.2/jobs/create", Fault::DelayAfter { millis: 500 }));
    let step = world.deploy();
    let child = step.spawn();
    let id = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    world.workspace().faults().delaying().await;
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let left = step.left(child).await;
    left.expect(130);
    told.push(format!("[{}]\n{}\n", left.output("failure-reason"), words(&world, &left)));
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn github() {
    let world = StageWorld::new().await;
    insta::assert_snapshot!(deploy_with(&world, "GITHUB_API_URL", "not an address").with_code(4).await);
}
