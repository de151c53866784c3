//! A model on its way through staging: trained, found, validated, judged, tagged and recorded, or refused with nothing left.

use mlops_deploy::rehearsal::github::Event;
use mlops_deploy::rehearsal::workspace::{Outcome, Seen};
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage_world::tiers::PROD_DEPLOYER;
use crate::stage_world::trainer::{Trainer, Training};
use crate::stage_world::{Left, STAGING_DEPLOYER, StageWorld, settled};

const MODEL: &str = "staging.scores.churn";

fn trainer(world: &StageWorld) -> Trainer<'_> {
    Trainer { control: world.staging(), who: STAGING_DEPLOYER, model: MODEL }
}

async fn released(world: &StageWorld) -> String {
    world.deployed().await.output("release").to_owned()
}

/// The world with version 1 of the model as champion, and the next release on its way: of another commit, with the same bundle.
async fn with_champion() -> (StageWorld, String, String) {
    let world = StageWorld::with_model().await;
    let release = released(&world).await;
    let commit = world.github.tip("main").unwrap();
    let step = world.deploy_staging(&release).with("INPUT_BOOTSTRAP", "true");
    let first = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.9))] };
    trainer(&world).trains(step, first).await.expect(0);
    trainer(&world).set_alias("champion", 1).await;
    let commit = world.push();
    let release = released(&world).await;
    (world, release, commit)
}

async fn record(world: &StageWorld, sequence: u64) -> Value {
    trainer(world).record("staging", sequence).await
}

/// Refused, and the version says nothing, the champion is who it was, the ledger has no second record.
async fn refused(world: &StageWorld, left: &Left, reason: &str) {
    left.expect(3);
    assert_eq!(left.output("failure-reason"), reason, "{}", left.stdout);
    assert_eq!(left.output("outcome"), "refused", "{}", left.stdout);
    assert_eq!(trainer(world).tags(2).await, json!({}));
    assert_eq!(trainer(world).aliased("champion").await, json!(1));
    assert_eq!(record(world, 2).await, Value::Null);
}

#[tokio::test]
async fn a_version_that_passes_is_tagged_and_recorded() {
    let (world, release, commit) = with_champion().await;
    let first = record(&world, 1).await;
    assert_eq!(first["details"]["models"], json!([{"key": "churn", "model": MODEL, "version": 1, "champion": "none"}]));
    world.staging().forget_requests();
    let better = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.93))] };
    let left = trainer(&world).trains(world.deploy_staging(&release), better).await;
    left.expect(0);
    assert_eq!(left.output("outcome"), "succeeded");
    let record = record(&world, 2).await;
    assert_eq!(record["release"], json!(release));
    let champion = json!({"is": {"model": MODEL, "version": 1}});
    assert_eq!(
        record["details"]["models"],
        json!([{"key": "churn", "model": MODEL, "version": 2, "champion": champion}])
    );
    let gate = &record["details"]["gate"][0];
    assert_eq!((&gate["metric"], &gate["value"], &gate["champion"]), (&json!("auc"), &json!("0.93"), &json!("0.9")));
    let jobs: Vec<&Value> = record["details"]["runs"].as_array().unwrap().iter().map(|run| &run["job"]).collect();
    assert_eq!(jobs, ["fit", "train"]);
    let requests = world.staging().requests();
    let started: Vec<&Value> = requests.iter().filter(|r| r.path.ends_with("/run-now")).map(|r| &r.body).collect();
    assert_eq!(started[1]["job_parameters"], json!({"model_version": "2"}));
    let tags = trainer(&world).tags(2).await;
    assert_eq!(tags["mlops_gate"], "passed");
    assert_eq!((&tags["mlops_release"], &tags["git_sha"]), (&json!(release), &json!(commit)));
    assert!(left.summary.contains("| `churn auc` | `0.93` |"), "{}", left.summary);
    // The bundle is deployed as it is, and still nobody else may train or tag meanwhile.
    let requests = world.staging().requests();
    let gives_back = |r: &Seen| r.path == "/api/2.0/workspace/delete" && r.body.to_string().contains("deploy.lock");
    assert!(requests.iter().any(gives_back));
    // Once more: it is recorded, and nothing trains again.
    world.staging().forget_requests();
    let again = world.deploy_staging(&release).run().await;
    assert_eq!(again.expect(0).output("outcome"), "unchanged");
    assert!(!world.staging().requests().iter().any(|r| r.path.ends_with("/run-now")));
}

#[tokio::test]
async fn a_worse_model_is_refused_and_leaves_nothing() {
    let (world, release, commit) = with_champion().await;
    let worse = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.88))] };
    let left = trainer(&world).trains(world.deploy_staging(&release), worse).await;
    refused(&world, &left, "worse-than-champion").await;
    assert!(left.summary.contains("| `churn auc` | `0.88` |"), "{}", left.summary);
}

/// Whoever starts the job from a branch brings that branch's mlops-deploy.yml along.
#[tokio::test]
async fn what_a_model_must_show_is_what_its_release_says() {
    let (world, release, commit) = with_champion().await;
    world.edit("mlops-deploy.yml", "{at_least: 0.8, not_worse_than_champion_by: 0.01}", "{at_least: 0.1}");
    let worse = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.88))] };
    let left = trainer(&world).trains(world.deploy_staging(&release), worse).await;
    refused(&world, &left, "worse-than-champion").await;
    assert!(left.stdout.contains("mlops-deploy.yml says something else by now"), "{}", left.stdout);
}

/// What passed beside one champion says nothing of the next: the same version is judged anew, and nothing trains again.
#[tokio::test]
async fn a_version_is_judged_anew_beside_whoever_serves_by_now() {
    let (world, second, commit) = with_champion().await;
    let good = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.93))] };
    trainer(&world).trains(world.deploy_staging(&second), good).await.expect(0);
    let commit = world.push();
    let third = released(&world).await;
    let better = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.97))] };
    trainer(&world).trains(world.deploy_staging(&third), better).await.expect(0);

    let trainings = async || {
        let runs = trainer(&world).ask(Method::GET, "/api/2.2/jobs/runs/list", Value::Null).await;
        runs["runs"].as_array().unwrap().iter().filter(|run| run["run_name"] == "fit").count()
    };
    assert_eq!(trainings().await, 3);
    trainer(&world).set_alias("champion", 2).await;
    let step = world.deploy_staging(&third);
    assert_eq!(step.run().await.expect(0).output("outcome"), "succeeded");
    step.settle().await.expect(0);
    let compared = record(&world, 4).await["details"]["models"][0]["champion"].clone();
    assert_eq!(compared, json!({"is": {"model": MODEL, "version": 2}}));
    assert_eq!(trainer(&world).tags(3).await["mlops_gate"], "passed");

    trainer(&world).set_alias("champion", 3).await;
    let step = world.deploy_staging(&second).with("INPUT_ALLOW-OLDER", "true");
    let left = step.run().await;
    step.settle().await.expect(0);
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "worse-than-champion", "{}", left.stdout);
    let tags = trainer(&world).tags(2).await;
    assert_eq!((&tags["mlops_gate"], &tags["mlops_release"]), (&Value::Null, &json!(second)));
    assert_eq!(trainings().await, 3);
}

/// A job that is not told which version it is to test would find some version, and nobody would notice.
#[tokio::test]
async fn a_validation_that_cannot_know_its_version_is_refused_on_its_line() {
    let world = StageWorld::with_model().await;
    world.edit("databricks.yml", "      parameters: [{name: model_version, default: ''}]\n", "");
    let pull = world.pull_request();
    let left = world.validate(Event::pull_request(pull)).run().await;
    left.expect(2);
    assert_eq!(left.output("failure-reason"), "invalid-bundle");
    let written = std::fs::read_to_string(world.path("databricks.yml")).unwrap();
    let line = 2 + written.lines().position(|line| line == "    train:").unwrap();
    assert!(left.stdout.contains(&format!("file=databricks.yml,line={line},")), "{}", left.stdout);
    assert!(left.stdout.contains("declares no parameter `model_version`"), "{}", left.stdout);
}

/// Where a champion may be hidden, that none is seen proves nothing, and `bootstrap` is no way around it.
#[tokio::test]
async fn a_champion_that_may_not_be_seen_is_no_champion_that_is_not_there() {
    let world = StageWorld::with_tiers_of(BESIDE_PROD, JUDGED_BESIDE_PROD).await;
    let prod = Trainer { control: world.prod(), who: PROD_DEPLOYER, model: "prod.scores.churn" };
    let made = |path: &str| format!("/api/2.1/unity-catalog/{path}");
    prod.ask(Method::POST, &made("schemas"), json!({"name": "scores", "catalog_name": "prod"})).await;
    let model = json!({"name": "churn", "catalog_name": "prod", "schema_name": "scores"});
    prod.ask(Method::POST, &made("models"), model).await;
    let release = released(&world).await;
    let refused = async |grant: &str| {
        let step = world.deploy_staging(&release).with("INPUT_BOOTSTRAP", "true");
        let left = step.run().await;
        step.settle().await.expect(0);
        left.expect(3);
        assert_eq!(left.output("failure-reason"), "grant-missing", "{}", left.stdout);
        assert!(left.stdout.contains(grant), "{}", left.stdout);
        assert!(!world.staging().requests().iter().any(|r| r.path.ends_with("/run-now")));
    };
    refused("GRANT USE SCHEMA ON SCHEMA `prod`.`scores`").await;
    prod.grant(STAGING_DEPLOYER, &[("schema", "prod.scores", "USE_SCHEMA")]).await;
    refused("GRANT EXECUTE ON FUNCTION `prod`.`scores`.`churn`").await;
    // Whoever may not use the catalog is not even told that there is a model.
    let takes = json!({"changes": [{"principal": STAGING_DEPLOYER, "remove": ["USE_CATALOG"]}]});
    prod.ask(Method::PATCH, &made("permissions/catalog/prod"), takes).await;
    refused("GRANT USE CATALOG ON CATALOG `prod`").await;

    prod.grant(STAGING_DEPLOYER, &[("catalog", "prod", "USE_CATALOG")]).await;
    prod.grant(STAGING_DEPLOYER, &[("function", "prod.scores.churn", "EXECUTE")]).await;
    let commit = world.github.tip("main").unwrap();
    let step = world.deploy_staging(&release).with("INPUT_BOOTSTRAP", "true");
    let first = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.9))] };
    trainer(&world).trains(step, first).await.expect(0);
}

/// Training measures on what it has seen; the validation job has the word that counts, and logs it on the run.
#[tokio::test]
async fn what_the_validation_measured_counts_and_not_what_training_said_of_itself() {
    let (world, release, commit) = with_champion().await;
    let proud = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.97))] };
    let step = world.deploy_staging(&release);
    let left = trainer(&world).trains_and_validates(step, proud, &[("auc", json!(0.85))]).await;
    refused(&world, &left, "worse-than-champion").await;
    assert!(left.summary.contains("| `churn auc` | `0.85` |"), "{}", left.summary);
}

/// What a training made is the user's: its version stays, and so does what holds it. The next release goes on from there.
#[tokio::test]
async fn a_first_version_that_is_refused_stays_and_so_does_its_model() {
    let world = StageWorld::with_model().await;
    let release = released(&world).await;
    let commit = world.github.tip("main").unwrap();
    let step = world.deploy_staging(&release).with("INPUT_BOOTSTRAP", "true");
    let poor = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.5))] };
    let left = trainer(&world).trains(step, poor).await;
    left.expect(3);
    assert_eq!((left.output("failure-reason"), left.output("outcome")), ("below-threshold", "refused"));
    assert!(left.summary.contains("but for `registered_models.churn`, `schemas.scores`"), "{}", left.summary);
    assert_eq!(trainer(&world).tags(1).await, json!({}));
    let commit = world.push();
    let release = released(&world).await;
    let step = world.deploy_staging(&release).with("INPUT_BOOTSTRAP", "true");
    let good = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.9))] };
    trainer(&world).trains(step, good).await.expect(0);
    assert_eq!(record(&world, 1).await["details"]["models"][0]["version"], 2);
}

#[tokio::test]
async fn what_proves_nothing_is_refused() {
    for (dataset, metric, value, reason) in [
        ("d1", "f1", json!(0.95), "metric-missing"),
        ("d1", "auc", json!("NaN"), "metric-not-a-number"),
        ("d2", "auc", json!(0.95), "other-dataset"),
    ] {
        let (world, release, commit) = with_champion().await;
        let training = Training { commit: &commit, dataset, metrics: &[(metric, value)] };
        let left = trainer(&world).trains(world.deploy_staging(&release), training).await;
        refused(&world, &left, reason).await;
    }
}

#[tokio::test]
async fn a_version_of_another_commit_is_refused() {
    let (world, release, commit) = with_champion().await;
    let other = commit.chars().rev().collect::<String>();
    let training = Training { commit: &other, dataset: "d1", metrics: &[("auc", json!(0.95))] };
    let left = trainer(&world).trains(world.deploy_staging(&release), training).await;
    refused(&world, &left, "other-commit").await;
}

#[tokio::test]
async fn a_failed_validation_is_refused_before_the_gate() {
    let (world, release, commit) = with_champion().await;
    world.staging().script("train", "*", Outcome::Failed { error: "AssertionError: it is biased".to_owned() });
    let training = Training { commit: &commit, dataset: "d1", metrics: &[("auc", json!(0.95))] };
    let left = trainer(&world).trains(world.deploy_staging(&release), training).await;
    refused(&world, &left, "validation-failed").await;
    assert!(!left.summary.contains("churn auc"), "{}", left.summary);
}

/// Asked before anything trains: hours of compute would prove nothing.
#[tokio::test]
async fn a_first_model_needs_to_be_meant() {
    let world = StageWorld::with_model().await;
    let release = released(&world).await;
    let step = world.deploy_staging(&release);
    let left = step.run().await;
    step.settle().await.expect(0);
    left.expect(3);
    assert_eq!((left.output("failure-reason"), left.output("outcome")), ("bootstrap-needed", "refused"));
    assert!(left.stdout.contains("`bootstrap: true`"), "{}", left.stdout);
    assert!(!world.staging().requests().iter().any(|r| r.path.ends_with("/run-now")));
    let left_behind = settled(world.staging()).to_string();
    // Dev's own lies in the same metastore.
    assert!(!left_behind.contains("staging.scores") && !left_behind.contains("train.py"), "{left_behind}");
    assert_eq!(record(&world, 1).await, Value::Null);
}

const JUDGED_BESIDE_PROD: &str = "\
ENVIRONMENTS-OF-ALL-TIERS
models:
  churn:
    train: {job: fit}
    gate:
      auc: {at_least: 0.8}
";

const BESIDE_PROD: &str = "\
bundle:
  name: tiny
variables:
  catalog: {description: Where everything lies}
targets:
  TARGETS-OF-ALL-TIERS
resources:
  SCORES-AND-CHURN
  jobs:
    JOB-FIT
";
