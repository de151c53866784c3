//! Runs a job and follows it to its end, whatever that is.
//!
//! The end is the outcome; judging it is a rule's business. A run carries an idempotency
//! token, so a lost reply or a second attempt of ours attaches to it instead of starting
//! another. A person's cancel cancels the run; a killed runner does not.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tracing::info;

use crate::domain::{Failure, Hushed, Reason};
use crate::ports::{Request, RestError, World};
use crate::saga::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Stop, Undone};

pub const VERB: &str = "run-job";

const POLL_FIRST: Duration = Duration::from_millis(500);
const POLL_AT_MOST: Duration = Duration::from_secs(10);
/// A run that only goes on is mentioned this often.
const SAY_AGAIN: Duration = Duration::from_secs(30);

pub struct RunJob {
    /// The job's key in the bundle.
    pub key: String,
    pub job_id: i64,
    pub parameters: Vec<(String, String)>,
    /// At most 64 characters; the same for every attempt to make this one run.
    pub token: String,
    pub timeout: Duration,
    pub stop: Stop,
    /// What it was given and nobody is shown: its errors may repeat it.
    pub hushed: Hushed,
}

#[async_trait]
impl Change<World> for RunJob {
    fn spec(&self) -> Spec {
        Spec { verb: VERB.to_owned(), subject: format!("jobs.{}", self.key), args: json!({"job_id": self.job_id}) }
    }

    fn title(&self) -> String {
        format!("run job `{}`", self.key)
    }

    fn nature(&self) -> Nature {
        Nature::Append("a run that was made stays in the job's history")
    }

    fn told(&self) -> &'static [&'static str] {
        &[
            "job",
            "job_id",
            "idempotency_token",
            "run_id",
            "life_cycle_state",
            "result_state",
            "message",
            "url",
            "failed_tasks",
        ]
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(json!({"job_id": self.job_id, "idempotency_token": self.token})))
    }

    async fn act(&self, world: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let run_id = self.start(world).await?;
        let run = self.follow(world, run_id).await?;
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
    async fn start(&self, world: &World) -> Result<i64, StepError> {
        let mut body = json!({"job_id": self.job_id, "idempotency_token": self.token});
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

    async fn follow(&self, world: &World, run_id: i64) -> Result<Value, StepError> {
        let started = world.clock.now();
        let mut pause = POLL_FIRST;
        let mut said = String::new();
        let mut said_at = started;
        loop {
            let run = self.read(world, run_id).await?;
            let (life, result) = states(&run);
            let now = format!("{life} {result}");
            let waited = world.clock.now().duration_since(started).unsigned_abs();
            if now != said {
                let url = run["run_page_url"].as_str().unwrap_or_default();
                info!(job = %self.key, run_id, "job `{}` is {} ({url})", self.key, now.trim_end());
                (said, said_at) = (now, world.clock.now());
            } else if world.clock.now().duration_since(said_at).unsigned_abs() >= SAY_AGAIN {
                info!(job = %self.key, run_id, "job `{}` is {} after {} s", self.key, now.trim_end(), waited.as_secs());
                said_at = world.clock.now();
            }
            if matches!(life.as_str(), "TERMINATED" | "SKIPPED" | "INTERNAL_ERROR") {
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
        }
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
        let minutes = self.timeout.as_secs_f64() / 60.0;
        let url = run["run_page_url"].as_str().unwrap_or_default();
        Failure::new(Reason::SmokeTimedOut, format!("see job `{}` end within {minutes:.1} minutes", self.key))
            .hint(format!("the run goes on: {url}; give it more time with `timeout` under `smoke`"))
    }

    /// The end, as `policy::smoke_passed` judges it.
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
pub fn token(parts: &[&str]) -> String {
    let digest = Sha256::digest(parts.join("\n"));
    digest.iter().take(24).map(|byte| format!("{byte:02x}")).collect()
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
