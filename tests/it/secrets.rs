//! Canaries in every text that is nobody's business, and every byte that we emit read for them.
//!
//! `cnry_…` stands in fields that are never printed: descriptions, parameters, environments,
//! tags. `shown_…` stands in fields on a kind's printable list: a reviewer is to read those.
//! Tokens may be nowhere at all, except where the runner is told what to mask.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::github::Event;
use mlops_deploy::rehearsal::workspace::Outcome;
use serde_json::{Value, json};

use crate::stage_world::{DEPLOYER, Left, StageWorld, Step};

const CANARY: &str = "cnry_";

/// What the first bundle says and the second says otherwise.
const BEFORE: &str = "cnry_before";
const AFTER: &str = "cnry_after";

const REMOTE_TOKEN: &str = "ghp_remote-credential-0123456789";
const INDEX_PASSWORD: &str = "index-password-0123456789";

const BUNDLE: &str = r#"
bundle:
  name: tiny
variables:
  declared:
    description: cnry_before_variable_description
    default: cnry_before_variable_default
  given:
    description: A value from outside
  complex:
    type: complex
    default:
      key: cnry_before_complex
targets:
  TARGET-DEV
    presets:
      tags:
        preset: cnry_before_preset_tag
resources:
  experiments:
    runs:
      name: /Users/DEPLOYER/shown_runs
      tags:
        - key: owner
          value: cnry_before_experiment_tag
  schemas:
    scores:
      catalog_name: dev
      name: shown_scores
      comment: cnry_before_schema_comment
      properties:
        key: cnry_before_schema_property
  volumes:
    data:
      catalog_name: dev
      schema_name: ${resources.schemas.scores.name}
      name: shown_volume
      comment: cnry_before_volume_comment
  registered_models:
    churn:
      catalog_name: dev
      schema_name: ${resources.schemas.scores.name}
      name: shown_model
      comment: cnry_before_model_comment
  pipelines:
    features:
      name: shown_pipeline
      catalog: dev
      schema: ${resources.schemas.scores.name}
      serverless: true
      libraries:
        - notebook:
            path: src/train.py
      configuration:
        password: cnry_before_pipeline_configuration
      tags:
        owner: cnry_before_pipeline_tag
      notifications:
        - email_recipients: [cnry_before_mail@example.com]
          alerts: [on-update-failure]
  jobs:
    train:
      name: shown_train
      description: cnry_before_description
      parameters:
        - name: shown_parameter
          default: cnry_before_job_parameter
      tags:
        owner: cnry_before_tag
        declared: ${var.declared}
        given: ${var.given}
        complex: ${var.complex.key}
      email_notifications:
        on_failure: [cnry_before_alert@example.com]
      tasks:
        - task_key: train
          description: cnry_before_task_description
          job_cluster_key: shown_cluster
          notebook_task:
            notebook_path: src/train.py
            base_parameters:
              secret: cnry_before_base_parameter
        - task_key: wheel
          job_cluster_key: shown_cluster
          spark_python_task:
            python_file: src/step.py
            parameters: ["--password", cnry_before_argument]
      job_clusters:
        - job_cluster_key: shown_cluster
          new_cluster:
            spark_version: 15.4.x-scala2.12
            node_type_id: i3.xlarge
            num_workers: 1
            spark_conf:
              spark.password: cnry_before_spark_conf
            spark_env_vars:
              PASSWORD: cnry_before_spark_env
            custom_tags:
              owner: cnry_before_custom_tag
"#;

/// Everything that left, by the name of where it went.
#[derive(Default)]
struct Emitted(Vec<(String, String)>);

impl Emitted {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    fn holds(&self, word: &str) -> bool {
        self.0.iter().any(|(_, text)| text.contains(word))
    }

    /// The places in which a word is, each with what stands around it.
    fn with(&self, word: &str) -> Vec<String> {
        let around = |text: &str, at: usize| {
            let from = text.floor_char_boundary(at.saturating_sub(60));
            text[from..text.floor_char_boundary((at + 60).min(text.len()))].replace('\n', "\\n")
        };
        let found = self.0.iter().flat_map(|(place, text)| {
            text.match_indices(word).map(move |(at, _)| format!("{place}: …{}…", around(text, at)))
        });
        found.collect()
    }

    fn of_step(&mut self, world: &StageWorld, step: &Step, left: &Left) {
        // The runner takes these lines for itself: they say what it has to mask.
        let said: Vec<&str> = left.stdout.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        self.add("stdout", said.join("\n"));
        self.add("stderr", left.stderr.clone());
        self.add("summary", left.summary.clone());
        self.add("outputs", format!("{:?}", left.outputs));
        self.add("state", format!("{:?}", step.runner.state().unwrap()));
        for path in files(Path::new(&step.env["RUNNER_TEMP"])) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // The repository itself, packed and unpacked: whoever may read it there may read it here.
            if name.ends_with(".tar.gz") || path.components().any(|part| part.as_os_str() == "release") {
                continue;
            }
            if name == ".kept.jsonl" {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{} is for us alone", path.display());
            } else {
                self.add(name, fs::read_to_string(&path).unwrap());
            }
        }
        for exchange in world.github.log().all() {
            self.add(exchange.line(), format!("{:?} {:?} {:?}", exchange.query, exchange.body, exchange.headers));
        }
    }

    fn is_clean(&self, tokens: &[String]) {
        let mut found = self.with(CANARY);
        tokens.iter().for_each(|token| found.extend(self.with(token)));
        found.dedup();
        assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Every token that a step had: what it gave the runner to mask, and what it was given.
fn tokens(step: &Step, left: &Left) -> Vec<String> {
    let masked = left.stdout.lines().filter_map(|line| line.strip_prefix("::add-mask::"));
    let given = ["INPUT_GITHUB-TOKEN", "INPUT_DATABRICKS-TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
    let given = given.iter().filter_map(|name| step.env.get(*name));
    let fixed = [REMOTE_TOKEN, INDEX_PASSWORD].map(str::to_owned);
    let all: Vec<String> = masked.map(str::to_owned).chain(given.cloned()).chain(fixed).collect();
    assert!(all.len() > 4, "{all:?}");
    all
}

/// The bundle with its canaries, in a checkout whose remote holds a credential.
async fn world() -> StageWorld {
    let world = StageWorld::with(BUNDLE).await;
    world.write("src/step.py", "print('stepped')\n");
    let url = world.github.server_url();
    world.edit(".git/config", &url, &url.replace("http://", &format!("http://x-access-token:{REMOTE_TOKEN}@")));
    world
}

fn given(step: Step, value: &str) -> Step {
    let step = step.with("BUNDLE_VAR_given", &format!("{value}_given_variable"));
    step.with("PIP_EXTRA_INDEX_URL", &format!("https://ana:{INDEX_PASSWORD}@index.example.com/simple"))
}

fn otherwise(world: &StageWorld) {
    world.edit("databricks.yml", BEFORE, AFTER);
}

async fn deploys(world: &StageWorld, value: &str) {
    let step = given(world.deploy(), value);
    step.run().await.expect(0);
    step.settle().await.expect(0);
    world.github.log().clear();
}

/// Reads what a step and its post step left, and everything they said to GitHub.
async fn clean(world: &StageWorld, step: &Step, left: &Left) -> Emitted {
    let mut emitted = Emitted::default();
    emitted.of_step(world, step, left);
    let settled = step.settle().await;
    emitted.of_step(world, step, &settled);
    emitted.is_clean(&[tokens(step, left), settled_tokens(&settled)].concat());
    emitted
}

fn settled_tokens(left: &Left) -> Vec<String> {
    left.stdout.lines().filter_map(|line| line.strip_prefix("::add-mask::")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_first_deployment_tells_none_of_its_values() {
    let world = world().await;
    let step = given(world.deploy(), BEFORE);
    let left = step.run().await;
    left.expect(0);
    let emitted = clean(&world, &step, &left).await;
    assert!(emitted.holds("jobs.train") && emitted.holds("\"receipt\""), "the journal tells what was done");
    let lies = world.workspace().dump().to_string();
    for value in ["cnry_before_description", "cnry_before_given_variable", "cnry_before_spark_env"] {
        assert!(lies.contains(value), "{value} was not deployed");
    }
    assert!(!lies.contains(REMOTE_TOKEN), "the state names the remote without its credential");
}

#[tokio::test]
async fn a_reviewer_sees_that_hidden_values_change_and_what_printable_ones_become() {
    let world = world().await;
    deploys(&world, BEFORE).await;
    otherwise(&world);
    world.edit("databricks.yml", "name: shown_train", "name: shown_training");
    world.edit("databricks.yml", "num_workers: 1", "num_workers: 3");
    let pull = world.pull_request();
    let step = given(world.validate(Event::pull_request(pull)), AFTER);
    let left = step.run().await;
    left.expect(0);
    let emitted = clean(&world, &step, &left).await;
    let comment = &world.github.comments(pull)[0].1;
    assert!(comment.contains("`shown_train` -> `shown_training`"), "{comment}");
    assert!(comment.contains("`1` -> `3`"), "{comment}");
    for field in ["description", "spark_env_vars", "tags['owner']", "comment", "configuration"] {
        assert!(comment.contains(field), "{field} is not named\n{comment}");
    }
    assert!(emitted.holds("shown_training"));
}

#[tokio::test]
async fn a_workspace_that_repeats_what_it_was_sent_is_not_repeated() {
    let world = world().await;
    deploys(&world, BEFORE).await;
    otherwise(&world);
    let token = world.workspace().token_for(DEPLOYER).unwrap();
    let message = format!("Invalid value 'cnry_after_description' for job shown_train, sent with {token}");
    let body = json!({"error_code": "INVALID_PARAMETER_VALUE", "message": message, "details": ["cnry_after_tag"]});
    let fault = Fault::StatusBefore { status: 400, headers: BTreeMap::new(), body: Some(body) };
    world.workspace().fail(Rule::on("POST", "/api/2.2/jobs/reset", fault));
    let step = given(world.deploy(), AFTER).with("INPUT_DATABRICKS-TOKEN", &token);
    let left = step.run().await;
    left.expect(4);
    let emitted = clean(&world, &step, &left).await;
    assert!(emitted.holds("Invalid value '…' for job shown_train, sent with ***"), "{}", left.stdout);
    assert_eq!(left.output("outcome"), "failed");
}

#[tokio::test]
async fn a_job_that_repeats_what_it_was_given_is_not_repeated() {
    let world = world().await;
    let error = "ValueError: no customers for cnry_before_base_parameter\n   id  cnry_row\n0   1   2".to_owned();
    world.workspace().script("shown_train", "train", Outcome::Failed { error });
    let step = given(world.deploy(), BEFORE);
    let left = step.run().await;
    left.expect(3);
    let emitted = clean(&world, &step, &left).await;
    assert!(emitted.holds("ValueError: no customers for …"), "{}", left.stdout);
    assert_eq!(left.output("failure-reason"), "smoke-failed");
}

#[tokio::test]
async fn a_killed_run_and_the_step_that_settles_it_tell_nothing() {
    let world = world().await;
    deploys(&world, BEFORE).await;
    otherwise(&world);
    world.workspace().fail(Rule::on("POST", "/api/2.2/jobs/reset", Fault::DelayAfter { millis: 60_000 }));
    let step = given(world.deploy(), AFTER);
    let mut child = step.spawn();
    world.workspace().faults().delaying().await;
    child.start_kill().unwrap();
    let left = step.left(child).await;
    left.expect(137);
    let emitted = clean(&world, &step, &left).await;
    assert!(emitted.holds("\"undone\""), "it was taken back from the journal and what it keeps");
    let lies = world.workspace().dump().to_string();
    assert!(lies.contains("cnry_before_description") && !lies.contains("cnry_after_description"), "{lies}");
}

#[tokio::test]
async fn a_build_that_prints_its_environment_tells_nothing_of_ours() {
    let world = world().await;
    let artifacts = "artifacts:\n  tiny:\n    type: whl\n    path: .\n    build: env && false\nresources:";
    world.edit("databricks.yml", "resources:", artifacts);
    let step = given(world.deploy(), BEFORE);
    let left = step.run().await;
    left.expect(2);
    let emitted = clean(&world, &step, &left).await;
    assert_eq!(left.output("failure-reason"), "build-failed");
    assert!(emitted.holds("PWD=") && !emitted.holds("PIP_EXTRA_INDEX_URL"), "{}", left.stdout);
}

/// The example with a canary in every text that is free there.
fn planted(text: &str, so_far: &mut usize) -> String {
    let mut canary = || {
        *so_far += 1;
        format!("cnry_{so_far}_")
    };
    let mut out = String::new();
    for line in text.lines() {
        let (code, comment) = line.split_once(" #").unwrap_or((line, ""));
        let key = code.trim().trim_start_matches("- ").split(':').next().unwrap_or_default();
        let planted = match key {
            "description" | "comment" if !code.ends_with(':') => format!("{code} {}", canary()),
            "churn.landing" => format!("{code}/{}", canary()),
            "project" | "s3_bucket" if !code.ends_with(':') => {
                format!("{}: {}", code.split(':').next().unwrap(), canary())
            }
            "environment" if code.contains(": dev") => code.replace("dev", &canary()),
            "default" if code.contains('@') => code.replace("ml-pipelines@", &format!("{}@", canary())),
            "default" if code.ends_with("\"\"") && code.starts_with("              ") => {
                code.replace("\"\"", &canary())
            }
            _ if code.trim().starts_with("- --") => format!("{code}{}", canary()),
            _ => code.to_owned(),
        };
        out.push_str(&planted);
        out.push_str(if comment.is_empty() { "\n" } else { " #\n" });
    }
    out
}

/// The example, deployed to `dev` as its workflow does it.
async fn example() -> (StageWorld, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/churn");
    let mut canaries = 0;
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let build = "mkdir -p dist && echo wheel > dist/churn-0.1.0-py3-none-any.whl";
    let root = planted(&read("databricks.yml"), &mut canaries).replace("uv build --wheel", build);
    let world = StageWorld::with(&root).await;
    for path in files(&folder).iter().map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap()) {
        let text = match path {
            "databricks.yml" => continue,
            "mlops-deploy.yml" => read(path).replace("https://dbc-dev.cloud.databricks.com", world.workspace().url()),
            _ if path.starts_with("resources/") => planted(&read(path), &mut canaries),
            _ => read(path),
        };
        world.write(path, &text);
    }
    (world, canaries)
}

/// Texts that are not free: names of things the bundle itself has, and words of the API.
const NOT_FREE: &[&str] = &[
    "entry_point",
    "package_name",
    "environment_version",
    "dependencies",
    "timezone_id",
    "alerts",
    "path",
    "kind",
    "schema",
    "tags[0].key",
    "access_control_list",
    "idempotency_token",
];

#[tokio::test]
async fn the_example_leaves_none_of_its_free_texts_anywhere() {
    let (world, planted) = example().await;
    let pull = world.pull_request();
    let check = world.validate(Event::pull_request(pull));
    let left = check.run().await;
    left.expect(0);
    clean(&world, &check, &left).await;
    world.push();
    let step = world.deploy();
    let left = step.run().await;
    left.expect(0);
    let emitted = clean(&world, &step, &left).await;
    assert!(emitted.holds("dev_train_churn_dev") || emitted.holds("train_churn"), "{}", left.stdout);

    let mut bare = Vec::new();
    for request in world.workspace().requests().iter().filter(|r| r.is_write()) {
        // A model of Unity Catalog has the path of the workspace's own models.
        let path = request.path.replace("/unity-catalog/models", "/unity-catalog/registered_models");
        let kind = path.rsplit('/').find_map(|part| mlops_deploy::bundle::kinds::by_name(part));
        if let Some(kind) = kind.filter(|_| request.body.is_object()) {
            free_texts(kind.name, "", &request.body, &mut bare);
        }
    }
    bare.retain(|(path, text)| !text.contains(CANARY) && !NOT_FREE.iter().any(|field| path.contains(field)));
    assert_eq!(bare, Vec::<(String, String)>::new(), "free texts of the example without a canary");
    assert!(planted > 30, "{planted} canaries");
}

fn free_texts(kind: &str, path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            free_texts(kind, &path, inner, found);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, inner)| free_texts(kind, &format!("{path}[{i}]"), inner, found));
        }
        Value::String(text) if !mlops_deploy::bundle::planning::knowledge::printable(kind, path) => {
            found.push((format!("{kind}.{path}"), text.clone()));
        }
        _ => {}
    }
}
