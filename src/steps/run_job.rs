//! Runs a job and follows it to its end, whatever that is.
//!
//! The end is the outcome; judging it is a rule's business. A run carries an idempotency
//! token made of what it is for and of the number of the attempt: a run that goes on, or that
//! ended well, answers to its token and is taken over; one that had ended badly before we came
//! makes way for the next attempt. A person's cancel cancels the run; a killed runner does not.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tracing::info;

use crate::domain::{Failure, Hushed, Purpose, Reason};
use crate::ports::{Request, RestError, World};
use crate::saga::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Stop, Undone};

pub const VERB: &str = "run-job";

/// More attempts than anybody makes at one release: an end for a loop that has none otherwise.
const ATTEMPTS: u32 = 100;
const POLL_FIRST: Duration = Duration::from_millis(500);
const POLL_AT_MOST: Duration = Duration::from_secs(10);
/// A run that only goes on is mentioned this often.
const SAY_AGAIN: Duration = Duration::from_secs(30);

pub struct RunJob {
    /// The job's key in the bundle.
    pub key: String,
    pub job_id: i64,
    pub parameters: Vec<(String, String)>,
    pub purpose: Purpose,
    /// The model's key in the bundle, where it is run for one.
    pub model: Option<String>,
    /// What makes it this run and no other: release, environment, job.
    pub identity: Vec<String>,
    pub timeout: Duration,
    pub stop: Stop,
    /// What it was given and nobody is shown: its errors may repeat it.
    pub hushed: Hushed,
}

#[async_trait]
impl Change<World> for RunJob {
    fn spec(&self) -> Spec {
        let subject = match &self.model {
            Some(model) => format!("jobs.{} for models.{model}", self.key),
            None => format!("jobs.{}", self.key),
        };
        let args = json!({"job_id": self.job_id, "purpose": self.purpose, "model": self.model});
        Spec { verb: VERB.to_owned(), subject, args }
    }

    fn title(&self) -> String {
        match self.purpose {
            Purpose::Smoke => format!("run job `{}`", self.key),
            purpose => format!("run the {} `{}`", purpose.noun(), self.key),
        }
    }

    fn nature(&self) -> Nature {
        Nature::Append("a run that was made stays in the job's history")
    }

    fn told(&self) -> &'static [&'static str] {
        &[
            "job",
            "job_id",
            "newest_before",
            "run_id",
            "task_runs",
            "start_time",
            "life_cycle_state",
            "result_state",
            "message",
            "url",
            "failed_tasks",
        ]
    }

    /// When the newest run began that was there before: the workspace's clock tells old runs from ours.
    async fn observe(&self, world: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let request =
            Request::get("/api/2.2/jobs/runs/list").query("job_id", self.job_id.to_string()).query("limit", "1");
        let reply = world.workspace.call(request).await.and_then(|r| r.json());
        let runs = reply.map_err(|e| e.into_failure(format!("list the runs of job `{}`", self.key)))?;
        let newest = runs["runs"][0]["start_time"].as_i64().unwrap_or_default();
        Ok(Receipt(json!({"job_id": self.job_id, "newest_before": newest})))
    }

    async fn act(&self, world: &World, _: &Outcomes, receipt: &Receipt) -> Result<Outcome, StepError> {
        let before = receipt.0["newest_before"].as_i64().unwrap_or_default();
        let started = world.clock.now();
        let (run_id, run) = self.take_up(world, before).await?;
        let run = self.follow(world, run_id, run, started).await?;
        Ok(Outcome(self.end(world, run_id, &run).await))
    }

    /// Starting it again with the same token answers with the run that exists.
    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        Ok(Found::NotDone)
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}

impl RunJob {
    /// The run to follow: the first attempt that is not known to have failed.
    async fn take_up(&self, world: &World, before: i64) -> Result<(i64, Value), StepError> {
        for attempt in 1..=ATTEMPTS {
            let run_id = self.start(world, attempt).await?;
            let run = self.read(world, run_id).await?;
            let (_, result) = states(&run);
            let old = run["start_time"].as_i64().is_some_and(|started| started <= before);
            match (old, has_ended(&run)) {
                (true, true) if result != "SUCCESS" => continue,
                (true, true) => info!(run_id, "job `{}` has done this already: its run is taken over", self.key),
                (true, false) => info!(run_id, "job `{}` is at it already: its run is followed", self.key),
                (false, _) => {}
            }
            return Ok((run_id, run));
        }
        let message = format!("start job `{}`: {ATTEMPTS} attempts at this release have failed", self.key);
        let hint = "look at the job's runs in the workspace; another commit makes another release";
        Err(Failure::new(self.purpose.ended("FAILED"), message).hint(hint).into())
    }

    async fn start(&self, world: &World, attempt: u32) -> Result<i64, StepError> {
        let token = token(&self.identity, attempt);
        let mut body = json!({"job_id": self.job_id, "idempotency_token": token});
        if !self.parameters.is_empty() {
            let parameters: Map<String, Value> =
                self.parameters.iter().map(|(k, v)| (k.clone(), Value::String(v.clone()))).collect();
            body["job_parameters"] = Value::Object(parameters);
        }
        let request = Request::post("/api/2.2/jobs/run-now", body).repeatable();
        let doing = || format!("start job `{}`", self.key);
        let reply = world.workspace.call(request).await.and_then(|r| r.json()).map_err(|e| e.into_failure(doing()))?;
        reply["run_id"].as_i64().ok_or_else(|| {
            RestError::Malformed("the answer to run-now has no `run_id`".into()).into_failure(doing()).into()
        })
    }

    /// `started` is when we asked for the run: answers that are slow count as well.
    async fn follow(&self, world: &World, run_id: i64, mut run: Value, started: Timestamp) -> Result<Value, StepError> {
        let mut pause = POLL_FIRST;
        let mut said = BTreeMap::new();
        let mut said_at = Duration::ZERO;
        loop {
            let waited = world.clock.now().duration_since(started).unsigned_abs();
            if self.tell(run_id, &run, &mut said, waited) {
                said_at = waited;
            } else if waited.saturating_sub(said_at) >= SAY_AGAIN {
                let (life, _) = states(&run);
                info!(job = %self.key, run_id, "job `{}` is {life} after {} s", self.key, waited.as_secs());
                said_at = waited;
            }
            if has_ended(&run) {
                return Ok(run);
            }
            if waited >= self.timeout {
                return Err(self.overdue(&run).into());
            }
            if self.stop.requested() {
                return Err(self.cancel(world, run_id).await.into());
            }
            world.clock.sleep(pause.min(self.timeout.saturating_sub(waited))).await;
            pause = (pause * 2).min(POLL_AT_MOST);
            run = self.read(world, run_id).await?;
        }
    }

    /// What has changed since it was last told: the run, and each of its tasks. Whether anything has.
    fn tell(&self, run_id: i64, run: &Value, said: &mut BTreeMap<String, String>, waited: Duration) -> bool {
        let seconds = waited.as_secs();
        let mut told = false;
        let mut news = |what: String, of: &Value| {
            let (life, result) = states(of);
            let now = if result.is_empty() { life } else { result };
            (said.insert(what, now.clone()).as_ref() != Some(&now)).then_some(now)
        };
        if let Some(now) = news(String::new(), run) {
            let url = run["run_page_url"].as_str().unwrap_or_default();
            info!(job = %self.key, run_id, "job `{}` is {now} after {seconds} s ({url})", self.key);
            told = true;
        }
        // A job of one task says the same twice.
        let tasks = run["tasks"].as_array().filter(|tasks| tasks.len() > 1);
        for task in tasks.into_iter().flatten() {
            let key = task["task_key"].as_str().unwrap_or_default();
            if let Some(now) = news(key.to_owned(), task) {
                info!(job = %self.key, task = key, "task `{key}` of job `{}` is {now} after {seconds} s", self.key);
                told = true;
            }
        }
        told
    }

    async fn read(&self, world: &World, run_id: i64) -> Result<Value, StepError> {
        let request = Request::get("/api/2.2/jobs/runs/get").query("run_id", run_id.to_string());
        let reply = world.workspace.call(request).await.and_then(|r| r.json());
        Ok(reply.map_err(|e| e.into_failure(format!("follow run {run_id} of job `{}`", self.key)))?)
    }

    async fn cancel(&self, world: &World, run_id: i64) -> Failure {
        let request = Request::post("/api/2.2/jobs/runs/cancel", json!({"run_id": run_id})).repeatable();
        let what = match world.workspace.call(request).await {
            Ok(_) => "its run is cancelled too".to_owned(),
            Err(e) => format!("its run {run_id} could not be cancelled: {e}"),
        };
        Failure::new(Reason::Cancelled, format!("follow job `{}`: this run was cancelled; {what}", self.key))
    }

    fn overdue(&self, run: &Value) -> Failure {
        let waited = match self.timeout.as_secs() {
            seconds if seconds < 120 => format!("{seconds} s"),
            seconds => format!("{} minutes", seconds / 60),
        };
        let url = run["run_page_url"].as_str().unwrap_or_default();
        let key = self.purpose.key();
        Failure::new(self.purpose.timed_out(), format!("wait for its end: it goes on after {waited}"))
            .hint(format!("the run goes on: {url}; give it more time with `timeout` under `{key}`"))
    }

    /// The end, as `policy::job_passed` judges it.
    async fn end(&self, world: &World, run_id: i64, run: &Value) -> Value {
        let (life, result) = states(run);
        let mut failed = Vec::new();
        for task in run["tasks"].as_array().into_iter().flatten() {
            failed.extend(self.failed_task(world, task).await);
        }
        json!({
            "job": self.key,
            "run_id": run_id,
            "life_cycle_state": life,
            "result_state": result,
            "message": self.hushed.out_of(run["state"]["state_message"].as_str().unwrap_or_default()),
            "url": run["run_page_url"].as_str().unwrap_or_default(),
            "failed_tasks": failed,
            "task_runs": task_runs(run),
            "start_time": run["start_time"],
        })
    }
}

impl RunJob {
    /// The task's own error where it can be read: the run's state says no more than that it failed.
    async fn failed_task(&self, world: &World, task: &Value) -> Option<Value> {
        let (life, result) = states(task);
        let state = if result.is_empty() { life } else { result };
        if state == "SUCCESS" {
            return None;
        }
        let said = match task["run_id"].as_i64() {
            Some(id) if state == "FAILED" => self.error_of(world, id).await,
            _ => None,
        };
        let said = said.unwrap_or_else(|| task["state"]["state_message"].as_str().unwrap_or_default().to_owned());
        let key = task["task_key"].as_str().unwrap_or_default();
        Some(json!([key, state, beginning(&self.hushed.out_of(&said))]))
    }

    /// What is not there, or may not be read, is no second failure.
    async fn error_of(&self, world: &World, run_id: i64) -> Option<String> {
        let request = Request::get("/api/2.2/jobs/runs/get-output").query("run_id", run_id.to_string());
        let reply = world.workspace.call(request).await.and_then(|r| r.json());
        reply.ok()?["error"].as_str().filter(|error| !error.trim().is_empty()).map(str::to_owned)
    }
}

/// An idempotency token of at most 64 characters: the same parts, the same run.
fn token(parts: &[String], attempt: u32) -> String {
    let digest = Sha256::digest(format!("{}\n{attempt}", parts.join("\n")));
    digest.iter().take(24).map(|byte| format!("{byte:02x}")).collect()
}

/// Key and id of each task's own run.
fn task_runs(run: &Value) -> Value {
    let tasks = run["tasks"].as_array().into_iter().flatten();
    let ids = tasks.filter_map(|task| Some((task["task_key"].as_str()?.to_owned(), task["run_id"].clone())));
    Value::Object(ids.collect())
}

fn has_ended(run: &Value) -> bool {
    matches!(states(run).0.as_str(), "TERMINATED" | "SKIPPED" | "INTERNAL_ERROR")
}

/// What an exception says of itself, and not what it prints below: rows and stack traces
/// begin on a line of their own, after a blank or with one.
fn beginning(text: &str) -> String {
    const LINES: usize = 3;
    const LONGEST: usize = 300;
    let prose = |line: &&str| line.starts_with(char::is_alphabetic) || line.starts_with('[');
    let lines = text.trim_start().lines().take_while(prose).take(LINES);
    let shortened = lines.map(|line| match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.trim_end().to_owned(),
    });
    shortened.collect::<Vec<_>>().join("\n")
}

fn states(run: &Value) -> (String, String) {
    let word = |name: &str| run["state"][name].as_str().unwrap_or_default().to_owned();
    (word("life_cycle_state"), word("result_state"))
}
