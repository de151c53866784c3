//! Stories of a promotion whose runner dies on the way to all of the traffic: the next run that means the same goes on from
//! there, any other takes it back, and whatever goes wrong then, prod is as it was before the first of them.

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::github::Conclusion;
use mlops_deploy::rehearsal::workspace::Seen;
use reqwest::Method;
use serde_json::{Value, json};

use crate::promotion::{Scene, TARGET, ask};
use crate::stage_world::tiers::PROD_DEPLOYER;
use crate::stage_world::{At, Left, Step, delete_lock, difference, settled};

/// How the candidate fares is asked once at each step: the bake has no length.
const METRICS: &str = "*/serving-endpoints/churn/metrics";
const CANDIDATE: &str = "*/served-models/churn-v2/invocations";

const CONFIG: &str = "\
ENVIRONMENTS-OF-ALL-TIERS
models:
  churn:
    serve:
      endpoint: churn
      traffic: [10, 50, 100]
      bake: 0s
      on_few_requests: go-on
";

/// The first version serves all; the second, with another release, is ready to follow it.
async fn second_of_two() -> (Scene, Value) {
    let mut scene = Scene::configured(CONFIG).await;
    scene.tested("{\"weights\": 1}").await;
    scene.promote().await.expect(0);
    scene.released_anew().await;
    scene.tested("{\"weights\": 2}").await;
    let before = standing(&scene);
    scene.world.prod().forget_requests();
    (scene, before)
}

/// What there is in prod, but for a number that counts its updates.
fn standing(scene: &Scene) -> Value {
    let mut dump = settled(scene.world.prod());
    for store in dump.as_object_mut().unwrap().values_mut() {
        for endpoint in store["tables"]["serving_endpoints"].as_object_mut().into_iter().flatten() {
            endpoint.1["config"].as_object_mut().unwrap().remove("config_version");
        }
    }
    dump
}

/// The runner dies with its disk while it waits for the answer to this request.
async fn dies_at(scene: &Scene, method: &str, path: &str, after: u32) -> Step {
    let step = killed_at(scene, method, path, after).await;
    step.job.finish(Conclusion::Failure);
    step
}

/// The program alone.
async fn killed_at(scene: &Scene, method: &str, path: &str, after: u32) -> Step {
    let at = scene.world.prod();
    at.fail(Rule::on(method, path, Fault::DelayAfter { millis: 3_600_000 }).skip(after));
    let step = scene.promotion();
    let mut child = step.spawn();
    at.faults().delaying().await;
    child.kill().await.unwrap();
    at.faults().clear();
    step
}

async fn run(scene: &Scene) -> Left {
    let step = scene.promotion().with("INPUT_LOCK-TIMEOUT", "0s");
    let left = step.run().await;
    step.settle().await.expect(0);
    left
}

/// Somebody has looked after the dead run's lock, and runs the job again.
async fn next(scene: &Scene) -> Left {
    let held = run(scene).await;
    assert_eq!(held.output("failure-reason"), "lock-held", "{}", held.stdout);
    delete_lock(&scene.world, At::Prod).await;
    scene.world.prod().forget_requests();
    run(scene).await
}

/// What was sent since: how the traffic was to be shared out, by update of the endpoint.
fn shares(scene: &Scene) -> Vec<Vec<u64>> {
    let share = |route: &Value| route["traffic_percentage"].as_u64().unwrap();
    let puts = writes(scene, "/serving-endpoints/churn/config");
    puts.iter().map(|r| r.body["traffic_config"]["routes"].as_array().unwrap().iter().map(share).collect()).collect()
}

fn writes(scene: &Scene, part: &str) -> Vec<Seen> {
    scene.world.prod().requests().into_iter().filter(|r| r.is_write() && r.path.contains(part)).collect()
}

fn bakes(scene: &Scene) -> usize {
    scene.world.prod().requests().iter().filter(|r| r.path.ends_with("/churn/metrics")).count()
}

async fn record(scene: &Scene, sequence: u64) -> Value {
    scene.prod(&format!("/api/2.0/fs/files/Volumes/prod/ops/deployments/tiny/{sequence:08}.json")).await
}

fn page(step: &Step) -> String {
    format!("/actions/runs/{}/attempts/1", step.runner.vars["GITHUB_RUN_ID"])
}

fn same(before: &Value, after: &Value) {
    assert!(before == after, "{}", difference(before, after));
}

#[tokio::test]
async fn killed_at_half_the_traffic_it_is_carried_on_at_half() {
    let (scene, _) = second_of_two().await;
    let dead = dies_at(&scene, "GET", METRICS, 1).await;
    assert_eq!(shares(&scene), [[100, 0], [90, 10], [50, 50]]);
    let versions = writes(&scene, "model-versions").len() + writes(&scene, "models/versions").len();
    assert!(versions > 0, "the copy is made by a request that is looked for below");
    let left = next(&scene).await;
    left.expect(0);
    // Neither the candidate nor 10 % again, and half is still what it was.
    assert_eq!(shares(&scene), [[0, 100]]);
    assert_eq!(bakes(&scene), 2);
    let requests = scene.world.prod().requests();
    let at = |path: &str| requests.iter().position(|r| r.path.ends_with(path)).unwrap();
    assert!(at("/churn/metrics") < at("/churn/config"), "it is watched at half before it gets more");
    assert_eq!((writes(&scene, "/Models/").len(), writes(&scene, "versions").len()), (0, 0));
    assert_eq!(writes(&scene, "/jobs/create").len(), 0);
    assert_eq!(scene.champion().await, json!(2));
    assert_eq!(scene.served().await, json!([["churn-v2", 100]]));
    // One record of all of it: what the first run changed, and what both were answered.
    assert_eq!(record(&scene, 3).await["sequence"], Value::Null);
    let record = record(&scene, 2).await;
    assert_eq!(record["details"]["carried-on"]["step"], "50 %", "{record}");
    assert!(record["details"]["carried-on"]["runs"][0].as_str().unwrap().ends_with(&page(&dead)), "{record}");
    assert_eq!((&record["changes"]["created"], &record["changes"]["updated"]), (&json!(1), &json!(1)));
    let told = |text: &str| record["details"]["verdicts"].to_string().matches(text).count();
    assert_eq!(["at 10 %:", "at 50 %:", "at 100 %:"].map(told), [1, 1, 1], "{record:#}");
    assert!(left.summary.contains("carried on at `50 %` from a run that was interrupted"), "{}", left.summary);
    assert!(left.summary.contains(&page(&dead)), "{}", left.summary);
    assert_eq!(left.output("model-version"), format!("{TARGET}/2"));
    // And the next one finds nothing to carry on.
    scene.world.prod().forget_requests();
    assert!(!scene.promote().await.expect(0).stdout.contains("carries on"));
    assert_eq!(shares(&scene), Vec::<Vec<u64>>::new());
}

#[tokio::test]
async fn what_was_carried_on_and_then_fails_is_taken_back_to_before_the_first_run() {
    let (scene, before) = second_of_two().await;
    dies_at(&scene, "GET", METRICS, 1).await;
    // It answers at half, and no more with everything.
    scene.world.prod().fail(Rule::on("POST", CANDIDATE, Fault::status(500)).skip(1).always());
    let left = next(&scene).await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "candidate-failed", "{}", left.stdout);
    assert_eq!(left.output("outcome"), "refused");
    assert_eq!(shares(&scene), [vec![0, 100], vec![100]]);
    same(&before, &standing(&scene));
    assert!(left.summary.contains("the interrupted one that it carried on, was taken back"), "{}", left.summary);
    // Nothing of it is left to be carried on.
    scene.world.prod().faults().clear();
    scene.world.prod().forget_requests();
    scene.promote().await.expect(0);
    assert_eq!(shares(&scene), [[100, 0], [90, 10], [50, 50], [0, 100]]);
}

#[tokio::test]
async fn killed_twice_the_third_run_goes_on_from_where_the_second_died() {
    let (scene, _) = second_of_two().await;
    let first = dies_at(&scene, "GET", METRICS, 0).await;
    delete_lock(&scene.world, At::Prod).await;
    scene.world.prod().forget_requests();
    let second = dies_at(&scene, "GET", METRICS, 1).await;
    assert_eq!(shares(&scene), [[50, 50]]);
    let left = next(&scene).await;
    left.expect(0);
    assert_eq!((shares(&scene), bakes(&scene)), (vec![vec![0, 100]], 2));
    let record = record(&scene, 2).await;
    let runs = record["details"]["carried-on"]["runs"].as_array().unwrap();
    for (run, dead) in runs.iter().zip([&first, &second]) {
        assert!(run.as_str().unwrap().ends_with(&page(dead)), "{record}");
    }
    let told = |text: &str| record["details"]["verdicts"].to_string().matches(text).count();
    assert_eq!(["at 10 %:", "at 50 %:", "at 100 %:"].map(told), [1, 1, 1], "{record:#}");

    // And where the third one fails, it is as before the first.
    let (scene, before) = second_of_two().await;
    for after in [0, 1] {
        dies_at(&scene, "GET", METRICS, after).await;
        delete_lock(&scene.world, At::Prod).await;
    }
    scene.world.prod().fail(Rule::on("POST", CANDIDATE, Fault::status(500)).always());
    let left = run(&scene).await;
    assert_eq!(left.output("failure-reason"), "candidate-failed", "{}", left.stdout);
    assert_eq!(left.output("outcome"), "refused");
    same(&before, &standing(&scene));
}

/// The endpoint is what a person made of it: it is neither carried on nor overwritten.
#[tokio::test]
async fn an_endpoint_that_a_person_has_changed_since_is_not_carried_on() {
    let (scene, _) = second_of_two().await;
    dies_at(&scene, "GET", METRICS, 1).await;
    let last = writes(&scene, "/serving-endpoints/churn/config").pop().unwrap().body;
    let routes = [("churn-v1", 80), ("churn-v2", 20)]
        .map(|(name, share)| json!({"served_model_name": name, "traffic_percentage": share}));
    let config = json!({"served_entities": last["served_entities"], "traffic_config": {"routes": routes}});
    let path = "/api/2.0/serving-endpoints/churn/config";
    let (status, answer) = ask(scene.world.prod(), PROD_DEPLOYER, Method::PUT, path, config).await;
    assert_eq!(status, 200, "{answer}");
    while scene.prod("/api/2.0/serving-endpoints/churn").await["state"]["config_update"] == "IN_PROGRESS" {}
    let left = next(&scene).await;
    assert_eq!(left.output("failure-reason"), "unwind-incomplete", "{}", left.stdout);
    let why = "is taken back: endpoint `churn` serves `churn-v1` 80 %, `churn-v2` 20 %, where its journal says";
    assert!(left.stdout.contains(why), "{}", left.stdout);
    assert_eq!(shares(&scene), Vec::<Vec<u64>>::new());
    assert_eq!(left.output("outcome"), "incomplete");
    // What that person lets the version answer is answered still.
    assert_eq!(scene.served().await, json!([["churn-v1", 80], ["churn-v2", 20]]));
    assert_eq!(scene.prod(&format!("/api/2.1/unity-catalog/models/{TARGET}/versions/2")).await["status"], "READY");
    assert_eq!(scene.champion().await, json!(1));
}

#[tokio::test]
async fn another_release_takes_back_what_a_dead_run_began_and_begins_again() {
    let (mut scene, _) = second_of_two().await;
    dies_at(&scene, "GET", METRICS, 1).await;
    scene.world.write("src/train.py", "# Databricks notebook source\nprint('trains otherwise')\n");
    scene.world.push();
    scene.release = scene.world.deployed().await.output("release").to_owned();
    let champion = json!({"is": {"model": TARGET, "version": 1}});
    scene.tested_beside("{\"weights\": 3}", champion).await;
    let left = next(&scene).await;
    left.expect(0);
    assert!(left.stdout.contains("is taken back: it promoted release sha256:"), "{}", left.stdout);
    assert_eq!(shares(&scene), [vec![100], vec![100, 0], vec![90, 10], vec![50, 50], vec![0, 100]]);
    assert_eq!(scene.served().await, json!([["churn-v3", 100]]));
    let versions = scene.prod(&format!("/api/2.1/unity-catalog/models/{TARGET}/versions")).await;
    assert_eq!(versions["model_versions"].as_array().unwrap().len(), 2, "{versions}");
}

/// Nothing of that takes time: the alias goes back and forth, the traffic stays where it is.
#[tokio::test]
async fn killed_behind_the_traffic_it_watches_none_of_it_again() {
    let (scene, _) = second_of_two().await;
    dies_at(&scene, "PUT", "*/aliases/champion", 0).await;
    let left = next(&scene).await;
    left.expect(0);
    assert_eq!((shares(&scene), bakes(&scene)), (Vec::<Vec<u64>>::new(), 0));
    let moved = writes(&scene, "/aliases/champion");
    let to: Vec<&Value> = moved.iter().map(|r| &r.body["version_num"]).collect();
    assert_eq!(to, [&json!(1), &json!(2)]);
    assert_eq!(scene.champion().await, json!(2));

    let (scene, before) = second_of_two().await;
    dies_at(&scene, "PUT", "*/aliases/champion", 0).await;
    scene.world.prod().fail(Rule::on("PUT", "*/aliases/champion", Fault::status(403)).skip(1).always());
    let left = next(&scene).await;
    assert_eq!(left.output("failure-reason"), "permission-denied", "{}", left.stdout);
    scene.world.prod().faults().clear();
    same(&before, &standing(&scene));
}

/// The machine lives on and runs the post step: it takes back what this run took over, too.
#[tokio::test]
async fn killed_while_it_carries_on_the_post_step_takes_back_both() {
    let (scene, before) = second_of_two().await;
    dies_at(&scene, "GET", METRICS, 0).await;
    delete_lock(&scene.world, At::Prod).await;
    let dead = killed_at(&scene, "GET", METRICS, 1).await;
    let settled = dead.settle().await;
    settled.expect(0);
    same(&before, &standing(&scene));
    assert_eq!(scene.served().await, json!([["churn-v1", 100]]));
}
