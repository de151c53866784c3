//! Jobs of the bundle that a stage runs: found by key in a fresh plan, judged by how their runs ended.

use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use crate::bundle::planning::knowledge::hushed;
use crate::domain::{Failure, Purpose, Reason};
use crate::policy::Verdict;
use crate::policy::job_passed::{self, RunEnd};
use crate::ports::engine::EnginePlan;
use crate::saga::{Begun, Stop};
use crate::steps::run_job::{self, RunJob};

/// A job as `mlops-deploy.yml` asks for it.
pub struct Asked<'a> {
    pub key: &'a str,
    pub purpose: Purpose,
    /// The model's key, where it is run for one.
    pub model: Option<&'a str>,
    pub parameters: &'a IndexMap<String, String>,
    /// Given where the job declares a parameter of that name and nobody set it.
    pub offered: &'a [(&'a str, String)],
    pub identity: Vec<String>,
    pub timeout: Duration,
}

/// Whether the job has a parameter of that name. One that is not there to be asked has all: to run it is refused later.
pub fn declares(plan: &EnginePlan, key: &str, name: &str) -> bool {
    let job = &plan.config["resources"]["jobs"][key];
    job.is_null() || job["parameters"].as_array().into_iter().flatten().any(|p| p["name"] == name)
}

pub fn run(plan: &EnginePlan, asked: Asked<'_>, stop: &Stop) -> Result<RunJob, Failure> {
    let job = &plan.config["resources"]["jobs"][asked.key];
    let declared = |name: &str| declares(plan, asked.key, name);
    let offered = asked.offered.iter().filter(|(name, _)| declared(name) && !asked.parameters.contains_key(*name));
    let offered = offered.map(|(name, value)| ((*name).to_owned(), value.clone()));
    let given: Value = asked.parameters.values().map(String::as_str).collect();
    Ok(RunJob {
        key: asked.key.to_owned(),
        job_id: job_id(&plan.document, asked.key, asked.purpose)?,
        parameters: asked.parameters.iter().map(|(k, v)| (k.clone(), v.clone())).chain(offered).collect(),
        purpose: asked.purpose,
        model: asked.model.map(str::to_owned),
        identity: asked.identity,
        timeout: asked.timeout,
        stop: stop.clone(),
        hushed: hushed("jobs", &[job, &given]),
    })
}

fn job_id(plan: &Value, key: &str, purpose: Purpose) -> Result<i64, Failure> {
    let live = &plan["plan"][format!("resources.jobs.{key}")]["remote_state"]["job_id"];
    live.as_i64().or_else(|| live.as_str()?.parse().ok()).ok_or_else(|| {
        let message = format!("run the {} `{key}`: it is not among the deployed jobs", purpose.noun());
        let hint = format!("`{}` in mlops-deploy.yml names keys under `resources.jobs` of the bundle", purpose.key());
        Failure::new(Reason::MissingJob, message).hint(hint)
    })
}

/// Outcomes of this run's jobs of a purpose, each with the key of the model it was run for.
pub fn ended(begun: &[Begun], purpose: Purpose) -> impl Iterator<Item = (&str, &Value)> {
    let of_it = move |b: &&Begun| {
        b.spec.verb == run_job::VERB && serde_json::from_value(b.spec.args["purpose"].clone()).ok() == Some(purpose)
    };
    let runs = begun.iter().filter(of_it);
    runs.filter_map(|b| Some((b.spec.args["model"].as_str().unwrap_or_default(), &b.outcome.as_ref()?.0)))
}

pub fn verdicts(begun: &[Begun], purpose: Purpose) -> Vec<Verdict> {
    ended(begun, purpose).map(|(_, outcome)| job_passed::verdict(purpose, &run_end(outcome))).collect()
}

fn run_end(outcome: &Value) -> RunEnd {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let task = |task: &Value| (text(&task[0]), text(&task[1]), text(&task[2]));
    RunEnd {
        job: text(&outcome["job"]),
        life_cycle_state: text(&outcome["life_cycle_state"]),
        result_state: text(&outcome["result_state"]),
        message: text(&outcome["message"]),
        url: text(&outcome["url"]),
        failed_tasks: outcome["failed_tasks"].as_array().into_iter().flatten().map(task).collect(),
    }
}
