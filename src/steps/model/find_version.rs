//! Finds the version of a model that a job's run has made.
//!
//! The registry cannot be asked for the versions of a run: they are listed, and those kept
//! whose MLflow run says that it belongs to our job run. None or two are refused by name;
//! the newest version would be a guess, for anybody may have registered one meanwhile. One
//! that an alias or a task names is held to the same: an alias that the job did not move
//! stands for what an earlier run has made.

use std::time::Duration;

use serde_json::Value;

use super::registry::{Registry, Version};
use super::tracking::{self, TrackedRun};
use crate::domain::{Alias, Failure, ModelName, ModelVersion, Reason, VersionStatus};
use crate::ports::{Request, World};

/// The tag by which MLflow says in which job run it ran: the task's own, or the whole job's.
const JOB_RUN: &str = "mlflow.databricks.jobRunID";
/// How far the clocks of two services may be apart, in milliseconds.
const CLOCKS: u64 = 300_000;
const READY_WITHIN: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_secs(3);

/// How the version is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the MLflow runs of the job's tasks.
    Run,
    /// By what the notebook of this task exits with.
    Task(String),
    /// By an alias that the job moves.
    Alias(Alias),
}

/// A version, and the MLflow run that made it.
#[derive(Clone, Debug)]
pub struct Made {
    pub version: Version,
    pub run: TrackedRun,
}

/// `ended` is the outcome of the job's run, as `run_job` leaves it.
pub async fn find(world: &World, model: &ModelName, ended: &Value, way: &Way) -> Result<Made, Failure> {
    let registry = Registry(world.workspace.as_ref());
    if registry.model(model).await?.is_none() {
        let failure = Failure::new(Reason::NoSuchModel, format!("find model `{model}`: the registry has none"));
        return Err(failure.hint("it is made by the bundle, under `resources.registered_models`; grant EXECUTE on it"));
    }
    let found = match way {
        Way::Run => of_run(world, model, ended).await?,
        Way::Task(task) => {
            let number = of_task(world, ended, task).await?;
            let by = format!("version {number}");
            let found = named(world, model, registry.version(model, number).await?, &by).await?;
            of_our_run(found, ended, &by)?
        }
        Way::Alias(alias) => {
            let found = registry.by_alias(model, alias).await?;
            let by = format!("alias `{alias}`");
            of_our_run(named(world, model, found, &by).await?, ended, &by)?
        }
    };
    ready(world, model, found).await
}

/// When the job's run began, with what two clocks may differ by.
fn since(ended: &Value) -> u64 {
    ended["start_time"].as_u64().unwrap_or_default().saturating_sub(CLOCKS)
}

/// Whoever names a version says which it is, and not whose: its MLflow run does, or, where that says nothing, the time.
fn of_our_run(made: Made, ended: &Value, by: &str) -> Result<Made, Failure> {
    let job = ended["job"].as_str().unwrap_or_default();
    let (version, model) = (made.version.version, &made.version.model);
    let why = match made.run.tags.get(JOB_RUN) {
        Some(id) if ids(ended).contains(id) => return Ok(made),
        Some(id) => format!("version {version} is of job run {id}"),
        None if made.version.created_at.is_none_or(|at| at >= since(ended)) => return Ok(made),
        None => format!("version {version} is older than its run"),
    };
    let message = format!("find the version of `{model}` that job `{job}` made, by {by}: {why}");
    let hint = "let the job that `train` names register the version and then say which it is: what an earlier run has \
                made was judged then";
    Err(Failure::new(Reason::NoModelVersion, message).hint(hint))
}

/// Job and task runs, any of which MLflow may name.
fn ids(ended: &Value) -> Vec<String> {
    let tasks = ended["task_runs"].as_object().into_iter().flatten().map(|(_, id)| id);
    std::iter::once(&ended["run_id"]).chain(tasks).filter_map(Value::as_i64).map(|id| id.to_string()).collect()
}

async fn of_run(world: &World, model: &ModelName, ended: &Value) -> Result<Made, Failure> {
    let ours = ids(ended);
    let mut found = Vec::new();
    let since = since(ended);
    for version in Registry(world.workspace.as_ref()).versions(model).await? {
        // Whatever is older than the run is not of it, and need not be asked about.
        if version.run_id.is_empty() || version.created_at.is_some_and(|at| at < since) {
            continue;
        }
        let Some(run) = tracking::run(world.workspace.as_ref(), &version.run_id).await? else { continue };
        match run.tags.get(JOB_RUN) {
            Some(id) if ours.contains(id) => found.push(Made { version, run }),
            _ => {}
        }
    }
    let job = ended["job"].as_str().unwrap_or_default();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let message = format!("find the version of `{model}` that job `{job}` made: none names its run");
            let hint = "register the model inside an MLflow run of the job, or set `train.version_from`";
            Err(Failure::new(Reason::NoModelVersion, message).hint(hint))
        }
        _ => {
            let numbers: Vec<String> = found.iter().map(|made| made.version.version.to_string()).collect();
            let list = numbers.join(" and ");
            let message = format!("find the version of `{model}` that job `{job}` made: {list} both name its run");
            let hint = "register one version for each run, or say which it is with `train.version_from`";
            Err(Failure::new(Reason::TwoModelVersions, message).hint(hint))
        }
    }
}

/// What a task's notebook exits with: the number, or JSON that has it as `model_version`.
async fn of_task(world: &World, ended: &Value, task: &str) -> Result<ModelVersion, Failure> {
    let refuse = |why: &str| {
        let failure = Failure::new(Reason::NoModelVersion, format!("read the version from task `{task}`: {why}"));
        failure.hint("end the task with `dbutils.notebook.exit(json.dumps({\"model_version\": version}))`")
    };
    let Some(id) = ended["task_runs"][task].as_i64() else { return Err(refuse("the job has no such task")) };
    let request = Request::get("/api/2.2/jobs/runs/get-output").query("run_id", id.to_string());
    let reply = world.workspace.call(request).await.and_then(|r| r.json());
    let output = reply.map_err(|e| e.into_failure(format!("read the output of task `{task}`")))?;
    let said = output["notebook_output"]["result"].as_str().unwrap_or_default().trim();
    let said: Value = serde_json::from_str(said).unwrap_or_else(|_| said.into());
    let said = said.get("model_version").unwrap_or(&said);
    let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
    ModelVersion::parse(&said).map_err(|_| refuse("it did not exit with the number of a version"))
}

/// A version that somebody named, with the run behind it.
async fn named(world: &World, model: &ModelName, found: Option<Version>, by: &str) -> Result<Made, Failure> {
    let Some(version) = found else {
        let failure = Failure::new(Reason::NoModelVersion, format!("find {by} of `{model}`: there is none"));
        return Err(failure.hint("look at what the training job registers"));
    };
    let run = match version.run_id.as_str() {
        "" => None,
        id => tracking::run(world.workspace.as_ref(), id).await?,
    };
    Ok(Made { version, run: run.unwrap_or_default() })
}

/// Registering takes the registry a while.
async fn ready(world: &World, model: &ModelName, mut made: Made) -> Result<Made, Failure> {
    let registry = Registry(world.workspace.as_ref());
    let started = world.clock.now();
    loop {
        let number = made.version.version;
        match &made.version.status {
            VersionStatus::Ready => return Ok(made),
            VersionStatus::Pending if world.clock.now().duration_since(started).unsigned_abs() < READY_WITHIN => {}
            status => {
                let why = registry.details(model, number).await?.map(|d| d.status_message).unwrap_or_default();
                let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
                let message = format!("wait for version {number} of `{model}`: it is {status}{why}");
                let hint = "look at the end of the training run: the upload of the model's files did not finish";
                return Err(Failure::new(Reason::VersionNotReady, message).hint(hint));
            }
        }
        world.clock.sleep(POLL).await;
        made = named(world, model, registry.version(model, number).await?, &format!("version {number}")).await?;
    }
}
