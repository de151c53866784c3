//! Our calls of runs and registry against a server that nobody here wrote: `mlflow server`.
//!
//! It has the surface that Unity Catalog's older one was made from, under shorter paths. Between it and us stands only what
//! an older workspace would say of the newer surface, and those paths.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use mlops_deploy::adapters::databricks::{PersonalToken, Settings, Workspace};
use mlops_deploy::adapters::host::{Masker, SystemClock};
use mlops_deploy::adapters::http;
use mlops_deploy::domain::{Alias, ModelName, Secret, VersionStatus};
use mlops_deploy::ports::{Method, Reply, Request, Rest, RestError, World};
use mlops_deploy::steps::model::find_version::{Way, find};
use mlops_deploy::steps::model::measured::measured;
use mlops_deploy::steps::model::{Registry, registry::NewVersion};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{number, python, script, tags};

const NATIVE: &str = "/api/2.1/unity-catalog";
const MODEL: &str = "main.default.churn";

struct Server {
    _process: Child,
    _folder: TempDir,
    url: String,
}

impl Server {
    async fn start() -> Option<Self> {
        let python = python()?;
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(python);
        command.args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "0", "--workers", "1"]);
        command.args(["--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "artifacts"]);
        command.env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false");
        command.current_dir(folder.path()).env("NO_PROXY", "127.0.0.1").env("HOME", folder.path());
        // It starts workers of its own, which end with it when it is asked to, not when it is killed.
        command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let url = loop {
            let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended: {said}"));
            if let Some((_, rest)) = line.split_once("Uvicorn running on ") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
            said.push_str(&line);
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some(Self { _process: process, _folder: folder, url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(id) = self._process.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::TERM);
        }
    }
}

/// A workspace that knows only the older surface, and that under MLflow's own paths.
struct Older(Workspace);

#[async_trait]
impl Rest for Older {
    fn host(&self) -> &str {
        self.0.host()
    }

    async fn call(&self, mut request: Request) -> Result<Reply, RestError> {
        let listed = format!("{NATIVE}/models/{MODEL}/versions");
        let model = format!("{NATIVE}/models/{MODEL}");
        let alias = format!("{NATIVE}/models/{MODEL}/aliases/challenger");
        let filter = format!("name = '{MODEL}'");
        let path = request.path.replace("/mlflow/unity-catalog/", "/mlflow/");
        let (path, query) = match path {
            path if path == listed => {
                ("/api/2.0/mlflow/model-versions/search".to_owned(), vec![("filter", filter.as_str())])
            }
            path if path == model => ("/api/2.0/mlflow/registered-models/get".to_owned(), vec![("name", MODEL)]),
            path if path == alias => {
                ("/api/2.0/mlflow/registered-models/alias".to_owned(), vec![("name", MODEL), ("alias", "challenger")])
            }
            path if path.starts_with(NATIVE) => {
                return Err(RestError::Status {
                    status: 404,
                    error_code: "ENDPOINT_NOT_FOUND".into(),
                    message: "No API found".into(),
                    details: Value::Null,
                });
            }
            path => (path, vec![]),
        };
        request.path = path;
        if !query.is_empty() {
            request.query = query.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        }
        let mut reply = self.0.call(request).await?;
        // What MLflow's surface wraps, the native one does not.
        if let Ok(answer) = reply.json()
            && let Some(inner) = answer.get("registered_model").or(answer.get("model_version"))
        {
            reply.body = inner.to_string().into();
        }
        Ok(reply)
    }

    async fn download(&self, request: Request, to: &Path) -> Result<Reply, RestError> {
        self.0.download(request, to).await
    }
}

fn world(url: &str) -> World {
    let masker = Arc::new(Masker::new());
    let identity = PersonalToken::new(url, Secret::new("nobody-asks"), &masker).unwrap();
    let client = http::client(&http::user_agent(true)).unwrap();
    let rest = Workspace::new(Settings::new(url), client, Arc::new(identity), Arc::new(SystemClock), masker).unwrap();
    World { workspace: Arc::new(Older(rest)), clock: Arc::new(SystemClock), ..crate::nowhere::world() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mlflows_client_leaves_on_mlflows_server_is_found_measured_and_tagged() {
    let Some(server) = Server::start().await else { return };
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/churn/src");
    let mut command = script("mlflow_server.py", &sources).unwrap();
    let output = command.args([&server.url, MODEL]).output().await.unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    let left: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();

    let (world, model) = (world(&server.url), ModelName::parse(MODEL).unwrap());
    // The run of job 77 among those of others.
    let ended = json!({"job": "fit", "run_id": 77, "task_runs": {"fit": 78}, "start_time": 0});
    let made = find(&world, &model, &ended, &Way::Run).await.unwrap();
    assert_eq!(json!(made.version.version.to_string()), left["version"]);
    assert_eq!(json!(made.version.run_id), left["run_id"]);
    assert_eq!((made.version.status.clone(), made.run.tags["git_sha"].as_str()), (VersionStatus::Ready, "abc"));
    let challenger = Way::Alias(Alias::parse("challenger").unwrap());
    assert_eq!(find(&world, &model, &ended, &challenger).await.unwrap().version.version, made.version.version);
    let metrics = measured(&world, &made.version, &["auc", "odd", "endless"]).await.unwrap();
    assert_eq!((metrics["auc"].value, metrics["auc"].dataset.as_deref()), (0.75, Some("d1")));
    assert!(metrics["odd"].value.is_nan() && metrics["endless"].value.is_infinite());

    let registry = Registry(world.workspace.as_ref());
    let run_id = left["run_id"].as_str().unwrap().to_owned();
    let source = left["source"].as_str().unwrap().to_owned();
    let new = NewVersion { source, run_id, tags: tags(&[("a", "1")]), comment: "Second".into(), ..Default::default() };
    let second = registry.create_version(&model, &new).await.unwrap();
    assert_eq!((second.version, second.comment.as_str()), (number(3), "Second"));
    registry.set_version_tags(&model, second.version, &tags(&[("b", "2")]), &["a".to_owned()]).await.unwrap();
    assert_eq!(registry.version_tags(&model, second.version).await.unwrap().unwrap(), tags(&[("b", "2")]));
    assert!(registry.version_tags(&model, number(9)).await.unwrap().is_none());
    let gone = Request::new(Method::Get, "/api/2.0/mlflow/runs/get").query("run_id", "0".repeat(32));
    assert!(world.workspace.call(gone).await.unwrap_err().is_not_found());
}
