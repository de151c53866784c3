//! A model version goes from staging to prod, byte for byte, whatever happens on the way.

mod cloud;
mod clouds;
mod interruptions;
mod refusals;
mod routes;
mod stories;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mlops_deploy::adapters::databricks::{PersonalToken, Settings, Workspace};
use mlops_deploy::adapters::host::Masker;
use mlops_deploy::adapters::http;
use mlops_deploy::adapters::retry::Pace;
use mlops_deploy::adapters::transfer::HttpTransfer;
use mlops_deploy::domain::{ModelName, ModelVersion, Secret};
use mlops_deploy::ports::transfer::Endpoints;
use mlops_deploy::ports::{Clock, Identity, World};
use mlops_deploy::rehearsal::workspace::{self, Config, Control, Leniency, ModelFiles, PutFile, Running};
use mlops_deploy::saga::{Graph, Journal, OnFailure, Options, Registry, Stop, Unwound, execute, unwind};
use mlops_deploy::steps::model::copy_version::{self, Copied, CopyVersion, Lineage};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const TOKEN: &str = "dbapi0copy";
const STORE: &str = "copy";
pub const SOURCE: &str = "/Models/staging/models/churn/1";
pub const TARGET: &str = "/Models/prod/models/churn";

const MLMODEL: &str = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n\
                       signature:\n  inputs: '[{\"type\": \"double\"}]'\n  outputs: '[{\"type\": \"double\"}]'\n";

/// The machine's clock, and nobody waits by it.
struct HastyClock;

#[async_trait]
impl Clock for HastyClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

/// A stand-in with `staging.models.churn/1` and an empty `prod.models.churn`.
pub struct Scene {
    workspace: Running,
    world: World,
    http: reqwest::Client,
}

/// How a copy ended: what came of it, or the reason and the text of the failure; and how it was taken back.
pub struct Ended {
    pub copied: Option<Copied>,
    pub reason: &'static str,
    pub said: String,
    pub unwound: Option<Unwound>,
}

impl Scene {
    pub async fn new() -> Self {
        Self::with(ModelFiles::FilesApi, Endpoints::default()).await
    }

    pub async fn with(model_files: ModelFiles, endpoints: Endpoints) -> Self {
        let catalogs = vec!["staging".to_owned(), "prod".to_owned()];
        let config = Config { catalogs, leniency: Leniency::Strict, model_files, ..Config::per_token() };
        let workspace = workspace::serve(config).await.unwrap();
        let world = world(workspace.url(), endpoints);
        let scene = Self { workspace, world, http: reqwest::Client::builder().no_proxy().build().unwrap() };
        for catalog in ["staging", "prod"] {
            scene.post("schemas", json!({"name": "models", "catalog_name": catalog})).await;
            let model = json!({"name": "churn", "catalog_name": catalog, "schema_name": "models"});
            scene.post("models", model).await;
        }
        scene
    }

    /// With a source that has small files, an empty one, an odd name, and one of two parts.
    pub async fn with_source() -> Self {
        let scene = Self::new().await;
        scene
            .source(&[("MLmodel", MLMODEL), ("requirements.txt", "scikit-learn==1.7\n"), ("data/empty.txt", "")])
            .await;
        scene.put(&format!("{SOURCE}/code/odd #1%20 \u{fc}.py"), PutFile::Text("print('hello')\n".into()));
        scene.put(&format!("{SOURCE}/data/weights.bin"), PutFile::Sparse((5 << 20) + 7));
        scene.control().forget_requests();
        scene
    }

    /// Registers version 1 with these files.
    pub async fn source(&self, files: &[(&str, &str)]) {
        self.version("staging", "runs:/1/model").await;
        for (path, text) in files {
            self.put(&format!("{SOURCE}/{path}"), PutFile::Text((*text).to_owned()));
        }
        self.finalize("staging", 1).await;
    }

    pub async fn version(&self, catalog: &str, source: &str) -> Value {
        let new = json!({"catalog_name": catalog, "schema_name": "models", "model_name": "churn", "source": source});
        self.post("models/versions", new).await
    }

    pub async fn finalize(&self, catalog: &str, version: u64) {
        let name = format!("{catalog}.models.churn");
        let body = json!({"full_name": name, "version": version});
        let at = format!("{}/api/2.1/unity-catalog/models/{name}/versions/{version}/finalize", self.workspace.url());
        let reply = self.http.patch(at).bearer_auth(TOKEN).json(&body).send().await.unwrap();
        assert!(reply.status().is_success(), "{}", reply.text().await.unwrap());
    }

    pub fn put(&self, path: &str, kind: PutFile) {
        self.control().put_file(TOKEN, path, kind).unwrap();
    }

    pub fn control(&self) -> &Control {
        self.workspace.control()
    }

    pub fn url(&self) -> &str {
        self.workspace.url()
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let at = format!("{}/api/2.1/unity-catalog/{path}", self.workspace.url());
        let reply = self.http.post(at).bearer_auth(TOKEN).json(&body).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.text().await.unwrap());
        reply.json().await.unwrap()
    }

    pub async fn tag(&self, version: u64, key: &str, value: &str) {
        let at = format!("{}/api/2.1/unity-catalog/subentity-tags/FUNCTION/staging.models.churn/{version}", self.url());
        let body = json!({"changes": {"add_tags": [{"key": key, "value": value}]}});
        let reply = self.http.patch(at).bearer_auth(TOKEN).json(&body).send().await.unwrap();
        assert!(reply.status().is_success(), "{}", reply.text().await.unwrap());
    }

    pub fn change(&self) -> CopyVersion {
        let lineage = Lineage {
            promotion_id: "p-1".into(),
            git_sha: Some("0123abc".into()),
            workflow_run: Some("https://github.example/acme/churn/actions/runs/7".into()),
        };
        let name = |catalog: &str| ModelName::new(catalog, "models", "churn").unwrap();
        CopyVersion::new(name("staging"), ModelVersion::new(1).unwrap(), name("prod"), lineage)
    }

    /// As a stage does it: what fails is taken back.
    pub async fn copy(&self) -> Ended {
        self.copy_as(self.change(), true).await
    }

    pub async fn copy_as(&self, change: CopyVersion, take_back: bool) -> Ended {
        let journal = Journal::new(|| "2026-11-25T23:00:00Z".into(), vec![]);
        let (_sender, stop) = Stop::new();
        let options = Options { parallelism: 1, on_failure: OnFailure::Stop, stop };
        let id = mlops_deploy::saga::Change::<World>::spec(&change).id();
        let graph = Graph::new().then(Arc::new(change));
        let execution = execute(&graph, &self.world, &journal, &options).await.unwrap();
        let copied = execution.outcomes.get(&id).as_ref().and_then(Copied::of);
        let mut unwound = None;
        if copied.is_none() && take_back {
            unwound = Some(unwind(&execution.begun, &registry(), &self.world, &journal).await);
        }
        let failure = execution.into_failure();
        let said = failure.as_ref().map(mlops_deploy::report::failure::text).unwrap_or_default();
        let reason = failure.map_or("", |f| f.reason.name());
        Ended { copied, reason, said, unwound }
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// Path below a version and digest of every file of it.
    pub fn files(&self, root: &str) -> BTreeMap<String, String> {
        let dump = self.control().dump();
        let storage = dump[STORE]["storage"].as_object().unwrap();
        let below = |path: &str| path.strip_prefix(root).and_then(|p| p.strip_prefix('/')).map(str::to_owned);
        let files = storage.iter().filter(|(_, entry)| entry["type"] == "FILE");
        files.filter_map(|(p, entry)| Some((below(p)?, entry["sha256"].as_str().unwrap().to_owned()))).collect()
    }

    /// Number, status and tags of each version of the target.
    pub fn versions(&self) -> Vec<(u64, String, Value)> {
        let dump = self.control().dump();
        let all = dump[STORE]["tables"]["model_versions"].as_object().unwrap().clone();
        let of_target = all.into_iter().filter(|(key, _)| key.starts_with("prod.models.churn/"));
        let read = |(_, v): (String, Value)| {
            (v["version"].as_u64().unwrap(), v["status"].as_str().unwrap().to_owned(), v["tags"].clone())
        };
        of_target.map(read).collect()
    }

    pub fn ready(&self) -> Vec<u64> {
        self.versions().into_iter().filter(|(_, status, _)| status == "READY").map(|(number, ..)| number).collect()
    }

    /// Whatever can be loaded is the original, and there is at most one of it.
    pub fn assert_only_right_copies(&self, context: &str) {
        let original = self.files(SOURCE);
        let ready = self.ready();
        assert!(ready.len() <= 1, "{context}: {ready:?}");
        for number in ready {
            assert_eq!(self.files(&format!("{TARGET}/{number}")), original, "{context}");
        }
    }
}

pub fn registry() -> Registry<World> {
    Registry::default().with(copy_version::VERB, |spec| Some(Arc::new(CopyVersion::of(spec)?)))
}

fn world(url: &str, endpoints: Endpoints) -> World {
    let masker = Arc::new(Masker::new());
    let identity: Arc<dyn Identity> = Arc::new(PersonalToken::new(url, Secret::new(TOKEN), &masker).unwrap());
    let mut settings = Settings::new(url);
    settings.pace = Pace::with_interval(Duration::from_millis(10));
    let clock: Arc<dyn Clock> = Arc::new(HastyClock);
    let client = http::client("story").unwrap();
    let rest = Workspace::new(settings, client, Arc::clone(&identity), Arc::clone(&clock), masker).unwrap();
    let transfer = HttpTransfer::new("story".into(), identity, endpoints);
    World { workspace: Arc::new(rest), transfer: Arc::new(transfer), clock, ..crate::nowhere::world() }
}

/// The canonical manifest's digest, put together here a second time.
pub fn manifest(files: &BTreeMap<String, (String, u64)>) -> String {
    let text: String = files.iter().map(|(path, (sha, size))| format!("{sha}  {size}  {path}\n")).collect();
    Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}
