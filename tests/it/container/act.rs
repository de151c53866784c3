//! A workflow with our action, run by a program that nobody here wrote: `act` reads action.yml, passes inputs, outputs,
//! state and the summary between steps, and calls the post step.
//!
//! The stand-ins are its GitHub and its workspace. It leaves out what `runner.rs` has: the runner's mounts and signals.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mlops_deploy::rehearsal::github::Conclusion;

use super::runner::{builds_wheels, image};
use super::{BUNDLE, Scene};

/// The checkout is one by name only: `act` copies the folder that it runs in.
const WORKFLOW: &str = r#"
name: Deploy
on: push
jobs:
  validate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v7
      - id: check
        uses: ./
        with: {stage: validate, offline: true}
      - shell: sh
        run: echo "checked=${{ steps.check.outputs.outcome }}"
  deploy-dev:
    needs: validate
    runs-on: ubuntu-latest
    environment: development
    steps:
      - uses: actions/checkout@v7
      - id: deploy
        uses: ./
        with:
          stage: deploy-dev
          lock-timeout: 0s
      - shell: sh
        run: echo "deployed=${{ steps.deploy.outputs.outcome }} created=${{ steps.deploy.outputs.changes-created }}"
"#;

/// What GitHub tells a job, and `act` takes from outside.
const GIVEN: [&str; 9] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "GITHUB_API_URL",
    "GITHUB_GRAPHQL_URL",
    "GITHUB_REPOSITORY_ID",
    "GITHUB_REPOSITORY_OWNER_ID",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_RUN_ID",
    "GITHUB_SERVER_URL",
];

fn act() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/bin/act");
    if !program.exists() {
        eprintln!("skipped: no act in .cache; `make act` puts it there where there is Go");
        return None;
    }
    Some(program)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_with_the_action_deploys_and_clears_up() {
    let (Some(act), Some(image)) = (act(), image()) else { return };
    if !builds_wheels(image) {
        eprintln!("skipped: {image} has no shell for the other steps of a job; `make act` uses the default image");
        return;
    }
    let scene = Scene::new(|checkout| {
        std::fs::write(checkout.join("databricks.yml"), BUNDLE).unwrap();
        std::fs::write(checkout.join("ask.py"), "print('fine')\n").unwrap();
        // The action as a release has it: its image is there already.
        let action = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
        let released = action.replace("image: Dockerfile", &format!("image: docker://{image}"));
        assert_ne!(action, released);
        std::fs::write(checkout.join("action.yml"), released).unwrap();
        std::fs::create_dir_all(checkout.join(".github/workflows")).unwrap();
        std::fs::write(checkout.join(".github/workflows/deploy.yml"), WORKFLOW).unwrap();
    })
    .await;
    let mut command = Command::new(act);
    command.args(["push", "--pull=false", "--no-cache-server", "--rm", "--container-daemon-socket", "-"]);
    command.args(["--actor", "ana", "--platform", &format!("ubuntu-latest={image}")]);
    command.args(["--secret", "GITHUB_TOKEN", "--eventpath", &scene.runner.vars["GITHUB_EVENT_PATH"]]);
    command.current_dir(scene.folder.path().join("workspace")).env_clear().env("HOME", scene.folder.path());
    command.env("GITHUB_TOKEN", scene.job.token());
    let given = GIVEN.map(|name| format!("{name}='{}'\n", scene.runner.vars[name])).concat();
    let file = scene.folder.path().join("given.env");
    std::fs::write(&file, given).unwrap();
    command.arg("--env-file").arg(file);
    for name in ["PATH", "DOCKER_HOST"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let log = [output.stdout, output.stderr].concat();
    let log = String::from_utf8_lossy(&log);
    assert!(output.status.success(), "{log}");
    for line in ["| checked=succeeded", "| deployed=succeeded created=2", "Summary - ## deploy-dev", "smoke_test"] {
        assert!(log.contains(line), "`{line}` is missing:\n{log}");
    }
    assert_eq!(log.matches("Success - Post ./").count(), 2, "a post step did not end well:\n{log}");
    assert!(!log.contains(scene.job.token()), "the token is in the log");
    let made = scene.control().dump().to_string();
    assert!(made.contains("\"smoke\"") && !scene.is_locked(), "{made}");
    assert_eq!(scene.deployment_state(), "\"success\"");
    scene.job.finish(Conclusion::Success);
}
