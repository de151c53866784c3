//! `bundle run`: starts a job or a pipeline by hand and follows it to its end.
//!
//! Two differences from the official command, both on the safe side: the request carries an
//! idempotency token, so that a lost reply does not start a second run; and a run that ended
//! with a result other than success fails, where the official command knows four results
//! and takes every other for a success.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::domain::{Failure, Reason};
use crate::ports::{Clock, Request, Rest};

/// Where the account of a run goes: lines for people.
pub type Tell<'a> = &'a (dyn Fn(&str) + Send + Sync);

#[derive(Clone, Debug, Default)]
pub struct JobOptions {
    /// Fields of the request: `job_parameters`, `python_params` and their like.
    pub parameters: Map<String, Value>,
    pub only: Vec<String>,
    pub no_wait: bool,
    pub restart: bool,
}

#[derive(Clone, Debug, Default)]
pub struct PipelineOptions {
    pub refresh: Vec<String>,
    pub full_refresh: Vec<String>,
    pub full_refresh_all: bool,
    pub validate_only: bool,
    pub no_wait: bool,
    pub restart: bool,
}

/// What a run leaves on stdout, as a document and as text.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOutput {
    pub document: Value,
    pub text: String,
}

const POLL: Duration = Duration::from_millis(1500);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

pub struct Runner<'a> {
    pub rest: &'a dyn Rest,
    pub clock: &'a dyn Clock,
    pub tell: Tell<'a>,
}

impl Runner<'_> {
    async fn call(&self, request: Request, doing: &str) -> Result<Value, Failure> {
        self.rest.call(request).await.and_then(|r| r.json()).map_err(|e| e.into_failure(doing))
    }

    pub async fn job(&self, key: &str, id: &str, options: &JobOptions) -> Result<Option<RunOutput>, Failure> {
        let job_id: i64 = id.parse().map_err(|e| {
            Failure::new(Reason::StateUnreadable, format!("run {key}: its id `{id}` is not a number")).because(e)
        })?;
        if options.restart {
            self.cancel_active_runs(id).await?;
        }
        let mut body = Map::new();
        body.insert("job_id".into(), job_id.into());
        body.insert("idempotency_token".into(), uuid::Uuid::new_v4().to_string().into());
        body.extend(options.parameters.clone());
        if !options.only.is_empty() {
            body.insert("only".into(), json!(options.only));
        }
        let started =
            self.call(Request::post("/api/2.2/jobs/run-now", body.into()).repeatable(), "start the run").await?;
        let run_id = started.get("run_id").and_then(Value::as_i64);
        let run_id =
            run_id.ok_or_else(|| Failure::new(Reason::MalformedReply, "start the run: the answer has no `run_id`"))?;
        let page = self.get(run_id).await?;
        (self.tell)(&format!("Run URL: {}\n", page_of_run(text(&page, "run_page_url"))));
        if options.no_wait {
            return Ok(None);
        }
        let run = self.follow(run_id).await?;
        self.judge(&run).await?;
        self.task_outputs(&run).await.map(Some)
    }

    async fn cancel_active_runs(&self, id: &str) -> Result<(), Failure> {
        let mut page = String::new();
        let mut active = Vec::new();
        loop {
            let mut request = Request::get("/api/2.2/jobs/runs/list").query("active_only", "true").query("job_id", id);
            if !page.is_empty() {
                request = request.query("page_token", &page);
            }
            let reply = self.call(request, "list the active runs").await?;
            let runs = reply.get("runs").and_then(Value::as_array);
            active.extend(runs.into_iter().flatten().filter_map(|r| r.get("run_id").and_then(Value::as_i64)));
            match reply.get("next_page_token").and_then(Value::as_str).filter(|t| !t.is_empty()) {
                Some(next) => page = next.to_owned(),
                None => break,
            }
        }
        for run in &active {
            let request = Request::post("/api/2.2/jobs/runs/cancel", json!({"run_id": run})).repeatable();
            self.call(request, &format!("cancel run {run}")).await?;
        }
        for run in active {
            while !ended(&self.get(run).await?) {
                self.clock.sleep(POLL).await;
            }
        }
        Ok(())
    }

    async fn get(&self, run: i64) -> Result<Value, Failure> {
        let request = Request::get("/api/2.2/jobs/runs/get").query("run_id", run.to_string());
        self.call(request, &format!("read run {run}")).await
    }

    async fn follow(&self, run_id: i64) -> Result<Value, Failure> {
        let start = self.clock.now();
        let mut said = String::new();
        loop {
            let run = self.get(run_id).await?;
            let line = progress(&run);
            if line != said {
                (self.tell)(&format!("{} {line}", stamp(self.clock.now())));
                said = line;
            }
            if ended(&run) {
                return Ok(run);
            }
            if self.clock.now().duration_since(start).unsigned_abs() > LONGEST {
                return Err(Failure::new(
                    Reason::DeadlineExceeded,
                    format!("wait for run {run_id}: it goes on after 24 hours"),
                ));
            }
            self.clock.sleep(POLL).await;
        }
    }

    /// Fails for every end that is not a success; shows why the tasks failed.
    async fn judge(&self, run: &Value) -> Result<(), Failure> {
        let (life, result, message) =
            (state(run, "life_cycle_state"), state(run, "result_state"), state(run, "state_message"));
        if life == "TERMINATED" && result == "SUCCESS" {
            return Ok(());
        }
        for task in tasks(run).filter(|t| state(t, "result_state") == "FAILED") {
            // A reply that cannot be had says nothing about the task: the run's own message follows.
            if let Ok(output) = self.output(task).await {
                self.tell_failure(text(task, "task_key"), text(&output, "error"), text(&output, "error_trace"));
            }
        }
        let why = match (life, result) {
            ("SKIPPED", _) => format!("run skipped: {message}"),
            ("INTERNAL_ERROR", _) => format!("failed to reach TERMINATED or SKIPPED, got {life}: {message}"),
            (_, "CANCELED") => "run canceled".to_owned(),
            (_, "TIMEDOUT") => format!("run timed out: {message}"),
            (_, "FAILED") => format!("run failed: {message}"),
            (_, result) => format!("run ended {}: {message}", result.to_lowercase()),
        };
        Err(Failure::new(Reason::SmokeFailed, why.trim_end_matches(": ").to_owned()))
    }

    /// Twice, as the official command does: when it is seen, and when it is reported.
    fn tell_failure(&self, key: &str, error: &str, trace: &str) {
        (self.tell)(&format!("Task {key} FAILED:\n{error}\n{trace}\n"));
        (self.tell)(&format!("\nError: Task {key} failed!\nError:\n{error}\nTrace:\n{trace}\n"));
    }

    async fn output(&self, task: &Value) -> Result<Value, Failure> {
        let id = task.get("run_id").and_then(Value::as_i64).unwrap_or_default();
        let request = Request::get("/api/2.2/jobs/runs/get-output").query("run_id", id.to_string());
        self.call(request, &format!("read the output of task {}", text(task, "task_key"))).await
    }

    async fn task_outputs(&self, run: &Value) -> Result<RunOutput, Failure> {
        let mut all = Vec::new();
        let mut sorted: Vec<&Value> = tasks(run).collect();
        sorted.sort_by_key(|t| t.get("end_time").and_then(Value::as_i64).unwrap_or_default());
        for task in sorted {
            let output = self.output(task).await?;
            if let Some((document, shown)) = shown(&output) {
                let end = task.get("end_time").cloned().unwrap_or_else(|| 0.into());
                all.push((text(task, "task_key").to_owned(), document, shown, end));
            }
        }
        let text = match all.as_slice() {
            [] => String::new(),
            [(_, _, only, _)] => only.clone(),
            many => {
                let blocks: Vec<String> =
                    many.iter().map(|(key, _, s, _)| format!("=======\nTask {key}:\n{s}\n")).collect();
                format!("Output:\n{}", blocks.concat())
            }
        };
        let outputs: Vec<Value> = all
            .into_iter()
            .map(|(key, output, _, end)| json!({"TaskKey": key, "Output": output, "EndTime": end}))
            .collect();
        Ok(RunOutput { document: json!({"task_outputs": outputs}), text })
    }

    pub async fn pipeline(&self, key: &str, id: &str, options: &PipelineOptions) -> Result<Option<RunOutput>, Failure> {
        let at = format!("/api/2.0/pipelines/{id}");
        if options.restart {
            self.stop(&at).await?;
        }
        let mut body = Map::new();
        for (name, given) in
            [("full_refresh_selection", &options.full_refresh), ("refresh_selection", &options.refresh)]
        {
            if !given.is_empty() {
                body.insert(name.into(), json!(given));
            }
        }
        for (name, given) in [("full_refresh", options.full_refresh_all), ("validate_only", options.validate_only)] {
            if given {
                body.insert(name.into(), true.into());
            }
        }
        let doing = format!("start an update of {key}");
        let started = self.call(Request::post(format!("{at}/updates"), body.into()), &doing).await?;
        let update = text(&started, "update_id").to_owned();
        if update.is_empty() {
            return Err(Failure::new(Reason::MalformedReply, format!("{doing}: the answer has no `update_id`")));
        }
        (self.tell)(&format!("Update URL: {}/#joblist/pipelines/{id}/updates/{update}\n", self.rest.host()));
        let output = RunOutput { document: json!({"update_id": update}), text: format!("Update ID: {update}\n") };
        if !options.no_wait {
            self.follow_update(&at, &update).await?;
        }
        Ok(Some(output))
    }

    async fn stop(&self, at: &str) -> Result<(), Failure> {
        self.call(Request::post(format!("{at}/stop"), json!({})).repeatable(), "stop the pipeline").await?;
        loop {
            let pipeline = self.call(Request::get(at), "see the pipeline stop").await?;
            if matches!(text(&pipeline, "state"), "IDLE" | "FAILED" | "DELETED" | "") {
                return Ok(());
            }
            self.clock.sleep(POLL).await;
        }
    }

    async fn follow_update(&self, at: &str, update: &str) -> Result<(), Failure> {
        let start = self.clock.now();
        let mut seen = String::new();
        loop {
            self.tell_events(at, update, &mut seen).await?;
            let reply = self.call(Request::get(format!("{at}/updates/{update}")), "follow the update").await?;
            match reply.get("update").map_or("", |u| text(u, "state")) {
                "COMPLETED" => return Ok(()),
                "FAILED" => return Err(Failure::new(Reason::SmokeFailed, "update failed")),
                "CANCELED" => return Err(Failure::new(Reason::SmokeFailed, "update cancelled")),
                _ => {}
            }
            if self.clock.now().duration_since(start).unsigned_abs() > LONGEST {
                return Err(Failure::new(Reason::DeadlineExceeded, "wait for the update: it goes on after 24 hours"));
            }
            self.clock.sleep(Duration::from_secs(1)).await;
        }
    }

    /// Tells the events that came since the last one told.
    async fn tell_events(&self, at: &str, update: &str, seen: &mut String) -> Result<(), Failure> {
        let request = Request::get(format!("{at}/events")).query("filter", format!("update_id = '{update}'"));
        let reply = self.call(request, "read the pipeline's events").await?;
        let mut events: Vec<&Value> = reply.get("events").and_then(Value::as_array).into_iter().flatten().collect();
        events.sort_by_key(|e| text(e, "timestamp"));
        for event in events.into_iter().filter(|e| text(e, "timestamp") > seen.as_str()).collect::<Vec<_>>() {
            *seen = text(event, "timestamp").to_owned();
            (self.tell)(&format!(
                "{seen} {} {} {:?}",
                text(event, "event_type"),
                text(event, "level"),
                text(event, "message")
            ));
        }
        Ok(())
    }
}

fn tasks(run: &Value) -> impl Iterator<Item = &Value> {
    run.get("tasks").and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn state<'v>(run: &'v Value, key: &str) -> &'v str {
    run.get("state").map_or("", |s| text(s, key))
}

fn ended(run: &Value) -> bool {
    matches!(state(run, "life_cycle_state"), "TERMINATED" | "SKIPPED" | "INTERNAL_ERROR")
}

fn progress(run: &Value) -> String {
    let parts = [state(run, "life_cycle_state"), state(run, "result_state"), state(run, "state_message")];
    let rest: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    format!("{} {}", Value::from(text(run, "run_name")), rest.join(" "))
}

fn stamp(now: Timestamp) -> String {
    now.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What of a task's output is shown: a notebook's result, logs, a query's link.
fn shown(output: &Value) -> Option<(Value, String)> {
    if let Some(notebook) = output.get("notebook_output").filter(|n| n.as_object().is_some_and(|o| !o.is_empty())) {
        let mut kept = Map::new();
        let result = text(notebook, "result");
        if !result.is_empty() {
            kept.insert("result".into(), result.into());
        }
        if notebook.get("truncated") == Some(&Value::Bool(true)) {
            kept.insert("truncated".into(), true.into());
        }
        return Some((kept.into(), result.to_owned()));
    }
    for name in ["dbt_output", "sql_output"] {
        if let Some(found) = output.get(name).filter(|v| !v.is_null()) {
            return Some((found.clone(), format!("{found:#}")));
        }
    }
    let logs = text(output, "logs");
    (!logs.is_empty()).then(|| {
        let truncated = output.get("logs_truncated") == Some(&Value::Bool(true));
        (json!({"logs": logs, "logs_truncated": truncated}), logs.to_owned())
    })
}

/// The page itself, without the detour over the workspace's first one.
fn page_of_run(url: &str) -> String {
    let direct = || {
        let (place, run) = url.split_once("#job/")?;
        let (job, run) = run.split_once("/run/")?;
        let (host, query) = place.split_once('?').unwrap_or((place, ""));
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        Some(format!("{}/jobs/{job}/runs/{run}{query}", host.trim_end_matches('/')))
    };
    direct().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::page_of_run;

    #[test]
    fn the_page_of_a_run_is_named_directly() {
        let host = "https://x.cloud.databricks.com";
        assert_eq!(page_of_run(&format!("{host}/?o=9#job/1/run/2")), format!("{host}/jobs/1/runs/2?o=9"));
        assert_eq!(page_of_run(&format!("{host}/#job/1/run/2")), format!("{host}/jobs/1/runs/2"));
        let other = format!("{host}/jobs/1/runs/2?o=9");
        assert_eq!(page_of_run(&other), other);
    }
}
