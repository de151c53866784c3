//! One registered model for all environments: a promotion copies nothing and moves its alias, after the same tests.

use mlops_deploy::rehearsal::workspace::Answer;
use serde_json::{Value, json};

use crate::stage_world::tiers::PROD_DEPLOYER;
use crate::stage_world::trainer::{Trainer, Training};
use crate::stage_world::{DEPLOYER, Left, STAGING_DEPLOYER, StageWorld};

/// Staging's bundle makes it; dev and prod only use it.
const MODEL: &str = "staging.scores.churn";

struct Scene {
    world: StageWorld,
    release: String,
}

impl Scene {
    /// Staging has trained and tested version 1 of the model.
    async fn tested() -> Self {
        let world = StageWorld::with_tiers_of(&bundle("staging"), CONFIG).await;
        let release = world.deployed().await.output("release").to_owned();
        let scene = Self { world, release };
        scene.train().await.expect(0);
        let rights = [
            ("catalog", "staging", "USE_CATALOG"),
            ("schema", "staging.scores", "USE_SCHEMA"),
            ("function", MODEL, "EXECUTE"),
            ("catalog", "prod", "USE_CATALOG"),
        ];
        scene.staging().grant(PROD_DEPLOYER, &rights).await;
        scene
    }

    async fn train(&self) -> Left {
        let commit = self.world.github.tip("main").unwrap();
        let step = self.world.deploy_staging(&self.release).with("INPUT_BOOTSTRAP", "true");
        let training = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.9))] };
        self.staging().trains(step, training).await
    }

    fn staging(&self) -> Trainer<'_> {
        Trainer { control: self.world.staging(), who: STAGING_DEPLOYER, model: MODEL }
    }

    fn prod(&self) -> Trainer<'_> {
        Trainer { control: self.world.prod(), who: PROD_DEPLOYER, model: MODEL }
    }

    async fn promote(&self) -> Left {
        self.world.prod().forget_requests();
        let step = self.world.promote(&self.release);
        let left = step.run().await;
        step.settle().await.expect(0);
        left
    }

    async fn may_move_the_alias(&self) {
        self.staging().grant(PROD_DEPLOYER, &[("function", MODEL, "MANAGE")]).await;
    }

    async fn served(&self) -> Value {
        let endpoint = self.prod().ask(reqwest::Method::GET, "/api/2.0/serving-endpoints/churn", Value::Null).await;
        let routes = endpoint["config"]["traffic_config"]["routes"].as_array().cloned().unwrap_or_default();
        routes.iter().filter(|r| r["traffic_percentage"] == 100).map(|r| r["served_model_name"].clone()).collect()
    }
}

#[tokio::test]
async fn the_alias_moves_and_nothing_is_copied() {
    let scene = Scene::tested().await;
    scene.may_move_the_alias().await;
    let left = scene.promote().await;
    left.expect(0);
    assert_eq!(left.output("outcome"), "succeeded");
    assert_eq!(scene.prod().aliased("champion").await, json!(1));
    assert_eq!(scene.served().await, json!(["churn-v1"]));
    assert_eq!(scene.prod().version(2).await, Value::Null);
    let moved =
        |path: &str| path.contains("/models/versions") || path.contains("/fs/files/Models") || path.contains("-url");
    let requests = scene.world.prod().requests();
    let writes: Vec<_> = requests.iter().filter(|r| r.is_write() && moved(&r.path)).collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert!(left.summary.contains(&format!("Moved `champion` of `{MODEL}` to version 1")), "{}", left.summary);
    assert!(left.summary.contains("its alias moves, and nothing is copied"), "{}", left.summary);
}

#[tokio::test]
async fn a_candidate_that_answers_badly_leaves_alias_and_endpoint_where_they_were() {
    let mut scene = Scene::tested().await;
    scene.may_move_the_alias().await;
    scene.promote().await.expect(0);
    scene.world.push();
    scene.release = scene.world.deployed().await.output("release").to_owned();
    scene.train().await.expect(0);
    scene.world.prod().answers(MODEL, 2, Answer::Statuses { statuses: vec![500] });
    let left = scene.promote().await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "candidate-failed");
    assert_eq!(scene.prod().aliased("champion").await, json!(1));
    assert_eq!(scene.served().await, json!(["churn-v1"]));
    assert!(scene.prod().version(2).await.is_object(), "what staging tested is not prod's to delete");
}

#[tokio::test]
async fn whoever_may_not_move_the_alias_is_told_so_before_anything_is_written() {
    let scene = Scene::tested().await;
    // All privileges are all but the one that counts here.
    scene.staging().grant(PROD_DEPLOYER, &[("function", MODEL, "ALL_PRIVILEGES")]).await;
    let left = scene.promote().await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "grant-missing");
    assert!(
        left.stdout.contains(&format!("does not own {MODEL}, and only an owner moves an alias")),
        "{}",
        left.stdout
    );
    // What only a copy needs is not asked for.
    assert!(!left.stdout.contains("CREATE MODEL VERSION"), "{}", left.stdout);
    let requests = scene.world.prod().requests();
    assert_eq!(requests.iter().filter(|r| r.is_write() && !r.path.starts_with("/oidc/")).count(), 0);
}

#[tokio::test]
async fn a_bundle_that_makes_another_model_is_refused() {
    let scene = Scene::tested().await;
    let own = "  prod:\n    resources: {registered_models: {churn: {name: churn, catalog_name: prod, schema_name: default}}}\n";
    scene.world.edit("databricks.yml", "  prod:\n", own);
    scene.world.push();
    let release = scene.world.deployed().await.output("release").to_owned();
    let scene = Scene { release, ..scene };
    scene.train().await.expect(0);
    let left = scene.promote().await;
    left.expect(2);
    assert_eq!(left.output("failure-reason"), "unknown-model");
    assert!(
        left.stdout.contains("`models.churn.name` says staging.scores.churn, and the bundle makes prod.default.churn"),
        "{}",
        left.stdout
    );
}

/// Trained by dev, tested by staging, served by prod: one version all the way.
#[tokio::test]
async fn one_version_goes_all_the_way_where_dev_trains_it() {
    let model = "dev.scores.churn";
    let config = CONFIG.replace("in: staging", "in: dev").replace(MODEL, model);
    let world = StageWorld::with_tiers_of(&bundle("dev"), &config).await;
    let commit = world.github.tip("main").unwrap();
    let dev = Trainer { control: world.workspace(), who: DEPLOYER, model };
    let training = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.9))] };
    let left = dev.trains(world.deploy().with("INPUT_BOOTSTRAP", "true"), training).await;
    let release = left.expect(0).output("release").to_owned();
    for who in [STAGING_DEPLOYER, PROD_DEPLOYER] {
        let reads = [("catalog", "dev", "USE_CATALOG"), ("schema", "dev.scores", "USE_SCHEMA")];
        dev.grant(who, &reads).await;
        dev.grant(who, &[("function", model, "EXECUTE")]).await;
    }
    dev.grant(PROD_DEPLOYER, &[("function", model, "MANAGE"), ("catalog", "prod", "USE_CATALOG")]).await;
    let step = world.deploy_staging(&release);
    step.run().await.expect(0);
    step.settle().await.expect(0);
    let staging = Trainer { control: world.staging(), who: STAGING_DEPLOYER, model };
    let record = staging.record("staging", 1).await;
    assert_eq!(
        record["details"]["models"],
        json!([{"key": "churn", "model": model, "version": 1, "champion": "none"}])
    );
    let step = world.promote(&release);
    step.run().await.expect(0);
    step.settle().await.expect(0);
    assert_eq!(dev.aliased("champion").await, json!(1));
    assert_eq!(dev.version(2).await, Value::Null);
}

/// The target `maker` makes the schema and the model; the others only have the jobs.
fn bundle(maker: &str) -> String {
    let here = format!("  {maker}:\n");
    let makes = format!(
        "{here}    resources:\n      schemas: {{scores: {{name: scores, catalog_name: {maker}}}}}\n      \
         registered_models: {{churn: {{name: churn, catalog_name: {maker}, schema_name: \
         '${{resources.schemas.scores.name}}'}}}}\n"
    );
    BUNDLE.replacen(&here, &makes, 1)
}

const CONFIG: &str = "\
ENVIRONMENTS-OF-ALL-TIERS
models:
  churn:
    name: staging.scores.churn
    train: {job: fit, in: staging}
    gate:
      auc: {at_least: 0.8}
    serve: {endpoint: churn, traffic: [100], bake: 1s, on_few_requests: go-on}
";

const BUNDLE: &str = "\
bundle:
  name: tiny
targets:
  dev:
    default: true
    workspace:
      host: HOST
      root_path: /Workspace/Users/DEPLOYER/.bundle/${bundle.name}/${bundle.target}
  staging:
    workspace:
      host: STAGING-HOST
      root_path: /Workspace/Users/STAGING-DEPLOYER/.bundle/${bundle.name}/${bundle.target}
  prod:
    workspace:
      host: PROD-HOST
      root_path: /Workspace/Users/PROD-DEPLOYER/.bundle/${bundle.name}/${bundle.target}
resources:
  jobs:
    JOB-FIT
";
