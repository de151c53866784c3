//! The stand-in workspace, judged by clients that nobody here wrote; and Python tasks that really run.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use mlops_deploy::rehearsal::github::{Config as GitHubConfig, Event, GitHub, JobSpec};
use mlops_deploy::rehearsal::workspace::{self, Config, Federation, Leniency, Policy, Principal, Tasks, Uploads};
use serde_json::{Value, json};

/// The environment that `make test` makes, with the Databricks SDK for Python in it.
fn python_with_sdk() -> Option<PathBuf> {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let found = Command::new(&python).args(["-c", "import databricks.sdk"]).output();
    found.is_ok_and(|o| o.status.success()).then_some(python)
}

fn strict(tasks: Tasks) -> Config {
    Config { leniency: Leniency::Strict, uploads: Uploads::Multipart, tasks, ..Config::per_token() }
}

#[tokio::test]
async fn the_databricks_sdk_for_python_finds_its_workspace() {
    let Some(python) = python_with_sdk() else {
        eprintln!("skipped: no .venv with the Databricks SDK for Python; `make test` makes one");
        return;
    };
    let workspace = workspace::serve(strict(Tasks::scripted())).await.unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients/databricks_sdk.py");
    let mut command = tokio::process::Command::new(python);
    command.arg(script).arg(workspace.url()).env("NO_PROXY", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::time::timeout(Duration::from_secs(120), command.output()).await.unwrap().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim_end().ends_with("all fine"), "{said}\n{complained}");
}

/// It signs in by itself: the ID token of a job of the stand-in GitHub for a token of the stand-in workspace.
#[tokio::test]
async fn the_databricks_sdk_for_python_signs_in_with_the_token_of_a_job() {
    let Some(python) = python_with_sdk() else { return };
    let github = GitHub::start(GitHubConfig::default()).unwrap();
    github.push("main", "ana", "Begin").unwrap();
    let spec = JobSpec::on(Event::push("main")).permit("id-token: write").unwrap().environment("dev");
    let (url, token) = github.start_job(spec).unwrap().id_token_request().unwrap();
    let subject = "repo:acme/churn:environment:dev".to_owned();
    let federation = Federation {
        jwks_url: github.jwks_url(),
        account_id: "acc".into(),
        principals: vec![(
            Principal::deployer("6f1c", "deploy-dev"),
            vec![Policy { issuer: github.issuer(), audiences: vec![], subject }],
        )],
        token_seconds: 300,
    };
    let workspace = workspace::serve(Config::federated(federation)).await.unwrap();
    let ask = "from databricks.sdk import WorkspaceClient; print(WorkspaceClient().current_user.me().user_name)";
    let mut command = tokio::process::Command::new(python);
    command.args(["-c", ask]).env_clear().env("NO_PROXY", "127.0.0.1").env("DATABRICKS_HOST", workspace.url());
    command.env("DATABRICKS_AUTH_TYPE", "github-oidc").env("DATABRICKS_CLIENT_ID", "6f1c");
    command.env("ACTIONS_ID_TOKEN_REQUEST_URL", url).env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", token);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "6f1c", "{}", String::from_utf8_lossy(&output.stderr));
}

/// A script that passes a value on, one that reads it, and one that fails.
const TRAIN: &str = r#"
import sys
from databricks.sdk.runtime import dbutils
with open("/Volumes/main/default/models/churn.txt", "w") as out:
    out.write("model for " + sys.argv[1])
dbutils.jobs.taskValues.set("auc", 0.9)
print("trained for", sys.argv[1])
"#;
const CHECK: &str = r#"
import sys
print(open("/Volumes/main/default/models/churn.txt").read(), "with", sys.argv[1])
"#;
const FAIL: &str = "raise ValueError('no data')\n";

#[tokio::test]
async fn python_tasks_run_for_real_and_leave_what_they_wrote() {
    if Command::new("python3").args(["-c", "import venv, ensurepip"]).output().is_ok_and(|o| !o.status.success()) {
        eprintln!("skipped: no python3 that can make a virtual environment");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let workspace = workspace::serve(strict(Tasks::local(folder.path(), vec![]))).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, body: Value| -> Value {
        let request = http.post(format!("{}{path}", workspace.url())).bearer_auth("dbapi0tasks").json(&body);
        let reply = request.send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.json().await.unwrap_or_default()
    };
    let get = async |path: String| -> Value {
        let reply = http.get(format!("{}{path}", workspace.url())).bearer_auth("dbapi0tasks").send().await.unwrap();
        let text = reply.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    let volume = json!({"catalog_name": "main", "schema_name": "default", "name": "models", "volume_type": "MANAGED"});
    post("/api/2.1/unity-catalog/volumes", volume).await;
    let mut tasks = vec![];
    for (key, source, needs, parameter) in [
        ("train", TRAIN, None, "{{job.parameters.who}}"),
        ("check", CHECK, Some("train"), "{{tasks.train.values.auc}}"),
        ("fail", FAIL, Some("check"), ""),
        ("never", FAIL, Some("fail"), ""),
    ] {
        let path = format!("/Workspace/Shared/{key}.py");
        let upload = format!("{}/api/2.0/workspace-files/import-file{path}?overwrite=true", workspace.url());
        assert_eq!(http.post(upload).bearer_auth("dbapi0tasks").body(source).send().await.unwrap().status(), 200);
        let depends_on: Vec<Value> = needs.map(|n| json!({"task_key": n})).into_iter().collect();
        let script = json!({"python_file": path, "parameters": [parameter]});
        tasks.push(json!({"task_key": key, "spark_python_task": script, "depends_on": depends_on}));
    }
    let job = json!({"name": "churn", "tasks": tasks, "parameters": [{"name": "who", "default": "acme"}]});
    let job = post("/api/2.2/jobs/create", job).await;
    let run = post("/api/2.2/jobs/run-now", json!({"job_id": job["job_id"]})).await;
    let run = ended(&get, &run["run_id"]).await;
    assert_eq!(
        (&run["state"]["life_cycle_state"], &run["state"]["result_state"]),
        (&json!("INTERNAL_ERROR"), &json!("FAILED"))
    );
    let output = async |index: usize| -> Value {
        get(format!("/api/2.2/jobs/runs/get-output?run_id={}", run["tasks"][index]["run_id"])).await
    };
    assert_eq!(output(0).await["logs"], "trained for acme\n");
    assert_eq!(output(1).await["logs"], "model for acme with 0.9\n");
    let failed = output(2).await;
    assert_eq!(failed["error"], "ValueError: no data");
    assert!(failed["error_trace"].as_str().unwrap().starts_with("Traceback"));
    assert_eq!(run["tasks"][3]["state"]["result_state"], "UPSTREAM_FAILED");
    let written = get("/api/2.0/fs/files/Volumes/main/default/models/churn.txt".into()).await;
    assert_eq!(written, "model for acme");
}

/// Asks until the run has ended; the deadline is for a hung interpreter.
async fn ended(get: &impl AsyncFn(String) -> Value, run: &Value) -> Value {
    let looking = async {
        loop {
            let now = get(format!("/api/2.2/jobs/runs/get?run_id={run}")).await;
            if now["state"]["life_cycle_state"] != "RUNNING" {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), looking).await.unwrap()
}
