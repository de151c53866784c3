//! The state of a run: which task may start, what its end means for the others and for the run.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::references::Known;
use super::{Outcome, Training};
use crate::rehearsal::workspace::call::Refusal;
use crate::rehearsal::workspace::identity::Principal;
use crate::rehearsal::workspace::store::{Ids, Store};

#[derive(Clone, Default)]
pub(crate) struct Runs {
    all: Vec<Run>,
    /// Runs that nobody has taken up yet.
    waiting: Vec<u64>,
    /// Scripted runs do not end, however often they are looked at.
    pub held: bool,
    /// What scripted runs leave that trained, by the job's name.
    pub trainings: BTreeMap<String, Training>,
}

/// What a request for a run says.
#[derive(Clone)]
pub(crate) struct NewRun {
    pub token: Option<String>,
    /// Job parameters, defaults included.
    pub parameters: BTreeMap<String, String>,
    pub named: BTreeMap<String, String>,
    pub positional: Option<Vec<String>>,
    pub only: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Run {
    pub id: u64,
    pub job_id: u64,
    pub name: String,
    pub started: i64,
    pub ended: Option<i64>,
    pub creator: String,
    pub run_as: String,
    pub new: NewRun,
    pub tasks: Vec<TaskRun>,
    pub environments: Value,
    /// A run that may not start because enough others run.
    skipped: bool,
    cancelled: bool,
    /// Scripted runs end when they are looked at for the second time.
    pub scripted: bool,
    looks: u32,
}

#[derive(Clone)]
pub(crate) struct TaskRun {
    pub id: u64,
    pub key: String,
    pub task: Value,
    pub state: TaskState,
    pub started: i64,
    pub ended: i64,
    pub logs: String,
    pub error: Option<String>,
    pub trace: Option<String>,
    /// What `dbutils.notebook.exit` gave.
    pub result: Option<String>,
    /// Task values, for the tasks after it; a condition's answer.
    pub values: BTreeMap<String, String>,
    pub answer: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskState {
    Blocked,
    Running,
    Success,
    Failed,
    TimedOut,
    Cancelled,
    /// Not run because something before it failed.
    UpstreamFailed,
    /// Not run because its condition does not hold.
    Excluded,
}

use TaskState::{Blocked, Cancelled, Excluded, Failed, Running, Success, TimedOut, UpstreamFailed};

impl TaskState {
    fn is_over(self) -> bool {
        !matches!(self, Blocked | Running)
    }

    fn is_bad(self) -> bool {
        matches!(self, Failed | TimedOut | Cancelled | UpstreamFailed)
    }

    fn result(self) -> &'static str {
        match self {
            Blocked | Running => "",
            Success => "SUCCESS",
            Failed => "FAILED",
            TimedOut => "TIMEDOUT",
            Cancelled => "CANCELED",
            UpstreamFailed => "UPSTREAM_FAILED",
            Excluded => "EXCLUDED",
        }
    }
}

impl Store {
    /// A run of a job; it waits in `Runs::take_waiting` until somebody drives it.
    pub fn start_run(&mut self, job: &Value, who: &Principal, new: NewRun, now: i64) -> Result<u64, Refusal> {
        let settings = &job["settings"];
        let job_id = job["job_id"].as_u64().unwrap_or_default();
        let active = self.runs.all.iter().filter(|r| r.job_id == job_id && !r.is_over()).count();
        let limit = usize::try_from(settings["max_concurrent_runs"].as_u64().unwrap_or(1)).unwrap_or(1);
        let skipped = active >= limit && settings["queue"]["enabled"] != true;
        let tasks = settings["tasks"].as_array().cloned().unwrap_or_default();
        if let Some(unknown) = new.only.iter().find(|o| !tasks.iter().any(|t| t["task_key"] == o.trim_matches('+'))) {
            return Err(Refusal::invalid(format!("Task '{unknown}' does not exist in the job")));
        }
        let chosen =
            tasks.into_iter().filter(|t| new.only.is_empty() || new.only.iter().any(|o| t["task_key"] == o.as_str()));
        let tasks = chosen.map(|task| TaskRun::new(task, &mut self.ids)).collect();
        let run = Run {
            id: self.ids.number(),
            job_id,
            name: settings["name"].as_str().unwrap_or_default().to_owned(),
            started: now,
            ended: skipped.then_some(now),
            creator: who.user_name.clone(),
            run_as: job["run_as_user_name"].as_str().unwrap_or(&who.user_name).to_owned(),
            new,
            tasks,
            environments: settings["environments"].clone(),
            skipped,
            cancelled: false,
            scripted: false,
            looks: 0,
        };
        let id = run.id;
        self.runs.all.push(run);
        self.runs.waiting.push(id);
        Ok(id)
    }
}

impl TaskRun {
    fn new(task: Value, ids: &mut Ids) -> Self {
        Self {
            id: ids.number(),
            key: task["task_key"].as_str().unwrap_or_default().to_owned(),
            task,
            state: Blocked,
            started: 0,
            ended: 0,
            logs: String::new(),
            error: None,
            trace: None,
            result: None,
            values: BTreeMap::new(),
            answer: None,
        }
    }

    pub fn end(&mut self, outcome: Outcome, now: i64) {
        self.ended = now;
        match outcome {
            Outcome::Success { logs } => {
                self.state = Success;
                self.logs = logs;
            }
            Outcome::Failed { error } => {
                self.state = Failed;
                self.error = Some(error);
            }
            Outcome::TimedOut => self.state = TimedOut,
        }
    }

    fn message(&self) -> String {
        match self.state {
            Failed => "Workload failed, see run output for details".into(),
            TimedOut => "The task ran longer than its timeout".into(),
            UpstreamFailed => "Run cancelled because an upstream task failed".into(),
            Cancelled => "Run cancelled".into(),
            _ => String::new(),
        }
    }
}

impl Runs {
    pub fn get(&self, id: u64) -> Option<&Run> {
        self.all.iter().find(|r| r.id == id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Run> {
        self.all.iter_mut().find(|r| r.id == id)
    }

    pub fn task(&self, id: u64) -> Option<(&Run, &TaskRun)> {
        self.all.iter().find_map(|r| r.tasks.iter().find(|t| t.id == id).map(|t| (r, t)))
    }

    pub fn by_token(&self, token: &str) -> Option<&Run> {
        self.all.iter().find(|r| r.new.token.as_deref() == Some(token))
    }

    pub fn newest_first(&self) -> impl Iterator<Item = &Run> {
        self.all.iter().rev()
    }

    pub fn take_waiting(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.waiting)
    }

    pub fn remove(&mut self, id: u64) {
        self.all.retain(|r| r.id != id);
    }

    /// Somebody asks for a run: the first time a scripted one is still running.
    pub fn look(&mut self, id: u64, now: i64) {
        let by_task = self.task(id).map(|(r, _)| r.id);
        let held = self.held;
        let Some(run) = self.get_mut(by_task.unwrap_or(id)) else { return };
        run.looks += 1;
        if run.scripted && run.looks > 1 && run.ended.is_none() && !held {
            run.ended = Some(now);
        }
    }

    pub fn cancel(&mut self, id: u64, now: i64) {
        let Some(run) = self.get_mut(id).filter(|r| r.ended.is_none()) else { return };
        run.cancelled = true;
        run.ended = Some(now);
        for task in run.tasks.iter_mut().filter(|t| run.scripted || !t.state.is_over()) {
            task.state = Cancelled;
            task.ended = now;
        }
    }

    pub fn dump(&self) -> Value {
        let brief = |r: &Run| json!({"run_id": r.id, "job_id": r.job_id, "name": r.name, "result": r.result(), "tasks": r.tasks.iter().map(|t| (t.key.clone(), t.state.result())).collect::<BTreeMap<_, _>>()});
        self.all.iter().map(brief).collect()
    }
}

impl Run {
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether every task has done its work, seen or not.
    pub fn has_succeeded(&self) -> bool {
        !self.tasks.is_empty() && self.tasks.iter().all(|task| task.state == Success)
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Decides about every task whose predecessors have ended; gives the indices of those that may start.
    pub fn ready(&mut self, now: i64) -> Vec<usize> {
        let mut start = vec![];
        loop {
            let next = (0..self.tasks.len()).find_map(|i| {
                let decision =
                    (self.tasks[i].state == Blocked && !start.contains(&i)).then(|| self.decide(i)).flatten()?;
                Some((i, decision))
            });
            match next {
                None => return start,
                Some((i, Running)) => start.push(i),
                Some((i, state)) => {
                    self.tasks[i].state = state;
                    self.tasks[i].ended = now;
                }
            }
        }
    }

    /// `Running` for "may start"; nothing while a predecessor has not ended.
    fn decide(&self, index: usize) -> Option<TaskState> {
        let task = &self.tasks[index].task;
        let mut states = vec![];
        for need in task["depends_on"].as_array().into_iter().flatten() {
            // A predecessor that this run leaves out (`only`) does not count.
            let Some(before) = self.tasks.iter().find(|t| need["task_key"] == t.key.as_str()) else { continue };
            if !before.state.is_over() {
                return None;
            }
            let wanted = need["outcome"].as_str().map(|o| o.eq_ignore_ascii_case("true"));
            let otherwise = wanted.is_some() && before.answer.is_some() && before.answer != wanted;
            states.push(if otherwise { Excluded } else { before.state });
        }
        let (ok, bad) =
            (states.iter().filter(|s| **s == Success).count(), states.iter().filter(|s| s.is_bad()).count());
        let excluded = states.contains(&Excluded);
        Some(match task["run_if"].as_str().unwrap_or("ALL_SUCCESS") {
            "ALL_DONE" => Running,
            "NONE_FAILED" if bad > 0 => UpstreamFailed,
            "NONE_FAILED" if excluded && ok == 0 => Excluded,
            "NONE_FAILED" => Running,
            "AT_LEAST_ONE_SUCCESS" if ok > 0 || states.is_empty() => Running,
            "AT_LEAST_ONE_SUCCESS" => UpstreamFailed,
            "AT_LEAST_ONE_FAILED" if bad > 0 => Running,
            "ALL_FAILED" if bad > 0 && bad == states.len() => Running,
            "AT_LEAST_ONE_FAILED" | "ALL_FAILED" => Excluded,
            _ if bad > 0 => UpstreamFailed,
            _ if excluded => Excluded,
            _ => Running,
        })
    }

    /// Only the tasks that nothing depends on decide how a run ends.
    fn result(&self) -> &'static str {
        if !self.is_over() || self.skipped {
            return "";
        }
        if self.cancelled {
            return "CANCELED";
        }
        let needed = |key: &str| {
            self.tasks
                .iter()
                .any(|t| t.task["depends_on"].as_array().into_iter().flatten().any(|d| d["task_key"] == key))
        };
        let leaf_failed = self.tasks.iter().any(|t| t.state.is_bad() && !needed(&t.key));
        let any_failed = self.tasks.iter().any(|t| t.state.is_bad());
        match (leaf_failed, any_failed) {
            (true, _) if self.tasks.iter().any(|t| t.state == TimedOut) => "TIMEDOUT",
            (true, _) => "FAILED",
            (false, true) => "SUCCESS_WITH_FAILURES",
            (false, false) => "SUCCESS",
        }
    }

    /// What a reference in a task's parameters may name.
    pub fn known(&self, index: usize) -> Known {
        let mut known = Known::from([
            ("job.id".into(), self.job_id.to_string()),
            ("job.run_id".into(), self.id.to_string()),
            ("job.name".into(), self.name.clone()),
            ("job.repair_count".into(), "0".into()),
            ("job.trigger.type".into(), "one_time".into()),
            ("task.name".into(), self.tasks[index].key.clone()),
            ("task.run_id".into(), self.tasks[index].id.to_string()),
            ("job_id".into(), self.job_id.to_string()),
            ("run_id".into(), self.tasks[index].id.to_string()),
            ("parent_run_id".into(), self.id.to_string()),
        ]);
        known.extend(self.new.parameters.iter().map(|(k, v)| (format!("job.parameters.{k}"), v.clone())));
        for task in self.tasks.iter().filter(|t| t.state.is_over()) {
            known.insert(format!("tasks.{}.result_state", task.key), task.state.result().to_ascii_lowercase());
            known.extend(task.values.iter().map(|(k, v)| (format!("tasks.{}.values.{k}", task.key), v.clone())));
        }
        known
    }

    pub fn document(&self, base_url: &str, workspace_id: u64, with_tasks: bool) -> Value {
        let result = self.result();
        let bad = self.tasks.iter().find(|t| t.state.is_bad() && t.state != UpstreamFailed);
        let message = match bad {
            Some(task) if result == "FAILED" => format!("Task {} failed with message: {}.", task.key, task.message()),
            _ if self.skipped => {
                "Skipping this run because the limit of maximum concurrent runs has been reached.".into()
            }
            _ if self.cancelled => "Run cancelled.".into(),
            _ => String::new(),
        };
        let life_cycle = match result {
            _ if self.skipped => "SKIPPED",
            _ if !self.is_over() => "RUNNING",
            "FAILED" => "INTERNAL_ERROR",
            _ => "TERMINATED",
        };
        let parameters: Vec<Value> = self.new.parameters.iter().map(|(k, v)| json!({"name": k, "value": v})).collect();
        let mut doc = json!({
            "job_id": self.job_id, "run_id": self.id, "number_in_job": self.id, "original_attempt_run_id": self.id,
            "run_name": self.name, "creator_user_name": self.creator, "run_type": "JOB_RUN", "format": "MULTI_TASK",
            "trigger": "ONE_TIME", "start_time": self.started, "end_time": self.ended.unwrap_or(0),
            "run_duration": self.ended.unwrap_or(self.started) - self.started,
            "run_page_url": format!("{base_url}/jobs/{}/runs/{}?o={workspace_id}", self.job_id, self.id),
            "job_parameters": parameters,
        });
        states(&mut doc, life_cycle, result, &message);
        if with_tasks {
            let over = self.is_over();
            let tasks = self.tasks.iter().map(|t| t.brief(over || !self.scripted, base_url, workspace_id, self.job_id));
            doc["tasks"] = tasks.collect();
        }
        doc
    }

    pub fn task_document(&self, task: &TaskRun, base_url: &str, workspace_id: u64) -> Value {
        let mut doc = task.brief(self.is_over() || !self.scripted, base_url, workspace_id, self.job_id);
        doc["job_id"] = json!(self.job_id);
        doc["run_name"] = json!(self.name);
        doc["creator_user_name"] = json!(self.creator);
        doc["run_type"] = json!("JOB_RUN");
        doc
    }

    pub fn output_document(&self, task: &TaskRun, base_url: &str, workspace_id: u64) -> Value {
        let mut doc = json!({"metadata": self.task_document(task, base_url, workspace_id)});
        if !task.task["notebook_task"].is_null() {
            doc["notebook_output"] = json!({"truncated": false});
            if let Some(result) = &task.result {
                doc["notebook_output"]["result"] = json!(result);
            }
        } else {
            doc["logs"] = json!(task.logs);
            doc["logs_truncated"] = json!(false);
        }
        if let Some(error) = &task.error {
            doc["error"] = json!(error);
        }
        if let Some(trace) = &task.trace {
            doc["error_trace"] = json!(trace);
        }
        doc
    }
}

impl TaskRun {
    /// `visible` is false while a scripted run still pretends to be running.
    fn brief(&self, visible: bool, base_url: &str, workspace_id: u64, job_id: u64) -> Value {
        let mut doc = self.task.clone();
        let state = if visible || !self.state.is_over() { self.state } else { Running };
        doc["run_id"] = json!(self.id);
        doc["attempt_number"] = json!(0);
        doc["start_time"] = json!(self.started);
        doc["end_time"] = json!(if state.is_over() { self.ended } else { 0 });
        doc["run_page_url"] = json!(format!("{base_url}/jobs/{job_id}/runs/{}?o={workspace_id}", self.id));
        let life_cycle = match state {
            Blocked => "BLOCKED",
            Running => "RUNNING",
            _ => "TERMINATED",
        };
        states(
            &mut doc,
            life_cycle,
            state.result(),
            if state.is_over() { self.message() } else { String::new() }.as_str(),
        );
        doc
    }
}

/// The old form of the state and the new one.
fn states(doc: &mut Value, life_cycle: &str, result: &str, message: &str) {
    let mut state = json!({"life_cycle_state": life_cycle, "state_message": message, "user_cancelled_or_timedout": matches!(result, "CANCELED" | "TIMEDOUT")});
    if !result.is_empty() {
        state["result_state"] = json!(result);
    }
    doc["state"] = state;
    let over = !result.is_empty() || life_cycle == "SKIPPED";
    let mut status = json!({"state": if over { "TERMINATED" } else { life_cycle }});
    if over {
        let (code, kind) = match result {
            "SUCCESS" | "SUCCESS_WITH_FAILURES" => (result, "SUCCESS"),
            "CANCELED" => ("USER_CANCELED", "SUCCESS"),
            "TIMEDOUT" => ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
            "" => ("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR"),
            "UPSTREAM_FAILED" | "EXCLUDED" => ("SKIPPED", "CLIENT_ERROR"),
            _ => ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
        };
        status["termination_details"] = json!({"code": code, "type": kind, "message": message});
    }
    doc["status"] = status;
}
