//! What fails in the middle of a deployment and stays so: the disk, the network, the time, the
//! token. Once it is over, the next run gets there.

use std::fs;

use mlops_deploy::rehearsal::front::{Fault, Rule};

use crate::stage_world::{Left, StageWorld, Step, doubled, settled, table};

const CREATE: &str = "/api/2.2/jobs/create";

fn ended(left: &Left, reason: &str) {
    assert_eq!(left.output("failure-reason"), reason, "{}", left.stdout);
    left.expect(4);
    assert!(left.stdout.contains("create jobs.train"), "it came that far\n{}", left.stdout);
}

fn nothing_is_left(world: &StageWorld) {
    assert!(table(world.workspace(), "jobs").is_empty());
    assert!(table(world.workspace(), "schemas").values().all(|schema| schema["name"] != "scores"));
    assert!(!settled(world.workspace()).to_string().contains("deploy.lock"));
}

/// The outage is over: the post step runs, and after it the next run.
async fn gets_there(world: &StageWorld, step: &Step) {
    world.workspace().faults().clear();
    step.settle().await.expect(0);
    assert!(!settled(world.workspace()).to_string().contains("deploy.lock"), "the post step gives the lock back");
    world.deployed().await;
    assert_eq!(doubled(world.workspace()), None);
    assert_eq!(table(world.workspace(), "jobs").len(), 1);
    assert_eq!(world.deployed().await.output("outcome"), "unchanged");
}

/// Everything that the workspace is asked fails from the first request after the job is made.
async fn from_the_job_on(fault: Fault) -> (StageWorld, Step, Left) {
    let world = StageWorld::new().await;
    let step = world.deploy();
    world.workspace().fail(Rule::on("POST", CREATE, Fault::DelayAfter { millis: 300 }));
    let child = step.spawn();
    world.workspace().faults().delaying().await;
    world.workspace().fail(Rule::on("*", "/api/*", fault).always());
    let left = step.left(child).await;
    (world, step, left)
}

#[tokio::test]
async fn the_disk_fills_up() {
    let reference = StageWorld::new().await;
    let step = reference.deploy();
    step.run().await.expect(0);
    let files = fs::read_dir(step.folder()).unwrap().map(|file| file.unwrap().metadata().unwrap());
    let longest = files.filter(fs::Metadata::is_file).map(|file| file.len()).max();
    let world = StageWorld::new().await;
    let step = world.deploy();
    // Its last lines find no place.
    let left = step.left(step.spawn_on_small_disk((longest.unwrap() - 600) / 512)).await;
    ended(&left, "disk-error");
    nothing_is_left(&world);
    gets_there(&world, &step).await;
}

#[tokio::test]
async fn the_network_dies() {
    let (world, step, left) = from_the_job_on(Fault::Reset).await;
    ended(&left, "workspace-unreachable");
    assert_eq!(left.output("outcome"), "incomplete");
    gets_there(&world, &step).await;
}

#[tokio::test]
async fn the_token_is_revoked() {
    let (world, step, left) = from_the_job_on(Fault::status(401)).await;
    ended(&left, "unauthorized");
    assert_eq!(left.output("outcome"), "incomplete");
    gets_there(&world, &step).await;
}

#[tokio::test]
async fn the_time_is_up() {
    let world = StageWorld::new().await;
    world.workspace().fail(Rule::on("POST", CREATE, Fault::DelayAfter { millis: 4_000 }));
    let step = world.deploy().with("INPUT_DEADLINE", "3s");
    let left = step.run().await;
    ended(&left, "deadline-exceeded");
    nothing_is_left(&world);
    gets_there(&world, &step).await;
}
