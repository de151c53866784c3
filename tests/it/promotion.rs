//! Stories of `promote-prod`: the version that staging tested becomes the one that serves, and whatever goes wrong,
//! prod is as it was.

use mlops_deploy::domain::ReleaseId;
use mlops_deploy::domain::ledger::{By, Record, VERSION};
use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::github::Event;
use mlops_deploy::rehearsal::workspace::{Answer, Control, Seen};
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage_world::tiers::{PROD_DEPLOYER, STAGING_DEPLOYER};
use crate::stage_world::trainer::{EXAMPLE, MLMODEL};
use crate::stage_world::{Left, StageWorld, Step, table};

pub const SOURCE: &str = "staging.models.churn";
pub const TARGET: &str = "prod.models.churn";

pub async fn ask(at: &Control, who: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let token = at.token_for(who).unwrap();
    let request = reqwest::Client::new().request(method, format!("{}{path}", at.url())).bearer_auth(token);
    let reply = if body.is_null() { request.send().await } else { request.json(&body).send().await };
    let reply = reply.unwrap();
    (reply.status().as_u16(), reply.json().await.unwrap_or_default())
}

pub struct Scene {
    pub world: StageWorld,
    pub release: String,
}

impl Scene {
    /// Dev has deployed a release; staging has a model with a schema, and prod may read it.
    pub async fn new() -> Self {
        Self::configured(CONFIG).await
    }

    /// With a configuration of its own.
    pub async fn configured(config: &str) -> Self {
        let world = StageWorld::with_tiers_of(BUNDLE, config).await;
        let left = world.deployed().await;
        let scene = Self { release: left.output("release").to_owned(), world };
        scene.staging(Method::POST, "schemas", json!({"name": "models", "catalog_name": "staging"})).await;
        let model = json!({"name": "churn", "catalog_name": "staging", "schema_name": "models"});
        scene.staging(Method::POST, "models", model).await;
        for (kind, name, privilege) in [
            ("catalog", "staging", "USE_CATALOG"),
            ("schema", "staging.models", "USE_SCHEMA"),
            ("function", SOURCE, "EXECUTE"),
            ("catalog", "prod", "USE_CATALOG"),
        ] {
            let changes = json!({"changes": [{"principal": PROD_DEPLOYER, "add": [privilege]}]});
            scene.staging(Method::PATCH, &format!("permissions/{kind}/{name}"), changes).await;
        }
        scene
    }

    async fn staging(&self, method: Method, path: &str, body: Value) -> Value {
        let path = format!("/api/2.1/unity-catalog/{path}");
        let (status, answer) = ask(self.world.staging(), STAGING_DEPLOYER, method, &path, body).await;
        assert!(status < 300, "{path}: {answer}");
        answer
    }

    /// Another release, with a job that is changed and one that is new.
    pub async fn released_anew(&mut self) {
        self.world.edit("databricks.yml", "      name: score\n", "      name: score\n      max_concurrent_runs: 2\n");
        self.world.edit("databricks.yml", "  jobs:\n", "  jobs:\n    report: {name: report, description: Reports}\n");
        self.world.push();
        self.release = self.world.deployed().await.output("release").to_owned();
    }

    /// Staging trains a version, tests it and records that.
    pub async fn tested(&self, weights: &str) -> u64 {
        let version = self.trained(weights).await;
        self.record(version).await;
        version
    }

    /// The same beside a champion that is not the version before it.
    pub async fn tested_beside(&self, weights: &str, champion: Value) -> u64 {
        let version = self.trained(weights).await;
        self.record_beside(version, champion).await;
        version
    }

    async fn trained(&self, weights: &str) -> u64 {
        let new = json!({"catalog_name": "staging", "schema_name": "models", "model_name": "churn", "source": "runs:/1/model"});
        let made = self.staging(Method::POST, "models/versions", new).await;
        let version = made["version"].as_u64().or(made["version"].as_str().and_then(|v| v.parse().ok())).unwrap();
        let at = self.world.staging();
        let token = at.token_for(STAGING_DEPLOYER).unwrap();
        for (name, text) in [("MLmodel", MLMODEL), ("model.json", weights), ("serving_input_example.json", EXAMPLE)] {
            let path =
                format!("{}/api/2.0/fs/files/Models/staging/models/churn/{version}/{name}?overwrite=true", at.url());
            let sent = reqwest::Client::new().put(path).bearer_auth(&token).body(text.to_owned()).send().await.unwrap();
            assert!(sent.status().is_success(), "{name}: {}", sent.status());
        }
        let body = json!({"full_name": SOURCE, "version": version});
        self.staging(Method::PATCH, &format!("models/{SOURCE}/versions/{version}/finalize"), body).await;
        self.tagged(
            version,
            json!({"add_tags": [
                {"key": "mlops_gate", "value": "passed"}, {"key": "mlops_release", "value": self.release},
            ]}),
        )
        .await;
        version
    }

    async fn tagged(&self, version: u64, changes: Value) {
        let path = format!("subentity-tags/FUNCTION/{SOURCE}/{version}");
        self.staging(Method::PATCH, &path, json!({"changes": changes})).await;
    }

    pub async fn record(&self, version: u64) {
        // It was compared with the version that was promoted before it.
        let champion = match version {
            1 => json!("none"),
            later => json!({"is": {"model": TARGET, "version": later - 1}}),
        };
        self.record_beside(version, champion).await;
    }

    async fn record_beside(&self, version: u64, champion: Value) {
        let tested = json!([{"key": "churn", "model": SOURCE, "version": version, "champion": champion}]);
        let record = Record {
            version: VERSION,
            sequence: 0,
            previous: None,
            at: format!("2026-11-25T10:00:{version:02}Z"),
            environment: "staging".into(),
            bundle: "tiny".into(),
            target: "staging".into(),
            stage: "deploy-staging".into(),
            release: ReleaseId::parse(&self.release).unwrap(),
            archive: None,
            commit: "c".into(),
            older: false,
            plan_digest: String::new(),
            changes: Default::default(),
            by: By::default(),
            seen: Default::default(),
            details: [("models".to_owned(), tested)].into(),
            program: "0.1.0".into(),
        };
        let at = self.world.staging();
        let token = at.token_for(STAGING_DEPLOYER).unwrap();
        let folder = format!("{}/api/2.0/fs/files/Volumes/staging/ops/deployments/tiny", at.url());
        let mut head = None;
        for sequence in 1.. {
            let file = format!("{folder}/{sequence:08}.json");
            let there = reqwest::Client::new().get(&file).bearer_auth(&token).send().await.unwrap();
            if there.status().is_success() {
                let text = there.bytes().await.unwrap();
                head = Some(serde_json::from_slice::<Record>(&text).unwrap().head());
                continue;
            }
            let bytes = record.behind(head).to_bytes();
            let sent = reqwest::Client::new().put(&file).bearer_auth(&token).body(bytes).send().await.unwrap();
            assert!(sent.status().is_success(), "{}", sent.status());
            return;
        }
    }

    pub fn promotion(&self) -> Step {
        self.world.promote(&self.release)
    }

    pub async fn promote(&self) -> Left {
        let step = self.promotion();
        let left = step.run().await;
        step.settle().await.expect(0);
        left
    }

    pub async fn prod(&self, path: &str) -> Value {
        ask(self.world.prod(), PROD_DEPLOYER, Method::GET, path, Value::Null).await.1
    }

    pub async fn champion(&self) -> Value {
        self.prod(&format!("/api/2.1/unity-catalog/models/{TARGET}/aliases/champion")).await["version"].clone()
    }

    pub async fn served(&self) -> Value {
        let endpoint = self.prod("/api/2.0/serving-endpoints/churn").await;
        let routes = endpoint["config"]["traffic_config"]["routes"].as_array().cloned().unwrap_or_default();
        let gets = |r: &&Value| r["traffic_percentage"] != 0;
        routes.iter().filter(gets).map(|r| json!([r["served_model_name"], r["traffic_percentage"]])).collect()
    }

    fn schedule(&self) -> Value {
        table(self.world.prod(), "jobs").values().next().unwrap()["settings"]["schedule"]["pause_status"].clone()
    }
}

#[tokio::test]
async fn the_tested_version_serves_under_its_alias_and_then_the_clocks_start() {
    let scene = Scene::new().await;
    scene.tested("{\"weights\": 1}").await;
    let left = scene.promote().await;
    left.expect(0);
    assert_eq!(left.output("outcome"), "succeeded");
    assert_eq!(scene.champion().await, json!(1));
    assert_eq!(scene.served().await, json!([["churn-v1", 100]]));
    assert_eq!(scene.schedule(), "UNPAUSED");
    let file = "/api/2.0/fs/files/Models/prod/models/churn/1/model.json";
    assert_eq!(scene.prod(file).await, json!({"weights": 1}));
    assert!(left.summary.contains("Promoted version 1"), "{}", left.summary);
    // The clock of a new job was off until the alias stood.
    let requests = scene.world.prod().requests();
    let at =
        |method: &str, path: &str| requests.iter().position(|r| r.method == method && r.path.contains(path)).unwrap();
    let created = &requests[at("POST", "/jobs/create")];
    assert_eq!(created.body["schedule"]["pause_status"], "PAUSED");
    assert!(at("PUT", "/aliases/champion") < at("POST", "/jobs/reset"));
}

/// Whether it names the model or what makes it: until the alias is moved it would score with the old version.
#[tokio::test]
async fn a_changed_job_that_reads_the_model_stands_still_until_the_alias_is_moved() {
    let by_reference = "${var.catalog}.${resources.schemas.models.name}.${resources.registered_models.churn.name}";
    for (model, waits) in [(TARGET, true), (by_reference, true), ("prod.models.other", false)] {
        let mut scene = Scene::new().await;
        scene.tested("{\"weights\": 1}").await;
        scene.promote().await.expect(0);
        let path = "            notebook_path: src/train.py\n";
        scene.world.edit("databricks.yml", path, &format!("{path}            base_parameters: {{model: '{model}'}}\n"));
        scene.world.push();
        scene.release = scene.world.deployed().await.output("release").to_owned();
        scene.tested("{\"weights\": 2}").await;
        scene.world.prod().forget_requests();
        scene.promote().await.expect(0);
        let requests = scene.world.prod().requests();
        let alias = requests.iter().position(|r| r.method == "PUT" && r.path.ends_with("/aliases/champion")).unwrap();
        let reset = |r: &&Seen| r.path.ends_with("/jobs/reset");
        let state = |r: &Seen| r.body["new_settings"]["schedule"]["pause_status"].clone();
        let before: Vec<Value> = requests[..alias].iter().filter(reset).map(state).collect();
        assert_eq!(before.iter().any(|state| *state == "PAUSED"), waits, "{model}: {before:?}");
        assert_eq!(requests[alias..].iter().filter(reset).count(), usize::from(waits), "{model}");
        assert_eq!(scene.schedule(), "UNPAUSED", "{model}");
    }
}

/// A run that was killed behind its last change is run again, and so is one that somebody is not sure about.
#[tokio::test]
async fn a_promotion_that_is_asked_for_twice_changes_nothing() {
    let scene = Scene::new().await;
    scene.tested("{\"weights\": 1}").await;
    scene.promote().await.expect(0);
    scene.tested("{\"weights\": 2}").await;
    scene.promote().await.expect(0);
    let served = scene.prod("/api/2.0/serving-endpoints/churn").await;
    scene.world.prod().forget_requests();
    scene.promote().await.expect(0);
    let again = scene.world.prod().requests();
    let writes = |part: &str| again.iter().filter(|r| r.is_write() && r.path.contains(part)).count();
    assert_eq!(writes("serving-endpoints"), writes("invocations"));
    assert_eq!((writes("aliases"), writes("/Models/"), writes("/Volumes/prod/")), (0, 0, 0));
    // What served before lies beside it still: the way back.
    assert_eq!(scene.prod("/api/2.0/serving-endpoints/churn").await["config"], served["config"]);
    assert_eq!(scene.champion().await, json!(2));
}

#[tokio::test]
async fn a_candidate_that_answers_badly_leaves_prod_as_it_was() {
    let scene = Scene::new().await;
    scene.tested("{\"weights\": 1}").await;
    scene.promote().await.expect(0);
    let second = scene.tested("{\"weights\": 2}").await;
    assert_eq!(second, 2);
    scene.world.prod().answers(TARGET, 2, Answer::Statuses { statuses: vec![500] });
    let left = scene.promote().await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "candidate-failed");
    assert_eq!(left.output("outcome"), "refused");
    assert_eq!(scene.champion().await, json!(1));
    assert_eq!(scene.served().await, json!([["churn-v1", 100]]));
    assert_eq!(scene.schedule(), "UNPAUSED");
    let versions = scene.prod(&format!("/api/2.1/unity-catalog/models/{TARGET}/versions")).await;
    assert_eq!(versions["model_versions"].as_array().unwrap().len(), 1, "{versions}");
}

#[tokio::test]
async fn the_earlier_release_promoted_again_brings_its_version_back_without_a_second_copy() {
    let mut scene = Scene::new().await;
    scene.tested("{\"weights\": 1}").await;
    scene.promote().await.expect(0);
    let first = scene.release.clone();
    scene.world.write("src/train.py", "# Databricks notebook source\nprint('trains otherwise')\n");
    scene.world.push();
    scene.release = scene.world.deployed().await.output("release").to_owned();
    assert_ne!(scene.release, first);
    scene.tested("{\"weights\": 2}").await;
    let left = scene.promote().await;
    left.expect(0);
    assert_eq!(scene.champion().await, json!(2));
    assert!(left.summary.contains("promote the release that served before"), "{}", left.summary);

    let again = |older: &str| scene.world.promote(&first).with("INPUT_ALLOW-OLDER", older);
    let refused = again("false").run().await;
    refused.expect(3);
    assert_eq!(refused.output("failure-reason"), "release-older");
    // What cannot be looked at now is no copy of this run: it stays.
    let unreadable = Rule::on("GET", "*/Models/prod/models/churn/1*", Fault::status(500)).always();
    scene.world.prod().faults().add(unreadable);
    let step = again("true");
    step.run().await.expect(4);
    step.settle().await.expect(0);
    scene.world.prod().faults().clear();
    let kept = scene.prod(&format!("/api/2.1/unity-catalog/models/{TARGET}/versions/1")).await;
    assert_eq!(kept["status"], "READY", "{kept}");

    let step = again("true");
    let left = step.run().await;
    left.expect(0);
    step.settle().await.expect(0);
    assert_eq!(left.output("model-version"), format!("{TARGET}/1"));
    assert_eq!(scene.champion().await, json!(1));
    assert_eq!(scene.served().await, json!([["churn-v1", 100]]));
    let versions = scene.prod(&format!("/api/2.1/unity-catalog/models/{TARGET}/versions")).await;
    assert_eq!(versions["model_versions"].as_array().unwrap().len(), 2, "{versions}");
}

#[tokio::test]
async fn what_nobody_tested_and_what_nobody_granted_is_refused_before_anything_is_written() {
    let scene = Scene::new().await;
    let left = scene.promote().await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "not-deployed-before");
    scene.tested("{}").await;
    let changes = json!({"changes": [{"principal": PROD_DEPLOYER, "remove": ["EXECUTE"]}]});
    scene.staging(Method::PATCH, &format!("permissions/function/{SOURCE}"), changes).await;
    scene.world.prod().forget_requests();
    let left = scene.promote().await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "grant-missing");
    assert!(left.stdout.contains("GRANT EXECUTE ON FUNCTION `staging`.`models`.`churn`"), "{}", left.stdout);
    let writes = scene.world.prod().requests().into_iter().filter(|r| r.is_write() && !r.path.starts_with("/oidc/"));
    assert_eq!(writes.count(), 0);
}

/// The version that is replaced is the one that the new one was compared with, or somebody says that another is meant.
#[tokio::test]
async fn a_champion_that_somebody_put_there_since_is_not_replaced_without_a_word() {
    let scene = Scene::new().await;
    for weights in ["{\"weights\": 1}", "{\"weights\": 2}"] {
        scene.tested(weights).await;
        scene.promote().await.expect(0);
    }
    scene.tested("{\"weights\": 3}").await;
    let alias = format!("/api/2.1/unity-catalog/models/{TARGET}/aliases/champion");
    ask(scene.world.prod(), PROD_DEPLOYER, Method::PUT, &alias, json!({"version_num": 1})).await;
    scene.world.prod().forget_requests();
    let left = scene.promote().await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "champion-changed");
    assert!(left.stdout.contains("stood for version 2, which stands for version 1 now"), "{}", left.stdout);
    let writes = scene.world.prod().requests().into_iter().filter(|r| r.is_write() && !r.path.starts_with("/oidc/"));
    assert_eq!(writes.count(), 0);
    let step = scene.world.promote(&scene.release).with("INPUT_ALLOW-OLDER", "true");
    step.run().await.expect(0);
    step.settle().await.expect(0);
    assert_eq!(scene.champion().await, json!(3));
}

/// The record says that it passed, and the version does not any more.
#[tokio::test]
async fn a_version_whose_gate_was_withdrawn_is_not_promoted() {
    let scene = Scene::new().await;
    let version = scene.tested("{}").await;
    scene.tagged(version, json!({"remove": ["mlops_gate"]})).await;
    let left = scene.promote().await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "not-tested");
    assert!(left.stdout.contains("it has no tag `mlops_gate` any more"), "{}", left.stdout);
}

/// What a group owns its members own, and a right may stand on a later page of those who have some.
#[tokio::test]
async fn rights_that_a_group_has_or_that_stand_on_a_later_page_are_found() {
    let scene = Scene::new().await;
    scene.tested("{\"weights\": 1}").await;
    scene.promote().await.expect(0);
    let (at, path) = (scene.world.prod(), format!("/api/2.1/unity-catalog/models/{TARGET}"));
    let (status, _) = ask(at, PROD_DEPLOYER, Method::PATCH, &path, json!({"owner": "prod-owners"})).await;
    assert_eq!(status, 200);
    for somebody in ["00-auditors", "01-analysts", "02-readers"] {
        let changes = json!({"changes": [{"principal": somebody, "add": ["EXECUTE"]}]});
        scene.staging(Method::PATCH, &format!("permissions/function/{SOURCE}"), changes).await;
    }
    scene.tested("{\"weights\": 2}").await;
    scene.promote().await.expect(0);
    assert_eq!(scene.champion().await, json!(2));
}

/// Whoever may manage a model could give itself the right to read it, and has not done so.
#[tokio::test]
async fn to_manage_a_model_is_not_to_read_it() {
    let scene = Scene::new().await;
    scene.tested("{}").await;
    let changes = json!({"changes": [{"principal": PROD_DEPLOYER, "remove": ["EXECUTE"], "add": ["MANAGE"]}]});
    scene.staging(Method::PATCH, &format!("permissions/function/{SOURCE}"), changes).await;
    let left = scene.promote().await;
    left.expect(3);
    assert_eq!(left.output("failure-reason"), "grant-missing");
    assert!(left.stdout.contains("GRANT EXECUTE ON FUNCTION `staging`.`models`.`churn`"), "{}", left.stdout);
}

#[tokio::test]
async fn a_model_that_the_configuration_does_not_have_is_named() {
    let scene = Scene::new().await;
    scene.tested("{}").await;
    let step = scene.world.promote(&scene.release).with("INPUT_MODEL", "chrun");
    let left = step.run().await;
    left.expect(2);
    assert_eq!(left.output("failure-reason"), "unknown-model");
    let from = left.stdout.find("failed to ").unwrap();
    let told: Vec<&str> = left.stdout[from..].lines().take(2).collect();
    insta::assert_snapshot!(told.join("\n"));
    step.settle().await.expect(0);
}

const CONFIG: &str = "\
ENVIRONMENTS-OF-ALL-TIERS
models:
  churn:
    serve:
      endpoint: churn
      traffic: [100]
      bake: 1s
      on_few_requests: go-on
";

const BUNDLE: &str = "\
bundle:
  name: tiny
variables:
  catalog: {description: Where everything lies}
targets:
  TARGETS-OF-ALL-TIERS
resources:
  schemas:
    models:
      catalog_name: ${var.catalog}
      name: models
  registered_models:
    churn:
      catalog_name: ${var.catalog}
      schema_name: ${resources.schemas.models.name}
      name: churn
  jobs:
    score:
      name: score
      schedule: {quartz_cron_expression: 0 0 6 * * ?, timezone_id: UTC}
      tasks:
        - task_key: score
          notebook_task:
            notebook_path: src/train.py
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_pins_the_served_version_is_found_on_the_pull_request() {
    let pins = "  model_serving_endpoints:
    serving:
      name: churn
      config:
        served_entities:
          - entity_name: prod.models.churn
            entity_version: '3'
            workload_size: Small
            scale_to_zero_enabled: true
";
    let bundle = BUNDLE.replace("resources:\n  schemas:", &format!("resources:\n{pins}  schemas:"));
    let world = StageWorld::with_tiers_of(&bundle, CONFIG).await;
    let pull = world.pull_request();
    let left = world.validate(Event::pull_request(pull)).run().await;
    left.expect(2);
    assert_eq!(left.output("failure-reason"), "invalid-bundle");
    let written = std::fs::read_to_string(world.path("databricks.yml")).unwrap();
    let line = 1 + written.lines().position(|line| line.contains("entity_version")).unwrap();
    assert!(left.stdout.contains(&format!("file=databricks.yml,line={line},")), "{}", left.stdout);
    assert!(left.stdout.contains("endpoint `churn` has two owners"), "{}", left.stdout);
}
