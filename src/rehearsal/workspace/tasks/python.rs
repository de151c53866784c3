//! Runs a Python task in a virtual environment, on a copy of the workspace's files.
//!
//! Volumes come back: what a task wrote under `/Volumes` is in the workspace when the next task starts. Environments are
//! kept by what is installed in them, so that only the first run of a wheel pays for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::execute::Ended;
use super::{Local, Outcome};
use crate::rehearsal::workspace::serve::Server;
use crate::rehearsal::workspace::tree::{Language, Tree, What};

/// A task that may start.
pub(crate) struct Work {
    pub run: u64,
    pub task_run: u64,
    pub job_id: u64,
    pub job: String,
    pub key: String,
    /// The task's settings, references resolved.
    pub task: Value,
    pub environments: Value,
    pub parameters: BTreeMap<String, String>,
    pub named: BTreeMap<String, String>,
    pub positional: Option<Vec<String>>,
    /// Task values of the tasks before, by reference.
    pub values: BTreeMap<String, String>,
    pub run_as: String,
}

pub(crate) enum Kind {
    Script(String),
    Notebook(String),
    Wheel,
}

const LONGEST: Duration = Duration::from_secs(3600);
const SHIM: &str = include_str!("dbutils.py");

/// What kind of Python task it is; nothing for one that Python does not run.
pub(crate) fn kind_of(server: &Server, store: &str, work: &Work) -> Option<Kind> {
    if let Some(file) = work.task["spark_python_task"]["python_file"].as_str() {
        return Some(Kind::Script(file.to_owned()));
    }
    if !work.task["python_wheel_task"].is_null() {
        return Some(Kind::Wheel);
    }
    let path = work.task["notebook_task"]["notebook_path"].as_str()?;
    let place = path.strip_prefix("/Workspace").unwrap_or(path).to_owned();
    let is_python = server.with_store(
        store,
        |s, _| !matches!(s.files.get(&place).map(|n| &n.what), Some(What::Notebook(_, l)) if *l != Language::Python),
    );
    is_python.then(|| Kind::Notebook(path.to_owned()))
}

pub(crate) async fn run(
    server: &Server,
    local: &Local,
    store: &str,
    work: &Work,
    kind: Kind,
    token: &str,
) -> Result<Ended, String> {
    let root = local.folder.join("runs").join(work.run.to_string()).join(&work.key);
    let files = server.with_store(store, |s, _| {
        let mut storage = copied(&s.uc.storage);
        // Models are read and written by their own interface, not as files of a cluster.
        storage.retain(|(path, _)| path.starts_with("/Volumes/"));
        // A volume is a folder even while nothing lies in it.
        let volumes = s.get_table("volumes").into_iter().flat_map(|t| t.keys());
        storage.extend(volumes.map(|name| (format!("/Volumes/{}", name.replace('.', "/")), None)));
        (copied(&s.files), storage)
    });
    let laid = root.clone();
    // Writing a workspace of files is disk work; it must not hold up the server's threads.
    let was = tokio::task::spawn_blocking(move || lay_out(&laid, files))
        .await
        .map_err(|e| e.to_string())?
        .map_err(|e| format!("could not lay out the workspace's files: {e}"))?;
    let python = environment(local, work, &root).await?;
    let ended = call(server, work, kind, token, &root, &python).await?;
    let volumes = root.join("Volumes");
    let now_there = tokio::task::spawn_blocking(move || below(&volumes)).await.map_err(|e| e.to_string())?;
    bring_back(server, store, &was, now_there);
    Ok(ended)
}

type Files = Vec<(String, Option<Bytes>)>;

/// Folders have no bytes. Notebooks get their extension back, or Python would not import them.
fn copied(tree: &Tree) -> Files {
    let one = |(path, node): (&str, &crate::rehearsal::workspace::tree::Node)| match &node.what {
        What::Folder => Some((path.to_owned(), None)),
        What::File(content) => Some((path.to_owned(), Some(content.bytes().ok()?))),
        What::Notebook(content, Language::Python) => Some((format!("{path}.py"), Some(content.clone()))),
        What::Notebook(..) | What::Elsewhere(_) => None,
    };
    tree.iter().filter_map(one).collect()
}

/// Writes both trees; gives back digests of what lies under `/Volumes`.
fn lay_out(root: &Path, (files, storage): (Files, Files)) -> std::io::Result<BTreeMap<String, String>> {
    std::fs::create_dir_all(root.join("Volumes"))?;
    std::fs::create_dir_all(root.join("Workspace"))?;
    std::fs::write(root.join("sitecustomize.py"), SHIM)?;
    let mut was = BTreeMap::new();
    let all = files.into_iter().map(|(p, c)| (format!("/Workspace{p}"), c)).chain(storage);
    for (path, content) in all {
        let at = root.join(path.trim_start_matches('/'));
        match content {
            None => std::fs::create_dir_all(at)?,
            Some(content) => {
                if let Some(folder) = at.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                was.insert(path, digest(&content));
                std::fs::write(at, content)?;
            }
        }
    }
    Ok(was)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn below(folder: &Path) -> Vec<(String, Bytes)> {
    let mut found = vec![];
    let mut folders = vec![(folder.to_path_buf(), "/Volumes".to_owned())];
    while let Some((folder, name)) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = format!("{name}/{}", entry.file_name().to_string_lossy());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push((entry.path(), path)),
                Ok(kind) if kind.is_file() => found.extend(std::fs::read(entry.path()).map(|b| (path, b.into()))),
                _ => {}
            }
        }
    }
    found
}

/// New and changed files of volumes that exist.
fn bring_back(server: &Server, store: &str, was: &BTreeMap<String, String>, now_there: Vec<(String, Bytes)>) {
    server.with_store(store, |store, now| {
        for (path, content) in now_there {
            let volume: Vec<&str> = path.splitn(6, '/').skip(2).take(3).collect();
            let known = store.get("volumes", &volume.join(".")).is_some();
            if !known || was.get(&path).is_some_and(|d| *d == digest(&content)) {
                continue;
            }
            let ids = &mut store.ids;
            let folder = crate::rehearsal::workspace::tree::parent(&path).to_owned();
            let made = store.uc.storage.folders(&folder, now, || ids.number());
            if made.is_ok() {
                let id = store.ids.number();
                store.uc.storage.put(&path, What::File(content.into()), id, now);
            }
        }
    });
}

/// The interpreter of an environment with the task's libraries.
async fn environment(local: &Local, work: &Work, root: &Path) -> Result<PathBuf, String> {
    let wanted = requirements(local, work, root);
    let mut key = Sha256::new();
    for want in &wanted {
        key.update(want.as_bytes());
        if let Ok(wheel) = std::fs::read(want) {
            key.update(wheel);
        }
    }
    let key: String = key.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let place = local.folder.join("environments").join(key);
    let (ready, python) = (place.join("ready"), place.join("bin/python"));
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _building = ONE_AT_A_TIME.lock().await;
    if ready.exists() {
        return Ok(python);
    }
    let place_text = place.display().to_string();
    let python_text = python.display().to_string();
    let has_uv = succeeds("uv", &["--version"]).await.is_ok();
    if has_uv {
        succeeds("uv", &["venv", "--quiet", "--clear", &place_text]).await?;
    } else {
        // Bringing pip takes seconds, and nobody asks for it when there is nothing to install.
        let pip = if wanted.is_empty() { &["--without-pip"][..] } else { &[] };
        succeeds("python3", &[&["-m", "venv"], pip, &[place_text.as_str()]].concat()).await?;
    }
    if !wanted.is_empty() {
        let install: Vec<&str> = wanted.iter().map(String::as_str).collect();
        if has_uv {
            succeeds("uv", &[&["pip", "install", "--quiet", "--python", &python_text], install.as_slice()].concat())
                .await?;
        } else {
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            succeeds(&python_text, &[&pip, install.as_slice()].concat()).await?;
        }
    }
    std::fs::write(&ready, b"").map_err(|e| e.to_string())?;
    Ok(python)
}

/// Libraries of the task and dependencies of its environment; workspace paths become files.
fn requirements(local: &Local, work: &Work, root: &Path) -> Vec<String> {
    let mut wanted = local.runtime.clone();
    for library in work.task["libraries"].as_array().into_iter().flatten() {
        let one = library["whl"].as_str().or(library["pypi"]["package"].as_str());
        wanted.extend(one.map(str::to_owned));
    }
    let environment = work.environments.as_array().into_iter().flatten();
    let mine = environment
        .filter(|e| !work.task["environment_key"].is_null() && e["environment_key"] == work.task["environment_key"]);
    for environment in mine {
        let listed = environment["spec"]["dependencies"].as_array().into_iter().flatten();
        wanted.extend(listed.filter_map(|d| d.as_str().map(str::to_owned)));
    }
    let on_disk = |w: String| match w.strip_prefix('/') {
        Some(path) => root.join(path).display().to_string(),
        None => w,
    };
    wanted.into_iter().map(on_disk).collect()
}

async fn succeeds(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| format!("could not start {program}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("Library installation failed: {}", said.trim()))
}

/// Starts Python and waits for it.
async fn call(
    server: &Server,
    work: &Work,
    kind: Kind,
    token: &str,
    root: &Path,
    python: &Path,
) -> Result<Ended, String> {
    let out = root.join("out.json");
    let widgets = widgets(work);
    let mut command = Command::new(python);
    command
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", python.parent().unwrap_or(root).display()))
        .env("HOME", root)
        .env("LANG", "C.UTF-8")
        .env("PYTHONPATH", root)
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("STANDIN_ROOT", root)
        .env("STANDIN_OUT", &out)
        .env("STANDIN_GIVEN", json!({"values": work.values, "widgets": widgets}).to_string())
        .env("DATABRICKS_HOST", &server.url)
        .env("DATABRICKS_TOKEN", token)
        // On a cluster MLflow asks the notebook's context; elsewhere it asks this variable.
        .env(
            "MLFLOW_RUN_CONTEXT",
            json!({
                "mlflow.databricks.jobID": work.job_id.to_string(),
                "mlflow.databricks.jobRunID": work.task_run.to_string(),
            })
            .to_string(),
        )
        .env("NO_PROXY", "127.0.0.1,localhost");
    match &kind {
        Kind::Script(file) => {
            let file = on_disk(root, file)?;
            command.current_dir(file.parent().unwrap_or(root)).arg(file);
            command
                .args(work.positional.clone().unwrap_or_else(|| texts(&work.task["spark_python_task"]["parameters"])));
        }
        Kind::Notebook(path) => {
            let file = on_disk(root, path).or_else(|_| on_disk(root, &format!("{path}.py")))?;
            command.current_dir(file.parent().unwrap_or(root));
            command.arg("-c").arg("import sys, sitecustomize; sitecustomize.run_notebook(sys.argv[1])").arg(file);
        }
        Kind::Wheel => {
            let task = &work.task["python_wheel_task"];
            let text = |field: &str| task[field].as_str().unwrap_or_default().to_owned();
            command.current_dir(root).arg("-c");
            command.arg("import sys, sitecustomize; sys.exit(sitecustomize.run_entry_point(sys.argv[1], sys.argv[2], sys.argv[3:]))");
            command.arg(text("package_name")).arg(text("entry_point")).args(wheel_arguments(work));
        }
    }
    let timeout = work.task["timeout_seconds"].as_u64().filter(|s| *s > 0).map_or(LONGEST, Duration::from_secs);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let child = child.map_err(|e| format!("could not start Python: {e}"))?;
    match tokio::time::timeout(timeout, child.wait_with_output()).await {
        Err(_) => Ok(Ended::as_scripted(Outcome::TimedOut)),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(output)) => Ok(ended(&output, &out)),
    }
}

/// Where a workspace path lies on disk.
fn on_disk(root: &Path, path: &str) -> Result<PathBuf, String> {
    let path = path.strip_prefix("dbfs:").unwrap_or(path);
    let full = if path.starts_with("/Workspace/") || path.starts_with("/Volumes/") {
        path.to_owned()
    } else {
        format!("/Workspace{path}")
    };
    let file = root.join(full.trim_start_matches('/'));
    if file.is_file() {
        Ok(file)
    } else {
        Err(format!("Cannot read the python file {path}: it does not exist in the workspace"))
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect()
}

fn pairs(map: &Value) -> BTreeMap<String, String> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    map.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect()
}

/// Job parameters win over the task's own, a run's over both.
fn widgets(work: &Work) -> BTreeMap<String, String> {
    let mut all = pairs(&work.task["notebook_task"]["base_parameters"]);
    all.extend(work.parameters.clone());
    all.extend(work.named.clone());
    all
}

fn wheel_arguments(work: &Work) -> Vec<String> {
    let task = &work.task["python_wheel_task"];
    if let Some(positional) = &work.positional {
        return positional.clone();
    }
    if !task["named_parameters"].is_null() {
        let mut named = pairs(&task["named_parameters"]);
        named.extend(work.parameters.clone());
        named.extend(work.named.clone());
        return named.into_iter().map(|(k, v)| format!("--{k}={v}")).collect();
    }
    texts(&task["parameters"])
}

fn ended(output: &std::process::Output, out: &Path) -> Ended {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    let left: Value = std::fs::read(out).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
    let values = left["values"].as_object().into_iter().flatten();
    let values = values.map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned))).collect();
    let mut ended = Ended::as_scripted(Outcome::Success { logs: said.clone() });
    ended.values = values;
    ended.result = left["result"].as_str().map(str::to_owned);
    if !output.status.success() {
        let last =
            complained.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("Python ended with an error").to_owned();
        ended.outcome = Outcome::Failed { error: last };
        ended.trace = Some(complained);
    }
    ended.logs = said;
    ended
}
