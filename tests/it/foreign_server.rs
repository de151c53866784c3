//! The bundle engine, judged by a workspace server that nobody here wrote: MiniLake.
//!
//! It knows files, jobs, permissions and part of Unity Catalog, keeps what it is sent, and really runs the Python of a
//! job. It has no OIDC, no models and no locks: those stories are told against our own stand-in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const TOKEN: &str = "any-token-will-do";

const BUNDLE: &str = "\
bundle: {name: lake, engine: direct}
targets:
  dev: {default: true}
resources:
  schemas:
    ml: {name: ml, catalog_name: lake, grants: [{principal: users, privileges: [USE_SCHEMA]}]}
  volumes:
    raw: {name: raw, catalog_name: lake, schema_name: '${resources.schemas.ml.name}', volume_type: MANAGED}
  jobs:
    count:
      name: count
      max_concurrent_runs: 2
      tasks:
        - task_key: count
          environment_key: default
          spark_python_task: {python_file: src/count.py, parameters: ['4']}
        - task_key: again
          depends_on: [{task_key: count}]
          environment_key: default
          spark_python_task: {python_file: src/count.py, parameters: ['5']}
      environments: [{environment_key: default, spec: {environment_version: '4'}}]
      permissions: [{level: CAN_VIEW, group_name: users}]
";

const COUNT: &str = "import sys\nprint('counted', sum(range(int(sys.argv[1]))))\n";

/// The server that `make test` installs, and a bundle to deploy to it.
struct Lake {
    url: String,
    folder: TempDir,
    _server: Child,
}

impl Lake {
    async fn start() -> Option<Self> {
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/minilake/bin/minilake");
        if !program.exists() {
            eprintln!("skipped: no MiniLake in .cache; `make test` puts it there where its packages can be had");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("extensions")).unwrap();
        let mut command = Command::new(program);
        command.args(["--port", "0"]).env_clear().current_dir(folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder.path());
        // An extension folder of its own keeps it from fetching extensions.
        command.env("MINILAKE_DATA_DIR", "data").env("MINILAKE_DUCKDB_EXTENSION_DIR", "extensions");
        command.env("MINILAKE_JOB_EXECUTOR", "subprocess").env("MINILAKE_NOTEBOOK", "0").env("MINILAKE_VERBOSE", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut server = command.spawn().unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let address = async {
            let mut said = String::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, after)) = line.split_once("running on ") {
                    return after.split_whitespace().next().unwrap_or_default().to_owned();
                }
                said += &(line + "\n");
            }
            panic!("MiniLake does not start:\n{said}");
        };
        let url = tokio::time::timeout(Duration::from_secs(120), address).await.unwrap();
        // It blocks when nobody reads what it says.
        tokio::spawn(async move { while lines.next_line().await.is_ok_and(|line| line.is_some()) {} });
        let lake = Self { url, folder, _server: server };
        lake.post("/api/2.1/unity-catalog/catalogs", json!({"name": "lake"})).await;
        lake.write("databricks.yml", BUNDLE);
        lake.write("src/count.py", COUNT);
        Some(lake)
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.bundle().join(path);
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Runs a command that must end well and warn of nothing; what it printed, and what it said beside.
    async fn done(&self, args: &[&str]) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlops-deploy"));
        command.arg("bundle").args(args).current_dir(self.bundle()).env_clear().env("HOME", self.folder.path());
        command.env("DATABRICKS_HOST", &self.url).env("DATABRICKS_TOKEN", TOKEN).stdin(Stdio::null());
        let output = command.output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !said.contains("Warning"), "{args:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Value {
        let reply = request.bearer_auth(TOKEN).send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.call(http().get(format!("{}{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call(http().post(format!("{}{path}", self.url)).json(&body)).await
    }

    async fn jobs(&self) -> Vec<Value> {
        self.get("/api/2.2/jobs/list").await["jobs"].as_array().cloned().unwrap_or_default()
    }

    /// The files below a folder.
    async fn files_below(&self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let listing = self.get(&format!("/api/2.0/workspace/list?path={folder}")).await;
            for object in listing["objects"].as_array().into_iter().flatten() {
                let path = object["path"].as_str().unwrap().to_owned();
                if object["object_type"] == "DIRECTORY" { folders.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

const ROOT: &str = "/Workspace/Users/minilake-user/.bundle/lake/dev";
const NOTHING_TO_DO: &str = "Plan: 0 to add, 0 to change, 0 to delete, 5 unchanged\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_lives_its_whole_life_on_a_server_that_nobody_here_wrote() {
    let Some(lake) = Lake::start().await else { return };

    let (_, said) = lake.done(&["deploy"]).await;
    assert!(said.ends_with("Resources: 5 created, 0 changed, 0 deleted, 0 unchanged\n"), "{said}");
    let jobs = lake.jobs().await;
    assert_eq!((jobs.len(), &jobs[0]["settings"]["max_concurrent_runs"]), (1, &json!(2)));
    let id = jobs[0]["job_id"].to_string();
    let rights = lake.get(&format!("/api/2.0/permissions/jobs/{id}")).await;
    assert!(rights.to_string().contains("\"CAN_VIEW\"") && rights.to_string().contains("\"users\""), "{rights}");
    let granted = lake.get("/api/2.1/unity-catalog/permissions/schema/lake.ml").await;
    assert_eq!(granted["privilege_assignments"], json!([{"principal": "users", "privileges": ["USE_SCHEMA"]}]));
    let files = lake.files_below(&format!("{ROOT}/files")).await;
    assert_eq!(files, [format!("{ROOT}/files/databricks.yml"), format!("{ROOT}/files/src/count.py")]);
    assert_eq!(lake.done(&["plan"]).await.0, NOTHING_TO_DO);

    let (printed, said) = lake.done(&["run", "count"]).await;
    assert!(said.contains(" TERMINATED SUCCESS\n"), "{said}");
    assert!(printed.contains("Task count:\ncounted 6\n") && printed.contains("Task again:\ncounted 10\n"), "{printed}");

    // Somebody edits the job in the workspace: the plan sees it, and the next deployment takes it back.
    let edit = json!({"job_id": jobs[0]["job_id"], "new_settings": {"name": "count", "max_concurrent_runs": 9}});
    lake.post("/api/2.2/jobs/update", edit).await;
    let (plan, _) = lake.done(&["plan"]).await;
    assert_eq!(plan, "update jobs.count\n\nPlan: 0 to add, 1 to change, 0 to delete, 4 unchanged\n");
    let (document, _) = lake.done(&["plan", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&document).unwrap();
    let change = &document["plan"]["resources.jobs.count"]["changes"]["max_concurrent_runs"];
    assert_eq!((&change["old"], &change["new"], &change["remote"]), (&json!(2), &json!(2), &json!(9)), "{change}");
    lake.done(&["deploy"]).await;
    assert_eq!(lake.jobs().await[0]["settings"]["max_concurrent_runs"], 2);
    assert_eq!(lake.done(&["plan"]).await.0, NOTHING_TO_DO);

    // The bundle changes: one file, one resource less.
    lake.write("src/count.py", &COUNT.replace("counted", "reckoned"));
    lake.write("databricks.yml", &BUNDLE.replace("    raw:", "    kept:").replace("name: raw", "name: kept"));
    let (_, said) = lake.done(&["deploy", "--auto-approve"]).await;
    assert!(said.contains("Created volumes.kept\n") && said.contains("Deleted volumes.raw\n"), "{said}");
    assert!(lake.done(&["run", "count", "--only", "count"]).await.0.contains("reckoned 6\n"));

    lake.done(&["destroy", "--auto-approve"]).await;
    assert_eq!(lake.jobs().await.len(), 0);
    let left = lake.get("/api/2.1/unity-catalog/schemas?catalog_name=lake").await;
    assert!(!left.to_string().contains("\"ml\""), "{left}");
    let listing = http().get(format!("{}/api/2.0/workspace/list?path={ROOT}", lake.url)).bearer_auth(TOKEN).send();
    assert!(!listing.await.unwrap().status().is_success(), "the bundle's folder is left");
}
