//! A model that dev trains: judged there, copied to staging and tested, copied to prod and served; trained nowhere else.

use mlops_deploy::rehearsal::github::Event;
use mlops_deploy::rehearsal::workspace::Outcome;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage_world::tiers::PROD_DEPLOYER;
use crate::stage_world::trainer::{Trainer, Training};
use crate::stage_world::{DEPLOYER, Left, STAGING_DEPLOYER, StageWorld};

struct Scene(StageWorld);

impl Scene {
    async fn new() -> Self {
        let scene = Self(StageWorld::with_tiers_of(BUNDLE, CONFIG).await);
        let reaches = [("catalog", "dev", "USE_CATALOG"), ("catalog", "staging", "USE_CATALOG")];
        scene.dev().grant(STAGING_DEPLOYER, &reaches).await;
        scene.staging().grant(PROD_DEPLOYER, &[("catalog", "staging", "USE_CATALOG")]).await;
        scene.staging().grant(PROD_DEPLOYER, &[("catalog", "prod", "USE_CATALOG")]).await;
        scene
    }

    fn dev(&self) -> Trainer<'_> {
        Trainer { control: self.0.workspace(), who: DEPLOYER, model: "dev.scores.churn" }
    }

    fn staging(&self) -> Trainer<'_> {
        Trainer { control: self.0.staging(), who: STAGING_DEPLOYER, model: "staging.scores.churn" }
    }

    fn prod(&self) -> Trainer<'_> {
        Trainer { control: self.0.prod(), who: PROD_DEPLOYER, model: "prod.scores.churn" }
    }

    /// Dev deploys what is checked out and trains.
    async fn trained(&self, auc: f64) -> Left {
        let commit = self.0.github.tip("main").unwrap();
        let step = self.0.deploy().with("INPUT_BOOTSTRAP", "true");
        let training = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(auc))] };
        self.dev().trains(step, training).await
    }

    async fn may_read_dev(&self) {
        let reads = [("schema", "dev.scores", "USE_SCHEMA"), ("function", "dev.scores.churn", "EXECUTE")];
        self.dev().grant(STAGING_DEPLOYER, &reads).await;
    }

    async fn stage(&self, release: &str) -> Left {
        let step = self.0.deploy_staging(release);
        let left = step.run().await;
        step.settle().await.expect(0);
        left
    }

    /// Names of the jobs that ran in a workspace, newest first.
    async fn ran(&self, at: Trainer<'_>) -> Vec<String> {
        let runs = at.ask(Method::GET, "/api/2.2/jobs/runs/list", Value::Null).await;
        let runs = runs["runs"].as_array().cloned().unwrap_or_default();
        runs.iter().map(|run| run["run_name"].as_str().unwrap().to_owned()).collect()
    }
}

async fn weights(at: &Trainer<'_>, version: u64) -> Value {
    let folder = at.model.replace('.', "/");
    at.ask(Method::GET, &format!("/api/2.0/fs/files/Models/{folder}/{version}/model.json"), Value::Null).await
}

#[tokio::test]
async fn what_dev_trained_and_judged_is_tested_in_staging_and_serves_in_prod() {
    let scene = Scene::new().await;
    let left = scene.trained(0.9).await;
    left.expect(0);
    let release = left.output("release").to_owned();
    let (dev, staging, prod) = (scene.dev(), scene.staging(), scene.prod());
    let record = dev.record("dev", 1).await;
    assert_eq!(
        record["details"]["models"],
        json!([{"key": "churn", "model": dev.model, "version": 1, "champion": "none"}])
    );
    assert_eq!(record["details"]["gate"][0]["value"], "0.9");
    assert_eq!(dev.tags(1).await["mlops_gate"], "passed");

    scene.may_read_dev().await;
    let left = scene.stage(&release).await;
    left.expect(0);
    assert_eq!(left.output("outcome"), "succeeded");
    let record = staging.record("staging", 1).await;
    assert_eq!(
        record["details"]["models"],
        json!([{"key": "churn", "model": staging.model, "version": 1, "champion": "none"}])
    );
    let (original, tags) = (weights(&dev, 1).await, staging.tags(1).await);
    assert!(original.is_object());
    assert_eq!(weights(&staging, 1).await, original);
    let told = (&tags["mlops_gate"], &tags["source_model"], &tags["mlops_release"]);
    assert_eq!(told, (&json!("passed"), &json!(dev.model), &json!(release)));
    // Validated here; trained there alone.
    assert_eq!(scene.ran(scene.dev()).await, ["check", "fit"]);
    assert_eq!(scene.ran(scene.staging()).await, ["check"]);
    assert!(left.summary.contains("copy dev.scores.churn/1 to staging.scores.churn"), "{}", left.summary);
    // Once more: it is recorded, and nothing is copied or run again.
    let again = scene.stage(&release).await;
    assert_eq!(again.expect(0).output("outcome"), "unchanged");
    assert_eq!(staging.version(2).await, Value::Null);

    let reads = [("schema", "staging.scores", "USE_SCHEMA"), ("function", staging.model, "EXECUTE")];
    staging.grant(PROD_DEPLOYER, &reads).await;
    let step = scene.0.promote(&release);
    step.run().await.expect(0);
    step.settle().await.expect(0);
    assert_eq!(prod.aliased("champion").await, json!(1));
    assert_eq!(weights(&prod, 1).await, original);
    assert_eq!(scene.ran(scene.prod()).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_model_that_dev_refuses_reaches_nobody() {
    let scene = Scene::new().await;
    let left = scene.trained(0.7).await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "below-threshold");
    assert_eq!(scene.dev().record("dev", 1).await, Value::Null);
    assert_eq!(scene.dev().tags(1).await, json!({}));
}

#[tokio::test]
async fn what_fails_its_tests_in_staging_leaves_nothing_there() {
    let scene = Scene::new().await;
    let release = scene.trained(0.9).await.expect(0).output("release").to_owned();
    scene.may_read_dev().await;
    scene.0.staging().script("check", "*", Outcome::Failed { error: "AssertionError: it is biased".to_owned() });
    let left = scene.stage(&release).await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "validation-failed");
    assert_eq!(scene.staging().version(1).await, Value::Null);
    assert_eq!(scene.staging().record("staging", 1).await, Value::Null);
    assert_eq!(scene.dev().tags(1).await["mlops_gate"], "passed");
}

#[tokio::test]
async fn rights_that_staging_lacks_are_named_before_anything_is_written() {
    let scene = Scene::new().await;
    let release = scene.trained(0.9).await.expect(0).output("release").to_owned();
    scene.0.staging().forget_requests();
    let left = scene.stage(&release).await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "grant-missing");
    for grant in ["GRANT USE SCHEMA ON SCHEMA `dev`.`scores`", "GRANT EXECUTE ON FUNCTION `dev`.`scores`.`churn`"] {
        assert!(left.stdout.contains(grant), "{}", left.stdout);
    }
    let writes = scene.0.staging().requests().into_iter().filter(|r| r.is_write() && !r.path.starts_with("/oidc/"));
    assert_eq!(writes.count(), 0);
}

#[tokio::test]
async fn a_clock_that_runs_before_prod_is_found_with_its_line() {
    let scene = Scene::new().await;
    scene.0.edit("databricks.yml", "UTC, pause_status: PAUSED}", "UTC, pause_status: UNPAUSED}");
    let pull = scene.0.pull_request();
    let left = scene.0.validate(Event::pull_request(pull)).run().await;
    left.expect(2);
    assert_eq!(left.output("failure-reason"), "invalid-bundle");
    let written = std::fs::read_to_string(scene.0.path("databricks.yml")).unwrap();
    let line = 1 + written.lines().position(|line| line.contains("schedule:")).unwrap();
    let told = format!("databricks.yml:{line}:17: job `fit` of target `staging` runs by itself: only prod may");
    assert!(left.stdout.contains(&told), "{}", left.stdout);
}

const CONFIG: &str = "\
ENVIRONMENTS-OF-ALL-TIERS
models:
  churn:
    train: {job: fit, in: dev}
    validate:
      - job: check
    gate:
      auc: {at_least: 0.8}
    serve: {endpoint: churn, traffic: [100], bake: 1s, on_few_requests: go-on}
";

const BUNDLE: &str = "\
bundle:
  name: tiny
variables:
  catalog: {description: Where everything lies}
targets:
  TARGETS-OF-ALL-TIERS
resources:
  SCORES-AND-CHURN
  jobs:
    fit:
      name: fit
      schedule: {quartz_cron_expression: 0 0 6 * * ?, timezone_id: UTC, pause_status: PAUSED}
      parameters:
        - {name: git_sha, default: ''}
      tasks:
        - task_key: fit
          notebook_task: {notebook_path: src/train.py}
    check:
      name: check
      parameters:
        - {name: model_name, default: ''}
        - {name: model_version, default: ''}
      tasks:
        - task_key: check
          notebook_task: {notebook_path: src/train.py}
";
