//! The model registry and tracking of the stand-in, judged by MLflow's own client; and our registry calls against it.

mod promotion;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mlops_deploy::adapters::databricks::{PersonalToken, Settings, Workspace};
use mlops_deploy::adapters::host::{Masker, SystemClock};
use mlops_deploy::adapters::http;
use mlops_deploy::domain::{Alias, ModelName, ModelVersion, Secret, VersionStatus};
use mlops_deploy::ports::{Request, Rest};
use mlops_deploy::rehearsal::workspace::{self, Config, Leniency, Running};
use mlops_deploy::steps::model::{Registry, registry::NewVersion};
use serde_json::json;

async fn strict() -> Running {
    let mut config = Config::per_token();
    config.leniency = Leniency::Strict;
    workspace::serve(config).await.unwrap()
}

/// The environment that `make mlflow` makes.
fn python() -> Option<PathBuf> {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/mlflow/bin/python");
    let found = Command::new(&python).args(["-c", "import mlflow, pandas"]).output();
    if found.is_ok_and(|o| o.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: no .venv/mlflow with MLflow in it; `make mlflow` makes one");
    None
}

/// One of the clients beside these stories; its first argument are the sources of the example, whose model it is.
fn script(name: &str, sources: &Path) -> Option<tokio::process::Command> {
    let mut command = tokio::process::Command::new(python()?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(name)).arg(sources);
    command.env("NO_PROXY", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1").env("HOME", std::env::temp_dir());
    command.kill_on_drop(true);
    Some(command)
}

async fn judged(native: &str) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/churn/src");
    let Some(mut command) = script("mlflow_client.py", &sources) else { return };
    let workspace = strict().await;
    let home = tempfile::tempdir().unwrap();
    command.arg(workspace.url()).env("HOME", home.path()).env("MLFLOW_ENABLE_UC_NATIVE_MODEL_REGISTRY", native);
    let output = tokio::time::timeout(Duration::from_secs(300), command.output()).await;
    let output = output.unwrap().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim_end().ends_with("all fine"), "{said}\n{complained}");
}

#[tokio::test]
async fn mlflows_client_logs_registers_copies_and_predicts_on_the_older_surface() {
    judged("false").await;
}

#[tokio::test]
async fn mlflows_client_logs_registers_copies_and_predicts_on_the_newer_surface() {
    judged("true").await;
}

fn client(workspace: &Running) -> Workspace {
    let masker = Arc::new(Masker::new());
    let identity = PersonalToken::new(workspace.url(), Secret::new("dbapi0registry"), &masker).unwrap();
    let http = http::client(&http::user_agent(true)).unwrap();
    let settings = Settings::new(workspace.url());
    Workspace::new(settings, http, Arc::new(identity), Arc::new(SystemClock), masker).unwrap()
}

fn number(n: u64) -> ModelVersion {
    ModelVersion::new(n).unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// A model of the workspace, and our way to its registry.
async fn with_model(workspace: &Running) -> (Workspace, ModelName) {
    let rest = client(workspace);
    let body = json!({"catalog_name": "main", "schema_name": "default", "name": "churn"});
    rest.call(Request::post("/api/2.1/unity-catalog/models", body)).await.unwrap();
    (rest, ModelName::parse("main.default.churn").unwrap())
}

#[tokio::test]
async fn a_version_waits_for_its_files_and_its_number_is_never_used_again() {
    let workspace = strict().await;
    let (rest, name) = with_model(&workspace).await;
    let registry = Registry(&rest);
    let new = NewVersion {
        source: "runs:/r1/model".into(),
        run_id: "r1".into(),
        comment: "First".into(),
        tags: tags(&[("git_sha", "abc")]),
        model_id: String::new(),
    };
    let made = registry.create_version(&name, &new).await.unwrap();
    assert_eq!((made.version, &made.status), (number(1), &VersionStatus::Pending));
    assert_eq!(registry.finalize(&name, number(1)).await.unwrap().status, VersionStatus::Ready);
    assert!(registry.finalize(&name, number(1)).await.is_err());
    let read = registry.version(&name, number(1)).await.unwrap().unwrap();
    assert_eq!((read.run_id.as_str(), read.source.as_str(), read.comment.as_str()), ("r1", "runs:/r1/model", "First"));
    registry.create_version(&name, &new).await.unwrap();
    registry.delete_version(&name, number(2)).await.unwrap();
    assert_eq!(registry.create_version(&name, &new).await.unwrap().version, number(3));
    let all = registry.versions(&name).await.unwrap();
    assert_eq!(all.iter().map(|v| v.version).collect::<Vec<_>>(), [number(1), number(3)]);
}

#[tokio::test]
async fn aliases_move_and_tags_are_set_and_taken_away_together() {
    let workspace = strict().await;
    let (rest, name) = with_model(&workspace).await;
    let registry = Registry(&rest);
    let new =
        NewVersion { source: "runs:/r1/model".into(), tags: tags(&[("a", "1"), ("b", "2")]), ..Default::default() };
    for _ in 0..2 {
        registry.create_version(&name, &new).await.unwrap();
    }
    let champion = Alias::parse("champion").unwrap();
    assert!(registry.by_alias(&name, &champion).await.unwrap().is_none());
    for version in [number(1), number(2)] {
        registry.set_alias(&name, &champion, version).await.unwrap();
    }
    assert_eq!(registry.by_alias(&name, &champion).await.unwrap().unwrap().version, number(2));
    let model = registry.model(&name).await.unwrap().unwrap();
    assert_eq!(model.aliases, BTreeMap::from([(champion.clone(), number(2))]));
    assert!(!model.metastore_id.is_empty() && !model.owner.is_empty());
    registry.delete_alias(&name, &champion).await.unwrap();
    assert!(registry.by_alias(&name, &champion).await.unwrap().is_none());
    registry.set_version_tags(&name, number(2), &tags(&[("b", "3"), ("c", "4")]), &["a".to_owned()]).await.unwrap();
    assert_eq!(registry.version_tags(&name, number(2)).await.unwrap().unwrap(), tags(&[("b", "3"), ("c", "4")]));
}

/// An older workspace knows only MLflow's surface for what no reference documents.
#[tokio::test]
async fn the_older_surface_serves_where_the_newer_is_unknown() {
    use mlops_deploy::rehearsal::front::{Fault, Rule};
    let workspace = strict().await;
    let (rest, name) = with_model(&workspace).await;
    let registry = Registry(&rest);
    let body = Some(json!({"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found"}));
    let unknown = Fault::StatusBefore { status: 404, headers: BTreeMap::new(), body };
    for (method, path) in [("POST", "*/models/versions"), ("PATCH", "*/finalize"), ("PATCH", "*/subentity-tags/*")] {
        workspace.control().fail(Rule::on(method, path, unknown.clone()));
    }
    let new = NewVersion { source: "runs:/r1/model".into(), ..Default::default() };
    registry.create_version(&name, &new).await.unwrap();
    assert_eq!(registry.finalize(&name, number(1)).await.unwrap().status, VersionStatus::Ready);
    registry.set_version_tags(&name, number(1), &tags(&[("gate", "passed")]), &[]).await.unwrap();
    assert_eq!(registry.version_tags(&name, number(1)).await.unwrap().unwrap(), tags(&[("gate", "passed")]));
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_cannot_be_read() {
    let workspace = strict().await;
    let (rest, name) = with_model(&workspace).await;
    let registry = Registry(&rest);
    assert!(registry.version(&name, number(7)).await.unwrap().is_none());
    assert!(registry.version_tags(&name, number(7)).await.unwrap().is_none());
    let other = ModelName::parse("main.default.other").unwrap();
    assert!(registry.model(&other).await.unwrap().is_none());
    assert!(registry.versions(&other).await.is_err());
}
