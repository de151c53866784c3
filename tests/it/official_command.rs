//! The official command as the engine of a stage, and beside ours. Where there is no `databricks` on PATH, a program that
//! answers in its place tells what a stage makes of its answers; that they are the real ones' is then not checked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::stage_world::{Left, StageWorld, Step};

const OURS: &str = env!("CARGO_BIN_EXE_mlops-deploy");

/// A folder with a `databricks` that is this shell script.
fn in_its_place(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("databricks");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn real() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).find(|folder| folder.join("databricks").is_file());
    if found.is_none() {
        eprintln!("there is no `databricks` on PATH: the official command was not asked");
    }
    found
}

fn with(step: Step, folder: Option<&Path>) -> Step {
    let folder = folder.map(|folder| format!("{}:", folder.display())).unwrap_or_default();
    step.with("PATH", &format!("{folder}/usr/bin:/bin"))
}

async fn checked(world: &StageWorld, folder: Option<&Path>) -> Left {
    let step = with(world.deploy(), folder).with("INPUT_CROSS-CHECK", "true");
    let left = step.run().await;
    step.settle().await.expect(0);
    left
}

/// Whatever is written but tokens.
fn writes(world: &StageWorld) -> Vec<String> {
    let requests = world.workspace().requests().into_iter();
    let writes = requests.filter(|r| r.is_write() && !r.path.starts_with("/oidc/"));
    writes.map(|r| format!("{} {}", r.method, r.path)).collect()
}

#[tokio::test]
async fn a_plan_that_the_official_command_does_not_share_is_not_carried_out() {
    let otherwise = format!(
        "case \"$2\" in\n\
         plan) {OURS} \"$@\" | sed 's/\"action\": \"create\"/\"action\": \"update\"/' ;;\n\
         *) exec {OURS} \"$@\" ;;\n\
         esac"
    );
    let world = StageWorld::new().await;
    let other = in_its_place(&otherwise);
    let left = checked(&world, Some(other.path())).await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "engines-disagree");
    assert!(left.stdout.contains("resources.jobs.train: create here, update there"), "{}", left.stdout);
    // The command makes the folder of its artifacts whenever it plans.
    assert_eq!(writes(&world), ["POST /api/2.0/workspace/mkdirs"]);

    let same = in_its_place(&format!("exec {OURS} \"$@\""));
    let left = checked(&world, Some(same.path())).await;
    left.expect(0);
    assert_eq!(left.output("outcome"), "succeeded");
}

#[tokio::test]
async fn without_the_official_command_nothing_can_be_compared() {
    let world = StageWorld::new().await;
    let left = checked(&world, None).await;
    left.expect(4);
    assert_eq!(left.output("failure-reason"), "tool-missing");
    assert!(world.workspace().requests().is_empty(), "no token was minted");
}

#[tokio::test]
async fn the_official_command_deploys_and_ours_agrees_with_it() {
    let Some(folder) = real() else { return };
    let world = StageWorld::new().await;
    let step = with(world.deploy(), Some(&folder)).with("INPUT_ENGINE", "cli");
    let left = step.run().await;
    left.expect(0);
    step.settle().await.expect(0);
    let left = checked(&world, Some(&folder)).await;
    left.expect(0);
    for count in ["changes-created", "changes-updated", "changes-deleted", "changes-recreated"] {
        assert_eq!(left.output(count), "0", "{count}: {}", left.stdout);
    }
}
