//! Training jobs, the versions they make and the tags these get, against the stand-in workspace.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mlops_deploy::adapters::databricks::{PersonalToken, Settings, Workspace};
use mlops_deploy::adapters::host::{LocalFiles, LocalProcess, Masker};
use mlops_deploy::adapters::http;
use mlops_deploy::domain::{Failure, Hushed, ModelName, ModelVersion, Purpose, Reason, Secret};
use mlops_deploy::ports::{Request, World};
use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::{self, Config, Leniency, Outcome, Running};
use mlops_deploy::report::failure::text;
use mlops_deploy::saga::{Change, Found, Outcomes, Receipt, StepErrorKind, Stop, Undone};
use mlops_deploy::steps::model::Registry;
use mlops_deploy::steps::model::find_version::{Made, Way, find};
use mlops_deploy::steps::model::registry::NewVersion;
use mlops_deploy::steps::model::tag_version::TagVersion;
use mlops_deploy::steps::run_job::RunJob;
use serde_json::{Value, json};

use crate::still_clock::StillClock;

/// A workspace with a job that trains, and the model it is to train.
struct Scene {
    workspace: Running,
    world: World,
    job: i64,
    model: ModelName,
}

impl Scene {
    async fn set() -> Self {
        let mut config = Config::per_token();
        config.leniency = Leniency::Strict;
        let workspace = workspace::serve(config).await.unwrap();
        let masker = Arc::new(Masker::new());
        let identity = PersonalToken::new(workspace.url(), Secret::new("dbapi0training"), &masker).unwrap();
        let clock = Arc::new(StillClock::new());
        let http = http::client(&http::user_agent(true)).unwrap();
        let settings = Settings::new(workspace.url());
        let rest = Workspace::new(settings, http, Arc::new(identity), Arc::clone(&clock) as _, Arc::clone(&masker));
        let world = World {
            workspace: Arc::new(rest.unwrap()),
            files: Arc::new(LocalFiles),
            process: Arc::new(LocalProcess::new("/usr/bin", masker)),
            clock,
            ..crate::nowhere::world()
        };
        let scene = Self { workspace, world, job: 0, model: ModelName::parse("main.default.churn").unwrap() };
        let task = json!({"task_key": "train", "notebook_task": {"notebook_path": "/Shared/train"}});
        let made = scene.post("/api/2.2/jobs/create", json!({"name": "train", "tasks": [task]})).await;
        let body = json!({"catalog_name": "main", "schema_name": "default", "name": "churn"});
        scene.post("/api/2.1/unity-catalog/models", body).await;
        Self { job: made["job_id"].as_i64().unwrap(), ..scene }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.world.workspace.call(Request::post(path, body)).await.unwrap().json().unwrap()
    }

    fn training(&self, release: &str) -> RunJob {
        let identity = [release, "staging", "train"].map(str::to_owned).to_vec();
        RunJob {
            key: "train".into(),
            job_id: self.job,
            parameters: vec![],
            purpose: Purpose::Training,
            model: Some("churn".into()),
            identity,
            timeout: Duration::from_secs(600),
            stop: Stop::new().1,
            hushed: Hushed::default(),
        }
    }

    /// Runs it to its end; a second later by the workspace's clock than whatever was before.
    async fn train(&self, release: &str) -> Value {
        self.workspace.control().advance(Duration::from_secs(1));
        let (job, done) = (self.training(release), Outcomes::default());
        let receipt = job.observe(&self.world, &done).await.unwrap();
        job.act(&self.world, &done, &receipt).await.unwrap().0
    }

    fn ends(&self, outcome: Outcome) {
        self.workspace.control().script("train", "*", outcome);
    }

    fn starts(&self) -> usize {
        let requests = self.workspace.control().requests();
        requests.iter().filter(|r| r.path.ends_with("/run-now")).count()
    }

    async fn runs(&self) -> usize {
        let request = Request::get("/api/2.2/jobs/runs/list").query("job_id", self.job.to_string());
        let list = self.world.workspace.call(request).await.unwrap().json().unwrap();
        list["runs"].as_array().map_or(0, Vec::len)
    }

    /// A version whose MLflow run says that it belongs to this job run.
    async fn version_of(&self, job_run: &str) -> ModelVersion {
        let name = format!("/Shared/{}", uuid());
        let experiment = self.post("/api/2.0/mlflow/experiments/create", json!({"name": name})).await;
        let tags = json!([{"key": "mlflow.databricks.jobRunID", "value": job_run}, {"key": "git_sha", "value": "abc"}]);
        let body = json!({"experiment_id": experiment["experiment_id"], "tags": tags});
        let run = self.post("/api/2.0/mlflow/runs/create", body).await;
        let run_id = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        let new = NewVersion { source: format!("runs:/{run_id}/model"), run_id, ..NewVersion::default() };
        let registry = Registry(self.world.workspace.as_ref());
        let made = registry.create_version(&self.model, &new).await.unwrap();
        registry.finalize(&self.model, made.version).await.unwrap().version
    }

    /// What following it says when it has no time at all.
    async fn overdue(&self, purpose: Purpose) -> Failure {
        self.workspace.control().advance(Duration::from_secs(1));
        let identity = vec![purpose.noun().to_owned()];
        let job = RunJob { purpose, identity, timeout: Duration::ZERO, ..self.training("r1") };
        let done = Outcomes::default();
        let receipt = job.observe(&self.world, &done).await.unwrap();
        job.act(&self.world, &done, &receipt).await.unwrap_err().failure
    }

    /// A version of a run of ours whose files never arrived.
    async fn pending(&self, task: &str) {
        let experiment = self.post("/api/2.0/mlflow/experiments/create", json!({"name": "/Shared/pending"})).await;
        let tags = json!([{"key": "mlflow.databricks.jobRunID", "value": task}]);
        let body = json!({"experiment_id": experiment["experiment_id"], "tags": tags});
        let run = self.post("/api/2.0/mlflow/runs/create", body).await;
        let run_id = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        let new = NewVersion { source: "runs:/x/model".into(), run_id, ..NewVersion::default() };
        Registry(self.world.workspace.as_ref()).create_version(&self.model, &new).await.unwrap();
    }

    async fn find(&self, ended: &Value, way: &Way) -> Result<Made, Failure> {
        find(&self.world, &self.model, ended, way).await
    }
}

fn uuid() -> String {
    tempfile::Builder::new().tempdir().unwrap().path().file_name().unwrap().to_string_lossy().into_owned()
}

fn failed() -> Outcome {
    Outcome::Failed { error: "ValueError: no customers".into() }
}

fn fine() -> Outcome {
    Outcome::Success { logs: String::new() }
}

#[tokio::test]
async fn a_failed_training_is_followed_by_a_new_attempt_and_a_good_one_is_reused() {
    let scene = Scene::set().await;
    scene.ends(failed());
    let first = scene.train("r1").await;
    assert_eq!(first["result_state"], "FAILED");
    scene.ends(fine());
    let second = scene.train("r1").await;
    assert_eq!(second["result_state"], "SUCCESS");
    assert_ne!(first["run_id"], second["run_id"]);
    let again = scene.train("r1").await;
    assert_eq!(again["run_id"], second["run_id"]);
    assert_eq!(scene.runs().await, 2);
    let other = scene.train("r2").await;
    assert_ne!(other["run_id"], second["run_id"]);
}

/// A run that fails while it is followed is an end, and not a reason to start another.
#[tokio::test]
async fn one_stage_makes_one_attempt() {
    let scene = Scene::set().await;
    scene.ends(failed());
    for attempt in 1..=3 {
        assert_eq!(scene.train("r1").await["result_state"], "FAILED");
        assert_eq!(scene.runs().await, attempt);
    }
}

#[tokio::test]
async fn a_run_that_goes_on_after_its_runner_was_killed_is_followed() {
    let scene = Scene::set().await;
    scene.workspace.control().fail(Rule::on("GET", "*/jobs/runs/get", Fault::Delay { millis: 60_000 }));
    let (job, done) = (scene.training("r1"), Outcomes::default());
    let receipt = job.observe(&scene.world, &done).await.unwrap();
    tokio::select! {
        _ = job.act(&scene.world, &done, &receipt) => panic!("it ended before it was killed"),
        () = scene.workspace.control().faults().delaying() => {}
    }
    assert_eq!((scene.starts(), scene.runs().await), (1, 1));
    assert_eq!(scene.train("r1").await["result_state"], "SUCCESS");
    assert_eq!(scene.runs().await, 1);
}

#[tokio::test]
async fn a_persons_cancel_cancels_the_run() {
    let scene = Scene::set().await;
    let (stop, asked) = Stop::new();
    let job = RunJob { stop: asked, ..scene.training("r1") };
    stop.send(true).unwrap();
    let done = Outcomes::default();
    let receipt = job.observe(&scene.world, &done).await.unwrap();
    let error = job.act(&scene.world, &done, &receipt).await.unwrap_err();
    assert_eq!(error.failure.reason, Reason::Cancelled);
    assert!(scene.workspace.control().requests().iter().any(|r| r.path.ends_with("/runs/cancel")));
}

#[tokio::test]
async fn the_version_of_our_run_is_found_among_others() {
    let scene = Scene::set().await;
    let ended = scene.train("r1").await;
    let task = ended["task_runs"]["train"].as_i64().unwrap().to_string();
    assert_eq!(scene.find(&ended, &Way::Run).await.unwrap_err().reason, Reason::NoModelVersion);
    scene.version_of("17").await;
    let ours = scene.version_of(&task).await;
    scene.version_of("18").await;
    let made = scene.find(&ended, &Way::Run).await.unwrap();
    assert_eq!(made.version.version, ours);
    assert_eq!(made.run.tags["git_sha"], "abc");
    // The second is the job's as a whole, with somebody else's between the two.
    let second = scene.version_of(&ended["run_id"].to_string()).await;
    let failure = scene.find(&ended, &Way::Run).await.unwrap_err();
    assert_eq!(failure.reason, Reason::TwoModelVersions);
    assert!(failure.message.contains(&format!("{ours} and {second}")), "{failure}");
}

#[tokio::test]
async fn an_alias_or_a_task_may_name_the_version() {
    let scene = Scene::set().await;
    let ended = scene.train("r1").await;
    let challenger = mlops_deploy::domain::Alias::parse("challenger").unwrap();
    let by_alias = Way::Alias(challenger.clone());
    assert_eq!(scene.find(&ended, &by_alias).await.unwrap_err().reason, Reason::NoModelVersion);
    let registry = Registry(scene.world.workspace.as_ref());
    let old = scene.version_of("17").await;
    registry.set_alias(&scene.model, &challenger, old).await.unwrap();
    let failure = scene.find(&ended, &by_alias).await.unwrap_err();
    assert_eq!(failure.reason, Reason::NoModelVersion);
    assert!(failure.message.contains(&format!("version {old} is of job run 17")), "{failure}");
    let task = ended["task_runs"]["train"].as_i64().unwrap().to_string();
    let version = scene.version_of(&task).await;
    registry.set_alias(&scene.model, &challenger, version).await.unwrap();
    assert_eq!(scene.find(&ended, &by_alias).await.unwrap().version.version, version);
    for task in ["train", "other"] {
        let failure = scene.find(&ended, &Way::Task(task.into())).await.unwrap_err();
        assert_eq!(failure.reason, Reason::NoModelVersion, "{failure}");
    }
}

#[tokio::test]
async fn a_version_that_never_becomes_ready_is_refused() {
    let scene = Scene::set().await;
    let ended = scene.train("r1").await;
    let task = ended["task_runs"]["train"].as_i64().unwrap().to_string();
    scene.pending(&task).await;
    let failure = scene.find(&ended, &Way::Run).await.unwrap_err();
    assert_eq!(failure.reason, Reason::VersionNotReady);
    assert!(failure.message.contains("PENDING_REGISTRATION"), "{failure}");
}

#[tokio::test]
async fn a_model_that_is_not_there_is_named() {
    let scene = Scene::set().await;
    let ended = scene.train("r1").await;
    let other = ModelName::parse("main.default.other").unwrap();
    let failure = find(&scene.world, &other, &ended, &Way::Run).await.unwrap_err();
    assert_eq!(failure.reason, Reason::NoSuchModel);
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[tokio::test]
async fn tags_are_set_and_taken_off_again_as_they_were() {
    let scene = Scene::set().await;
    let version = scene.version_of("17").await;
    let registry = Registry(scene.world.workspace.as_ref());
    registry
        .set_version_tags(&scene.model, version, &tags(&[("gate", "before"), ("team", "risk")]), &[])
        .await
        .unwrap();
    let change =
        TagVersion { model: scene.model.clone(), version, tags: tags(&[("gate", "passed"), ("release", "r1")]) };
    let done = Outcomes::default();
    let receipt = change.observe(&scene.world, &done).await.unwrap();
    assert_eq!(change.find(&scene.world, &receipt).await.unwrap(), Found::NotDone);
    let outcome = change.act(&scene.world, &done, &receipt).await.unwrap();
    let standing = async || registry.version_tags(&scene.model, version).await.unwrap().unwrap();
    assert_eq!(standing().await, tags(&[("gate", "passed"), ("release", "r1"), ("team", "risk")]));
    assert!(matches!(change.find(&scene.world, &receipt).await.unwrap(), Found::Done(_)));
    // Another process takes it back, with what the journal kept.
    let rebuilt = TagVersion::rebuild(&change.spec()).unwrap();
    let kept = Receipt(serde_json::from_str(&receipt.0.to_string()).unwrap());
    assert_eq!(rebuilt.undo(&scene.world, &kept, Some(&outcome)).await.unwrap(), Undone::TakenBack);
    assert_eq!(standing().await, tags(&[("gate", "before"), ("team", "risk")]));
    assert_eq!(rebuilt.undo(&scene.world, &kept, None).await.unwrap(), Undone::NothingToDo);
}

#[tokio::test]
async fn a_tag_that_somebody_set_since_stays() {
    let scene = Scene::set().await;
    let version = scene.version_of("17").await;
    let change = TagVersion { model: scene.model.clone(), version, tags: tags(&[("gate", "passed")]) };
    let done = Outcomes::default();
    let receipt = change.observe(&scene.world, &done).await.unwrap();
    change.act(&scene.world, &done, &receipt).await.unwrap();
    let registry = Registry(scene.world.workspace.as_ref());
    registry.set_version_tags(&scene.model, version, &tags(&[("gate", "by hand")]), &[]).await.unwrap();
    let error = change.undo(&scene.world, &receipt, None).await.unwrap_err();
    assert_eq!(error.kind, StepErrorKind::Drift);
    assert_eq!(registry.version_tags(&scene.model, version).await.unwrap().unwrap(), tags(&[("gate", "by hand")]));
}

#[tokio::test]
async fn the_words_of_what_goes_wrong() {
    let scene = Scene::set().await;
    let mut told = Vec::new();
    let ended = scene.train("r1").await;
    let task = ended["task_runs"]["train"].as_i64().unwrap().to_string();
    let challenger = mlops_deploy::domain::Alias::parse("challenger").unwrap();
    for way in [Way::Run, Way::Task("train".into()), Way::Alias(challenger)] {
        told.push(scene.find(&ended, &way).await.unwrap_err());
    }
    let other = ModelName::parse("main.default.other").unwrap();
    told.push(find(&scene.world, &other, &ended, &Way::Run).await.unwrap_err());
    scene.pending(&task).await;
    told.push(scene.find(&ended, &Way::Run).await.unwrap_err());
    scene.version_of(&task).await;
    told.push(scene.find(&ended, &Way::Run).await.unwrap_err());
    told.push(scene.overdue(Purpose::Training).await);
    let scene = Scene::set().await;
    told.push(scene.overdue(Purpose::Validation).await);
    let said = |failure: &Failure| format!("[{}]\n{}", failure.reason.name(), text(failure));
    let text = told.iter().map(said).collect::<Vec<_>>().join("\n\n");
    let hosts = text.split("http://127.0.0.1:").collect::<Vec<_>>();
    let plain = hosts.iter().enumerate().map(|(i, part)| match i {
        0 => (*part).to_owned(),
        _ => format!("https://dbc.example.com{}", part.trim_start_matches(|c: char| c.is_ascii_digit())),
    });
    insta::assert_snapshot!(plain.collect::<String>());
}
