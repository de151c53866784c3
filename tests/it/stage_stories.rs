//! Stories of the stages, as a runner and a reviewer would see them.

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::github::{Conclusion, Event, JobSpec, PullRequest};
use mlops_deploy::rehearsal::workspace::{Control, Outcome};
use serde_json::{Value, json};

use crate::stage_world::{DEPLOYER, Left, REPOSITORY, ROOT, StageWorld, as_somebody, difference, settled, table};

/// What was asked of the workspace that changes it.
fn writes(control: &Control) -> Vec<String> {
    let requests = control.requests();
    let writes = requests.iter().filter(|r| r.is_write() && !r.path.starts_with("/oidc/"));
    writes.map(|r| format!("{} {} {}", r.method, r.path, r.body)).collect()
}

fn asked_for_a_token(world: &StageWorld) -> bool {
    let exchanged = world.workspace().requests().iter().any(|r| r.path.contains("/oidc/v1/token"));
    exchanged || world.github.log().lines().iter().any(|line| line.contains("idtoken"))
}

fn job_id(control: &Control) -> i64 {
    let jobs = table(control, "jobs");
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.keys().next().unwrap().parse().unwrap()
}

fn same(before: &Value, after: &Value) {
    assert!(before == after, "{}", difference(before, after));
}

fn refused(left: &Left, code: i32, reason: &str) {
    left.expect(code);
    assert_eq!(left.output("failure-reason"), reason, "{}", left.stdout);
}

#[tokio::test]
async fn a_deployment_makes_what_the_bundle_says_and_gives_the_lock_back() {
    let world = StageWorld::new().await;
    let left = world.deployed().await;
    assert_eq!(left.output("outcome"), "succeeded");
    let dump = world.workspace().settled().to_string();
    assert!(dump.contains("dev.scores") && dump.contains("train"), "{dump}");
    assert!(!dump.contains("deploy.lock"), "{dump}");
    assert!(left.summary.contains("train"), "{}", left.summary);
    assert!(left.journal.lines().count() > 10, "{}", left.journal);
}

#[tokio::test]
async fn nothing_to_do_means_nothing_is_written() {
    let world = StageWorld::new().await;
    world.deployed().await;
    world.workspace().forget_requests();
    let before = world.workspace().dump();
    let again = world.deployed().await;
    assert_eq!(again.output("outcome"), "unchanged");
    assert_eq!(writes(world.workspace()), Vec::<String>::new());
    assert_eq!(before, world.workspace().dump());
}

#[tokio::test]
async fn an_edit_in_the_workspace_shows_in_the_comment() {
    let world = StageWorld::new().await;
    world.deployed().await;
    let id = job_id(world.workspace());
    let edit = json!({"job_id": id, "new_settings": {"description": "Edited by hand"}});
    as_somebody(world.workspace(), reqwest::Method::POST, "/api/2.2/jobs/update", edit).await;
    let pull = world.pull_request();
    let step = world.validate(Event::pull_request(pull));
    step.run().await.expect(0);
    let comments = world.github.comments(pull);
    assert_eq!(comments.len(), 1, "{comments:?}");
    let body = &comments[0].1;
    assert!(body.contains("description") && body.contains("train"), "{body}");
    assert!(body.to_lowercase().contains("workspace"), "{body}");
}

#[tokio::test]
async fn an_older_commit_does_not_replace_a_newer_one() {
    let world = StageWorld::new().await;
    let older = world.github.tip("main").unwrap();
    world.push();
    world.deployed().await;
    world.write(".git/refs/heads/main", &format!("{older}\n"));
    world.edit("databricks.yml", "description: Trains", "description: Trained before");
    world.workspace().forget_requests();
    let left = world.deploy().run().await;
    refused(&left, 3, "older-than-deployed");
    assert_eq!(writes(world.workspace()), Vec::<String>::new());
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_respected_and_who_holds_it_is_said() {
    let world = StageWorld::new().await;
    let lock = json!({"ID": "0b9e6e3c-4f8f-4e0f-9a3f-3f3a7b1f7c11", "AcquisitionTime": "2026-01-02T03:04:05Z",
        "IsForced": false, "User": "ana@example.com"});
    let control = world.workspace();
    let folder = format!("{ROOT}/state");
    as_somebody(control, reqwest::Method::POST, "/api/2.0/workspace/mkdirs", json!({"path": folder})).await;
    let path = format!("/api/2.0/workspace-files/import-file{folder}/deploy.lock?overwrite=false");
    as_somebody(control, reqwest::Method::POST, &path, lock).await;
    let before = control.settled();
    let step = world.deploy().with("INPUT_LOCK-TIMEOUT", "0s");
    let left = step.run().await;
    refused(&left, 3, "lock-held");
    assert!(left.stdout.contains("ana@example.com"), "{}", left.stdout);
    step.settle().await.expect(0);
    assert_eq!(before, control.settled());
}

/// A lock and who says to hold it, with a last sign of life so many seconds ago.
async fn left_behind(world: &StageWorld, run: u64, repository: &str, silent: i64) {
    let control = world.workspace();
    let now = jiff::Timestamp::now();
    let heartbeat = now - jiff::SignedDuration::from_secs(silent);
    let id = "0b9e6e3c-4f8f-4e0f-9a3f-3f3a7b1f7c11";
    let lock = json!({"ID": id, "AcquisitionTime": heartbeat, "IsForced": false, "User": DEPLOYER});
    let said = json!({"version": 1, "lock": id, "repository": repository, "run_id": run.to_string(), "attempt": 1,
        "job": "deploy", "url": format!("https://ci.example/runs/{run}"), "commit": "abcdef0", "since": heartbeat,
        "heartbeat": heartbeat});
    for (folder, name, content) in [("state", "deploy.lock", lock), (".mlops-deploy", "lock.json", said)] {
        let folder = format!("{ROOT}/{folder}");
        as_somebody(control, reqwest::Method::POST, "/api/2.0/workspace/mkdirs", json!({"path": folder})).await;
        let path = format!("/api/2.0/workspace-files/import-file{folder}/{name}?overwrite=true");
        as_somebody(control, reqwest::Method::POST, &path, content).await;
    }
}

#[tokio::test]
async fn a_lock_that_a_dead_run_left_is_taken_from_it_and_from_nobody_else() {
    const HOURS: i64 = 2 * 3600;
    let world = StageWorld::new().await;
    let permissions = "contents: read, id-token: write, pull-requests: write, deployments: write, actions: read";
    let deploy = || {
        let spec = JobSpec::on(Event::push("main")).named("deploy").permit(permissions).unwrap();
        // Long enough to look at the lock again.
        world.step(spec.environment("development"), "deploy-dev").with("INPUT_LOCK-TIMEOUT", "6s")
    };
    let asked_after = |run: u64| {
        let path = format!("/repos/{REPOSITORY}/actions/runs/{run}");
        world.github.log().all().iter().filter(|one| one.path == path).count()
    };
    let (dead, alive) = (deploy(), deploy());
    dead.job.finish(Conclusion::Failure);
    for (run, repository, silent) in
        [(alive.job.run, REPOSITORY, HOURS), (dead.job.run, REPOSITORY, 60), (dead.job.run, "acme/other", HOURS)]
    {
        left_behind(&world, run, repository, silent).await;
        let step = deploy();
        let left = step.run().await;
        refused(&left, 3, "lock-held");
        assert!(left.stdout.contains(&format!("https://ci.example/runs/{run}")), "{}", left.stdout);
        step.settle().await.expect(0);
    }
    assert_eq!(
        (asked_after(alive.job.run), asked_after(dead.job.run)),
        (1, 0),
        "GitHub is asked once, and only where it helps"
    );
    left_behind(&world, dead.job.run, REPOSITORY, HOURS).await;
    // Without the permission nobody knows that the run is over.
    let left = world.deploy().with("INPUT_LOCK-TIMEOUT", "0s").run().await;
    refused(&left, 3, "lock-held");
    assert!(left.stdout.contains("actions: read"), "{}", left.stdout);
    let step = deploy();
    let left = step.run().await;
    left.expect(0);
    let took = format!("took the deployment lock that https://ci.example/runs/{} (attempt 1", dead.job.run);
    assert!(left.stdout.contains(&took), "{}", left.stdout);
    step.settle().await.expect(0);
    assert!(!world.workspace().settled().to_string().contains("deploy.lock"));
}

#[tokio::test]
async fn a_fork_gets_the_offline_part_and_no_token() {
    let world = StageWorld::new().await;
    let pull = world
        .github
        .open_pull_request(PullRequest {
            fork: Some("eve/tiny".to_owned()),
            ..PullRequest::from_branch("patch", "eve")
        })
        .unwrap();
    let left = world.validate(Event::pull_request(pull)).run().await;
    left.expect(0);
    assert!(left.summary.contains("fork"), "{}", left.summary);
    assert!(!asked_for_a_token(&world));
}

#[tokio::test]
async fn a_merge_queue_gets_the_offline_part_and_no_token() {
    let world = StageWorld::new().await;
    let number = world.pull_request();
    let left = world.validate(Event::MergeGroup { number }).run().await;
    left.expect(0);
    assert!(
        left.summary.contains("gh-readonly-queue") && left.summary.contains("No plan was made"),
        "{}",
        left.summary
    );
    assert!(!asked_for_a_token(&world));
    assert_eq!(world.github.comments(number), []);
    world.edit("databricks.yml", "targets:", "targets: {}\nnonsense:");
    let left = world.validate(Event::MergeGroup { number }).run().await;
    assert_ne!(left.code, 0, "what is wrong without a workspace stops the queue: {}", left.stdout);
}

#[tokio::test]
async fn pull_request_target_gets_no_token() {
    let world = StageWorld::new().await;
    let pull = world
        .github
        .open_pull_request(PullRequest {
            fork: Some("eve/tiny".to_owned()),
            ..PullRequest::from_branch("patch", "eve")
        })
        .unwrap();
    let _ = world.validate(Event::pull_request_target(pull)).run().await;
    assert!(!asked_for_a_token(&world));
    let own = world.pull_request();
    let _ = world.validate(Event::pull_request_target(own)).run().await;
    assert!(!asked_for_a_token(&world));
}

#[tokio::test]
async fn another_host_in_the_bundle_is_refused_before_any_token() {
    let world = StageWorld::new().await;
    let url = world.workspace().url().to_owned();
    world.edit("databricks.yml", &url, "https://dbc-evil.example.com");
    let pull = world.pull_request();
    let left = world.validate(Event::pull_request(pull)).run().await;
    refused(&left, 3, "host-not-allowed");
    let left = world.deploy().run().await;
    refused(&left, 3, "host-not-allowed");
    assert!(!asked_for_a_token(&world));
}

#[tokio::test]
async fn a_failing_smoke_run_takes_everything_back() {
    let world = StageWorld::new().await;
    world.deployed().await;
    let before = settled(world.workspace());
    world.edit("databricks.yml", "description: Trains", "description: Trains badly");
    world.push();
    let error = "ValueError: no customers".to_owned();
    world.workspace().script("train", "*", Outcome::Failed { error });
    let step = world.deploy();
    let left = step.run().await;
    refused(&left, 3, "smoke-failed");
    assert!(left.stdout.contains("task `train` FAILED"), "{}", left.stdout);
    step.settle().await.expect(0);
    same(&before, &settled(world.workspace()));
}

#[tokio::test]
async fn a_failing_first_deployment_leaves_nothing_behind() {
    let world = StageWorld::new().await;
    let error = "ValueError: no customers".to_owned();
    world.workspace().script("train", "*", Outcome::Failed { error });
    let step = world.deploy();
    refused(&step.run().await, 3, "smoke-failed");
    step.settle().await.expect(0);
    assert!(table(world.workspace(), "jobs").is_empty());
    assert!(!world.workspace().settled().to_string().contains("dev.scores"));
}

#[tokio::test]
async fn cancelled_by_a_signal_it_takes_back_what_it_made() {
    let world = StageWorld::new().await;
    world.workspace().fail(Rule::on("POST", "/api/2.2/jobs/create", Fault::DelayAfter { millis: 500 }));
    let step = world.deploy();
    let child = step.spawn();
    let id = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    world.workspace().faults().delaying().await;
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let left = step.left(child).await;
    refused(&left, 130, "cancelled");
    step.settle().await.expect(0);
    assert!(table(world.workspace(), "jobs").is_empty());
    assert!(!world.workspace().settled().to_string().contains("deploy.lock"));
}

#[tokio::test]
async fn what_was_deleted_behind_our_back_is_made_again() {
    let world = StageWorld::new().await;
    world.deployed().await;
    let before = settled(world.workspace());
    let id = job_id(world.workspace());
    as_somebody(world.workspace(), reqwest::Method::POST, "/api/2.2/jobs/delete", json!({"job_id": id})).await;
    let left = world.deployed().await;
    assert_eq!(left.output("outcome"), "succeeded");
    assert_ne!(job_id(world.workspace()), id);
    same(&before, &settled(world.workspace()));
}

/// Of every target, and before anybody is asked anything: what it refers to is there.
#[tokio::test]
async fn a_reference_to_no_resource_is_found_in_every_target() {
    let world = StageWorld::with_tiers().await;
    let broken = "  staging:\n    resources: {jobs: {train: {max_concurrent_runs: 1, tags: {on: '${resources.jobs.nobody.id}'}}}}\n";
    world.edit("databricks.yml", "  staging:\n", broken);
    let pull = world.pull_request();
    let left = world.validate(Event::pull_request(pull)).run().await;
    refused(&left, 2, "invalid-bundle");
    assert!(left.stdout.contains("no such node \"resources.jobs.nobody\""), "{}", left.stdout);
}

/// Whoever approves a plan approves the code that goes with it.
#[tokio::test]
async fn the_digest_of_a_plan_is_that_of_its_files_too() {
    let world = StageWorld::new().await;
    world.deployed().await;
    let mut digests = Vec::new();
    for print in ["better", "better", "worse"] {
        world.write("src/train.py", &format!("# Databricks notebook source\nprint('{print}')\n"));
        let pull = world.pull_request();
        let left = world.validate(Event::pull_request(pull)).run().await;
        digests.push(left.expect(0).output("plan-digest").to_owned());
    }
    assert!(digests[0].starts_with("sha256:") && digests[0] == digests[1] && digests[1] != digests[2], "{digests:?}");
}

#[tokio::test]
async fn a_mistake_in_a_jobs_variable_does_not_repeat_the_value() {
    let world = StageWorld::new().await;
    world.edit("databricks.yml", "bundle:\n", "variables: {given: {description: A secret of the job}}\nbundle:\n");
    world.edit("databricks.yml", "      name: train\n", "      name: train\n      max_concurrent_runs: ${var.given}\n");
    let pull = world.pull_request();
    let left = world.validate(Event::pull_request(pull)).with("BUNDLE_VAR_given", "hunter2secret").run().await;
    let told = format!("{}{}{}", left.stdout, left.summary, left.journal);
    assert!(told.contains("cannot parse \"…\" as an integer") && !told.contains("hunter2"), "{told}");
}

/// mlops-deploy.yml comes with the branch: whoever wrote it does not get a token of another workspace.
#[tokio::test]
async fn on_a_laptop_a_token_goes_to_its_own_host_alone() {
    let world = StageWorld::new().await;
    let with_host = async |host: &str| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mlops-deploy"));
        command.arg("validate").current_dir(world.path(".")).env_clear().env("PATH", "/usr/bin:/bin");
        command
            .env("DATABRICKS_TOKEN", "dapi-mine")
            .env("DATABRICKS_HOST", host)
            .env("RUNNER_TEMP", world.path("../laptop"));
        String::from_utf8(command.output().await.unwrap().stderr).unwrap()
    };
    let said = with_host("https://dbc-mine.cloud.databricks.com").await;
    assert!(
        said.contains("host-not-allowed") && said.contains("DATABRICKS_TOKEN is that of DATABRICKS_HOST"),
        "{said}"
    );
    assert!(world.workspace().requests().is_empty() && !said.contains("dapi-mine"), "{said}");
    let said = with_host(&format!("{}/", world.workspace().url())).await;
    assert!(!said.contains("host-not-allowed") && !world.workspace().requests().is_empty(), "{said}");
}
