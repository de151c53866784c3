//! Drives a run from its first task to its last.

use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use super::python::{self, Work};
use super::references::resolved;
use super::run::TaskState;
use super::{Local, Outcome, Tasks, training};
use crate::rehearsal::workspace::serve::Server;

/// How one task ended.
pub(crate) struct Ended {
    pub outcome: Outcome,
    pub logs: String,
    pub trace: Option<String>,
    pub result: Option<String>,
    pub values: Vec<(String, String)>,
    pub answer: Option<bool>,
}

impl Ended {
    pub fn as_scripted(outcome: Outcome) -> Self {
        Self { outcome, logs: String::new(), trace: None, result: None, values: vec![], answer: None }
    }
}

/// Takes up a run. A scripted one is decided at once and shown as running until it is looked at twice.
pub(crate) fn execute(server: &Arc<Server>, store: &str, run: u64) {
    match &server.config.tasks {
        Tasks::Scripted(_) => {
            walk(server, store, run);
            training::leave(server, store, run);
        }
        Tasks::Local(_) => {
            tokio::spawn(drive(server.clone(), store.to_owned(), run));
        }
    }
}

fn walk(server: &Server, store: &str, id: u64) {
    server.with_store(store, |store, now| {
        let Some(run) = store.runs.get_mut(id).filter(|r| !r.is_over()) else { return };
        run.scripted = true;
        loop {
            let ready = run.ready(now);
            if ready.is_empty() {
                break;
            }
            for index in ready {
                let task = resolved(&run.tasks[index].task, &run.known(index));
                let ended = without_python(&server.config.tasks, &run.name, &run.tasks[index].key, &task);
                run.tasks[index].started = now;
                apply(&mut run.tasks[index], ended, now);
            }
        }
    });
}

/// A task that is not run for real: as scripted, or a success. A condition is answered.
fn without_python(tasks: &Tasks, job: &str, key: &str, task: &Value) -> Ended {
    let outcome = tasks.scripted_outcome(job, key).unwrap_or(Outcome::Success { logs: String::new() });
    let mut ended = Ended::as_scripted(outcome);
    ended.answer = task.get("condition_task").filter(|c| !c.is_null()).map(condition);
    ended
}

fn condition(task: &Value) -> bool {
    let (left, right) = (task["left"].as_str().unwrap_or_default(), task["right"].as_str().unwrap_or_default());
    let numbers = left.parse::<f64>().ok().zip(right.parse::<f64>().ok());
    match (task["op"].as_str().unwrap_or_default(), numbers) {
        ("NOT_EQUAL", _) => left != right,
        ("GREATER_THAN", Some((l, r))) => l > r,
        ("GREATER_THAN_OR_EQUAL", Some((l, r))) => l >= r,
        ("LESS_THAN", Some((l, r))) => l < r,
        ("LESS_THAN_OR_EQUAL", Some((l, r))) => l <= r,
        _ => left == right,
    }
}

fn apply(task: &mut super::run::TaskRun, ended: Ended, now: i64) {
    if task.state == TaskState::Cancelled {
        return;
    }
    task.end(ended.outcome, now);
    if !ended.logs.is_empty() {
        task.logs = ended.logs;
    }
    task.trace = ended.trace;
    task.result = ended.result;
    task.values = ended.values.into_iter().collect();
    task.answer = ended.answer;
}

/// Starts what may start, waits for one to end, and so on.
async fn drive(server: Arc<Server>, store: String, run: u64) {
    let mut running: JoinSet<(usize, Ended)> = JoinSet::new();
    loop {
        let Some(starting) = take_ready(&server, &store, run) else {
            // Cancelled: dropping the set kills what runs.
            return;
        };
        for (index, work) in starting {
            let server = server.clone();
            let store = store.clone();
            running.spawn(async move { (index, one(&server, &store, work).await) });
        }
        let Some(done) = next_end(&server, &store, run, &mut running).await else { break };
        let (index, ended) = done;
        server.with_store(&store, |store, now| {
            if let Some(run) = store.runs.get_mut(run) {
                apply(&mut run.tasks[index], ended, now);
            }
        });
    }
    server.with_store(&store, |store, now| {
        if let Some(run) = store.runs.get_mut(run).filter(|r| !r.is_over()) {
            run.ended = Some(now);
        }
    });
}

/// The next task to end; nothing when none runs or the run was cancelled.
async fn next_end(
    server: &Server,
    store: &str,
    run: u64,
    running: &mut JoinSet<(usize, Ended)>,
) -> Option<(usize, Ended)> {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(100));
    loop {
        tokio::select! {
            done = running.join_next() => return done.and_then(Result::ok),
            _ = tick.tick() => {
                let cancelled = server.with_store(store, |s, _| s.runs.get(run).is_none_or(super::Run::is_cancelled));
                if cancelled {
                    running.abort_all();
                    return None;
                }
            }
        }
    }
}

fn take_ready(server: &Server, store: &str, id: u64) -> Option<Vec<(usize, Work)>> {
    server.with_store(store, |store, now| {
        let run = store.runs.get_mut(id).filter(|r| !r.is_over())?;
        let ready = run.ready(now);
        let work = |index: usize, run: &mut super::Run| {
            let task = resolved(&run.tasks[index].task, &run.known(index));
            run.tasks[index].state = TaskState::Running;
            run.tasks[index].started = now;
            Work {
                run: run.id,
                task_run: run.tasks[index].id,
                job_id: run.job_id,
                job: run.name.clone(),
                key: run.tasks[index].key.clone(),
                task,
                environments: run.environments.clone(),
                parameters: run.new.parameters.clone(),
                named: run.new.named.clone(),
                positional: run.new.positional.clone(),
                values: run.known(index).into_iter().filter(|(k, _)| k.starts_with("tasks.")).collect(),
                run_as: run.run_as.clone(),
            }
        };
        Some(ready.into_iter().map(|index| (index, work(index, run))).collect())
    })
}

async fn one(server: &Server, store: &str, work: Work) -> Ended {
    let Tasks::Local(local) = &server.config.tasks else {
        return without_python(&server.config.tasks, &work.job, &work.key, &work.task);
    };
    // A script overrules even a task that could run: a demo of a failing task needs no failing code.
    if let Some(outcome) = server.config.tasks.scripted_outcome(&work.job, &work.key) {
        return Ended::as_scripted(outcome);
    }
    let Some(kind) = python::kind_of(server, store, &work) else {
        return without_python(&server.config.tasks, &work.job, &work.key, &work.task);
    };
    python_task(server, local, store, &work, kind).await
}

async fn python_task(server: &Server, local: &Local, store: &str, work: &Work, kind: python::Kind) -> Ended {
    let token = server.token_of_run(store, &work.run_as);
    match python::run(server, local, store, work, kind, &token).await {
        Ok(ended) => ended,
        Err(error) => Ended::as_scripted(Outcome::Failed { error }),
    }
}

impl Server {
    /// A token for a task's own calls to the workspace, as whom the job runs.
    fn token_of_run(&self, store: &str, run_as: &str) -> String {
        use crate::rehearsal::workspace::config::Identity;
        let prefix = if run_as.contains('@') { "dbapi0" } else { "dbapi1" };
        match &self.config.identity {
            Identity::PerToken => format!("{prefix}{store}"),
            Identity::Federated(federation) => {
                let principal = federation.known(run_as);
                let token = format!("standin.{}", uuid::Uuid::new_v4().simple());
                let expires = self.clock.now() + 3_600_000;
                self.issued().push(crate::rehearsal::workspace::identity::Issued {
                    token: token.clone(),
                    principal,
                    expires,
                });
                token
            }
        }
    }
}
