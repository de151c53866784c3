//! The plan that a reader makes for a pull request is the plan that the deployer will carry
//! out, byte for byte: names, prefixes, rights and identities are those of the deployer.

use std::fs;

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::github::{Event, JobSpec};
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage_world::{DEPLOYER, Left, READER, StageWorld, as_somebody, table};

/// Everything that depends on who looks: rights of the bundle, of a job and of catalog
/// objects, who jobs run as, and what a user is called.
const BUNDLE: &str = "\
bundle:
  name: tiny
targets:
  TARGET-DEV
resources:
  schemas:
    scores:
      catalog_name: dev
      name: scores
      grants:
        - principal: users
          privileges: [USE_SCHEMA]
  registered_models:
    churn:
      catalog_name: dev
      schema_name: ${resources.schemas.scores.name}
      name: churn
      grants:
        - principal: users
          privileges: [EXECUTE]
  experiments:
    runs:
      name: /Users/${workspace.current_user.userName}/runs
  pipelines:
    features:
      name: features
      catalog: dev
      schema: ${resources.schemas.scores.name}
      serverless: true
      libraries:
        - notebook:
            path: src/train.py
  jobs:
    train:
      name: train ${workspace.current_user.short_name}
      description: Trains
      permissions:
        - group_name: users
          level: CAN_MANAGE_RUN
      tasks:
        - task_key: train
          notebook_task:
            notebook_path: src/train.py
            base_parameters:
              home: ${workspace.root_path}
";

/// The same for a developer's copy: who looks is in each name.
fn in_development() -> String {
    const OWN: &str = "  dev:
    default: true
    mode: development
    workspace: {host: HOST}
    permissions:
      - {service_principal_name: DEPLOYER, level: CAN_MANAGE}
      - {group_name: users, level: CAN_VIEW}
";
    BUNDLE.replace("  TARGET-DEV\n", OWN)
}

/// Digest and plan file of a run.
fn planned(left: &Left) -> (String, String) {
    left.expect(0);
    let digest = left.output("plan-digest").to_owned();
    assert!(digest.starts_with("sha256:"), "{}", left.stdout);
    (digest, fs::read_to_string(left.output("plan-file")).unwrap())
}

/// Plans what is checked out as either principal; the plan that both make.
async fn agreed(world: &StageWorld, pull: u64) -> Value {
    let reader = world.validate(Event::pull_request(pull)).run().await;
    let deployer = world.deploy().with("INPUT_DRY-RUN", "true").run().await;
    let (by_reader, by_deployer) = (planned(&reader), planned(&deployer));
    assert_eq!(by_reader.1, by_deployer.1);
    assert_eq!(by_reader.0, by_deployer.0);
    let who = signed_in(world);
    assert!(who.contains(&READER.to_owned()) && who.contains(&DEPLOYER.to_owned()), "{who:?}");
    world.workspace().forget_requests();
    serde_json::from_str(&by_reader.1).unwrap()
}

fn signed_in(world: &StageWorld) -> Vec<String> {
    world.workspace().requests().into_iter().filter_map(|request| request.principal).collect()
}

fn counts(plan: &Value) -> String {
    let count = |name: &str| plan["counts"][name].as_u64().unwrap();
    format!("+{} ~{} -{}", count("created"), count("updated"), count("deleted"))
}

fn name_of(job: &Value) -> String {
    job["settings"]["name"].as_str().or(job["name"].as_str()).unwrap().to_owned()
}

async fn by_hand(world: &StageWorld, method: Method, path: &str, body: Value) {
    as_somebody(world.workspace(), method, path, body).await;
}

async fn somebody_edits(world: &StageWorld) {
    let job: i64 = table(world.workspace(), "jobs").keys().next().unwrap().parse().unwrap();
    let edit = json!({"job_id": job, "new_settings": {"description": "By hand", "max_concurrent_runs": 7}});
    by_hand(world, Method::POST, "/api/2.2/jobs/update", edit).await;
    let rights = json!({"access_control_list": [{"group_name": "users", "permission_level": "CAN_VIEW"}]});
    by_hand(world, Method::PATCH, &format!("/api/2.0/permissions/jobs/{job}"), rights).await;
    let grants = json!({"changes": [{"principal": "users", "add": ["MODIFY"]}]});
    let schema = table(world.workspace(), "schemas").into_keys().find(|name| name.ends_with("scores")).unwrap();
    by_hand(world, Method::PATCH, &format!("/api/2.1/unity-catalog/permissions/schema/{schema}"), grants).await;
}

async fn all_along(bundle: &str) -> Vec<String> {
    let world = StageWorld::with(bundle).await;
    let mut told = Vec::new();
    let pull = world.pull_request();
    let before = agreed(&world, pull).await;
    told.push(format!("before the first deployment {}", counts(&before)));
    assert!(!before.to_string().contains(READER), "nothing is named after who looks: {before}");

    world.deployed().await;
    let names: Vec<String> = table(world.workspace(), "jobs").into_values().map(|job| name_of(&job)).collect();
    told.push(format!("after it {}: {}", counts(&agreed(&world, pull).await), names.concat()));

    world.edit("databricks.yml", "level: CAN_MANAGE_RUN", "level: CAN_MANAGE");
    world.edit("databricks.yml", "privileges: [USE_SCHEMA]", "privileges: [USE_SCHEMA, SELECT]");
    world.edit("databricks.yml", "description: Trains", "description: Trains well");
    told.push(format!("after an edit of the bundle {}", counts(&agreed(&world, pull).await)));

    somebody_edits(&world).await;
    told.push(format!("after an edit in the workspace {}", counts(&agreed(&world, pull).await)));

    world.deployed().await;
    told.push(format!("after the second deployment {}", counts(&agreed(&world, pull).await)));
    told
}

#[tokio::test]
async fn the_reader_plans_what_the_deployer_will_do() {
    insta::assert_debug_snapshot!(all_along(BUNDLE).await);
}

#[tokio::test]
async fn the_reader_plans_what_the_deployer_will_do_in_development_mode() {
    insta::assert_debug_snapshot!(all_along(&in_development()).await);
}

#[tokio::test]
async fn the_reader_cannot_write() {
    let world = StageWorld::new().await;
    let control = world.workspace();
    let token = control.token_for(READER).unwrap();
    let client = reqwest::Client::new();
    let folder = "/api/2.0/workspace-files/import-file/Users/somebody/file?overwrite=true";
    for (method, path) in [
        (Method::POST, "/api/2.2/jobs/create"),
        (Method::POST, "/api/2.0/workspace/mkdirs"),
        (Method::POST, folder),
        (Method::PUT, "/api/2.0/permissions/jobs/1"),
        (Method::PATCH, "/api/2.1/unity-catalog/permissions/schema/dev.scores"),
        (Method::DELETE, "/api/2.1/unity-catalog/schemas/dev.scores"),
    ] {
        let request = client.request(method.clone(), format!("{}{path}", control.url()));
        let reply = request.bearer_auth(&token).json(&json!({"name": "mine"})).send().await.unwrap();
        assert_eq!(reply.status(), 403, "{method} {path}");
    }
}

#[tokio::test]
async fn a_deployment_that_signs_in_as_the_reader_changes_nothing() {
    let world = StageWorld::new().await;
    // The two change places in the configuration.
    world.edit("mlops-deploy.yml", &format!("client_id: {READER}"), "client_id: somebody");
    world.edit("mlops-deploy.yml", &format!("client_id: {DEPLOYER}"), &format!("client_id: {READER}"));
    let spec = JobSpec::on(Event::push("main")).named("deploy").permit("contents: read, id-token: write").unwrap();
    let step = world.step(spec.environment("development"), "deploy-dev");
    let left = step.run().await;
    left.expect(4);
    assert_eq!(left.output("failure-reason"), "permission-denied", "{}", left.stdout);
    step.settle().await.expect(0);
    assert!(table(world.workspace(), "jobs").is_empty());
    let lies = world.workspace().settled().to_string();
    assert!(!lies.contains(".bundle") && !lies.contains("dev.scores"), "{lies}");
}

/// Where `principal` names no display name, the workspace is asked; a guess would be a plan
/// of other names.
#[tokio::test]
async fn what_the_deployer_is_called_is_asked_and_never_guessed() {
    let world = StageWorld::with(&in_development()).await;
    let config = fs::read_to_string(world.path("mlops-deploy.yml")).unwrap();
    let without: Vec<&str> =
        config.lines().filter(|line| !["principal", "application_id", "display_name"].contains(&key(line))).collect();
    world.write("mlops-deploy.yml", &(without.join("\n") + "\n"));
    let pull = world.pull_request();
    agreed(&world, pull).await;

    let people = "/api/2.0/preview/scim/v2/ServicePrincipals";
    world.workspace().fail(Rule::on("GET", people, Fault::status(403)).always());
    let left = world.validate(Event::pull_request(pull)).run().await;
    left.expect(2);
    let told = &left.stdout[left.stdout.find("failed to plan as").unwrap()..];
    insta::assert_snapshot!(told.lines().take(2).collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn what_the_deployer_is_called_does_not_matter_where_no_name_holds_it() {
    let world = StageWorld::new().await;
    let config = fs::read_to_string(world.path("mlops-deploy.yml")).unwrap();
    world.write("mlops-deploy.yml", &config.replace("      display_name: deploy-dev\n", ""));
    let people = "/api/2.0/preview/scim/v2/ServicePrincipals";
    world.workspace().fail(Rule::on("GET", people, Fault::status(403)).always());
    let pull = world.pull_request();
    agreed(&world, pull).await;
}

fn key(line: &str) -> &str {
    line.trim().split(':').next().unwrap_or_default()
}
