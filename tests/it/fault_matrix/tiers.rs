//! Situations of `deploy-staging` and `promote-prod`: one bundle whose model is trained, judged, copied and served.
//!
//! The stages before the one under test are the real ones. What a training leaves is the stand-in's.

use std::collections::BTreeMap;

use futures::FutureExt;
use mlops_deploy::rehearsal::workspace::Training;
use reqwest::Method;
use serde_json::{Value, json};

use super::situation::{Part, Ready, Situation, Writes};
use crate::stage_world::trainer::{EXAMPLE, MLMODEL};
use crate::stage_world::{At, StageWorld, Step, as_user};

/// The first version of a model: there is no champion, and nothing is deployed.
pub static FIRST_TRAINING: Situation = Situation {
    name: "a first training",
    at: At::Staging,
    prepare: || first_release().boxed(),
    step: |ready| stage(ready, At::Staging).with("INPUT_BOOTSTRAP", "true"),
    part: PART,
};

/// A version that has a champion to beat, of a bundle that is changed.
pub static NEXT_TRAINING: Situation = Situation {
    name: "a training beside a champion",
    at: At::Staging,
    prepare: || second_release().boxed(),
    step: |ready| stage(ready, At::Staging),
    part: PART,
};

/// There is neither a model nor an endpoint in prod.
pub static FIRST_PROMOTION: Situation = Situation {
    name: "a first promotion",
    at: At::Prod,
    prepare: || trained(first_release()).boxed(),
    step: |ready| stage(ready, At::Prod),
    part: PART,
};

/// The endpoint and the alias move from the first version to the second; one job is changed, one deleted, and one with a
/// clock is new.
pub static NEXT_PROMOTION: Situation = Situation {
    name: "a promotion step by step",
    at: At::Prod,
    prepare: || trained(second_release()).boxed(),
    step: |ready| stage(ready, At::Prod),
    part: PART,
};

const PART: Part = Part { worlds: 3, writes: Writes::OneOfASort, reads: 31 };

fn stage(ready: &Ready, at: At) -> Step {
    let release = ready.releases.last().unwrap();
    match at {
        At::Dev => ready.world.deploy(),
        At::Staging => ready.world.deploy_staging(release),
        At::Prod => ready.world.promote(release),
    }
}

async fn succeeds(step: Step) {
    step.run().await.expect(0);
    step.settle().await.expect(0);
}

async fn first_release() -> Ready {
    let world = StageWorld::with_tiers_of(BUNDLE, CONFIG).await;
    for at in world.tiers() {
        // Whoever has asked once has a home folder.
        as_user(world.at(at), at.deployer(), Method::GET, "/api/2.0/preview/scim/v2/Me", Value::Null).await;
    }
    let pull = world.merged();
    let release = world.deployed().await.output("release").to_owned();
    teach(&world, 0.9, "1");
    Ready { world, pull, releases: vec![release] }
}

/// The first is in prod; the second has come as far as dev.
async fn second_release() -> Ready {
    let mut ready = trained(first_release()).await;
    succeeds(stage(&ready, At::Prod)).await;
    let world = &ready.world;
    // Whoever judges the next one looks at the first.
    for (kind, name, privilege) in
        [("schema", "prod.scores", "USE_SCHEMA"), ("function", "prod.scores.churn", "EXECUTE")]
    {
        let changes = json!({"changes": [{"principal": At::Staging.deployer(), "add": [privilege]}]});
        let path = format!("/api/2.1/unity-catalog/permissions/{kind}/{name}");
        as_user(world.prod(), At::Prod.deployer(), Method::PATCH, &path, changes).await;
    }
    world.edit("databricks.yml", "description: Scores", "description: Scores well");
    world.edit("databricks.yml", "    #new: ", "    ");
    world.edit("databricks.yml", OLD, "");
    world.write("src/train.py", "# Databricks notebook source\nprint('trained well')\n");
    teach(world, 0.95, "2");
    ready.pull = world.merged();
    let release = world.deployed().await.output("release").to_owned();
    ready.releases.push(release);
    ready
}

/// Staging has trained and recorded it; its model may be read from prod.
async fn trained(ready: impl Future<Output = Ready>) -> Ready {
    let ready = ready.await;
    let first = ready.releases.len() == 1;
    succeeds(stage(&ready, At::Staging).with("INPUT_BOOTSTRAP", if first { "true" } else { "false" })).await;
    for (kind, name, privilege) in [
        ("catalog", "staging", "USE_CATALOG"),
        ("schema", "staging.scores", "USE_SCHEMA"),
        ("function", "staging.scores.churn", "EXECUTE"),
        ("catalog", "prod", "USE_CATALOG"),
    ] {
        let changes = json!({"changes": [{"principal": At::Prod.deployer(), "add": [privilege]}]});
        let path = format!("/api/2.1/unity-catalog/permissions/{kind}/{name}");
        as_user(ready.world.staging(), At::Staging.deployer(), Method::PATCH, &path, changes).await;
    }
    ready
}

/// What the next training comes to.
fn teach(world: &StageWorld, auc: f64, weights: &str) {
    let files = [("MLmodel", MLMODEL), ("weights.json", weights), ("serving_input_example.json", EXAMPLE)];
    let training = Training {
        model: "staging.scores.churn".to_owned(),
        metrics: BTreeMap::from([("auc".to_owned(), json!(auc))]),
        digest: "d1".to_owned(),
        files: files.map(|(path, text)| (path.to_owned(), text.to_owned())).into(),
    };
    world.staging().trains("fit", training);
}

const CONFIG: &str = "\
ENVIRONMENTS-OF-ALL-TIERS
models:
  churn:
    train: {job: fit}
    validate: [{job: check}]
    gate:
      auc: {at_least: 0.8, not_worse_than_champion_by: 0.01}
    serve:
      endpoint: churn
      traffic: [10, 100]
      bake: 0s
      on_few_requests: go-on
";

const OLD: &str = "    old: {name: old, tags: {a: b}}\n";

/// `#new:` hides what the second release adds.
/// The two configuration files hold ports, which differ from world to world: they stay at home.
const BUNDLE: &str = "\
bundle:
  name: tiny
sync:
  exclude: ['*.yml']
variables:
  catalog: {description: Where everything lies}
targets:
  TARGETS-OF-ALL-TIERS
resources:
  SCORES-AND-CHURN
  jobs:
    #new: report: {name: report, schedule: {quartz_cron_expression: 0 0 7 * * ?, timezone_id: UTC}, tasks: [{task_key: report, notebook_task: {notebook_path: src/train.py}}]}
    old: {name: old, tags: {a: b}}
    JOB-FIT
    check:
      name: check
      parameters:
        - {name: model_version, default: ''}
      tasks:
        - task_key: check
          notebook_task: {notebook_path: src/train.py}
    score:
      name: score
      description: Scores
      schedule: {quartz_cron_expression: 0 0 6 * * ?, timezone_id: UTC}
      tasks:
        - task_key: score
          notebook_task: {notebook_path: src/train.py}
";
