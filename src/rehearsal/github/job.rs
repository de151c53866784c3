//! Jobs: what a workflow file asks for, and what GitHub then gives a runner.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::access::{Grant, Level, Permissions, Scope, UnknownPermission};
use super::api::add_status;
use super::event::Event;
use super::identity;
use super::runner::{self, Runner};
use super::scenario::{self, ScenarioError};
use super::standin::World;
use super::state::{Approval, BOT, CheckRun, Deployment, DeploymentStatus, Job, Run, State};

/// `environment:` of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnvironment {
    pub name: String,
    pub url: Option<String>,
    /// False for `deployment: false`: the environment's gates without a deployment of the job's own.
    pub deployment: bool,
}

/// A job as its workflow describes it.
#[derive(Clone, Debug)]
pub struct JobSpec {
    pub event: Event,
    pub name: String,
    pub workflow: String,
    pub workflow_path: String,
    pub environment: Option<JobEnvironment>,
    /// Who let it into the environment.
    pub approved_by: Option<String>,
    pub permissions: Permissions,
    pub actor: String,
    /// Who pressed the button of a re-run.
    pub triggering_actor: Option<String>,
    /// An earlier job's run that this one belongs to.
    pub run: Option<u64>,
    /// A further attempt at that run.
    pub rerun: bool,
    pub self_hosted: bool,
}

impl JobSpec {
    pub fn on(event: Event) -> Self {
        JobSpec {
            event,
            name: "deploy".to_owned(),
            workflow: "Deploy".to_owned(),
            workflow_path: ".github/workflows/deploy.yml".to_owned(),
            environment: None,
            approved_by: None,
            permissions: Permissions::default(),
            actor: "ana".to_owned(),
            triggering_actor: None,
            run: None,
            rerun: false,
            self_hosted: false,
        }
    }

    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    pub fn by(mut self, actor: &str) -> Self {
        self.actor = actor.to_owned();
        self
    }

    /// `permissions:` in one line.
    pub fn permit(mut self, permissions: &str) -> Result<Self, UnknownPermission> {
        self.permissions = permissions.parse()?;
        Ok(self)
    }

    pub fn environment(mut self, name: &str) -> Self {
        self.environment = Some(JobEnvironment { name: name.to_owned(), url: None, deployment: true });
        self
    }

    pub fn environment_without_deployment(mut self, name: &str) -> Self {
        self.environment = Some(JobEnvironment { name: name.to_owned(), url: None, deployment: false });
        self
    }

    pub fn approved_by(mut self, login: &str) -> Self {
        self.approved_by = Some(login.to_owned());
        self
    }

    pub fn in_run(mut self, run: u64) -> Self {
        self.run = Some(run);
        self
    }

    pub fn rerun_by(mut self, run: u64, login: &str) -> Self {
        self.run = Some(run);
        self.rerun = true;
        self.triggering_actor = Some(login.to_owned());
        self
    }

    pub fn self_hosted(mut self) -> Self {
        self.self_hosted = true;
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    Success,
    Failure,
    Cancelled,
}

impl Conclusion {
    fn name(self) -> &'static str {
        match self {
            Conclusion::Success => "success",
            Conclusion::Failure => "failure",
            Conclusion::Cancelled => "cancelled",
        }
    }
}

/// A job that a runner has picked up.
pub struct RunningJob {
    world: Arc<World>,
    pub id: u64,
    pub run: u64,
    token: String,
    request_token: Option<String>,
}

impl World {
    /// Starts a job, and its run unless it belongs to one.
    pub fn start_job(self: &Arc<Self>, spec: JobSpec) -> Result<RunningJob, ScenarioError> {
        let mut state = self.lock();
        scenario::prepare(&mut state, &spec.event)?;
        admit(&state, &spec)?;
        let run = enter_run(&mut state, &spec)?;
        let id = state.counters.next("job");
        let attempt = state.runs.get(&run).map_or(1, |run| run.attempt);
        let now = state.now();
        let mut job = Job {
            id,
            run,
            attempt,
            name: spec.name.clone(),
            environment: spec.environment.as_ref().map(|environment| environment.name.clone()),
            deployment: None,
            self_hosted: spec.self_hosted,
            conclusion: None,
            started: now,
            completed: None,
        };
        if let Some(environment) = &spec.environment {
            state.environment(&environment.name);
            if environment.deployment {
                job.deployment = Some(deploy(&mut state, &spec, run, id, environment));
            }
        }
        show_as_check(&mut state, &job);
        state.jobs.insert(id, job);
        let (token, request_token) = hand_out_tokens(&mut state, &spec, id);
        drop(state);
        Ok(RunningJob { world: self.clone(), id, run, token, request_token })
    }

    /// Ends a job: its tokens die, its deployment gets its last status.
    pub fn finish_job(&self, id: u64, conclusion: Conclusion) {
        let mut state = self.lock();
        let now = state.now();
        let Some(job) = state.jobs.get_mut(&id) else { return };
        job.conclusion = Some(conclusion.name().to_owned());
        job.completed = Some(now);
        let (run, deployment) = (job.run, job.deployment);
        if let Some(check) = state.check_runs.get_mut(&id) {
            check.conclusion = Some(conclusion.name().to_owned());
            check.status = "completed".to_owned();
            check.completed = Some(now);
        }
        if let Some(deployment) = deployment {
            let name = if conclusion == Conclusion::Success { "success" } else { "failure" };
            let page = state.job_page(run, id);
            own_status(&mut state, deployment, name, page, None);
        }
        for grant in state.tokens.values_mut().filter(|grant| grant.job == Some(id)) {
            grant.live = false;
        }
        let open = state.jobs.values().any(|job| job.run == run && job.completed.is_none());
        if !open && let Some(run) = state.runs.get_mut(&run) {
            run.conclusion = Some(conclusion.name().to_owned());
        }
    }
}

// Protection rules gate a job before its runner starts.
fn admit(state: &State, spec: &JobSpec) -> Result<(), ScenarioError> {
    let Some(asked) = &spec.environment else { return Ok(()) };
    let Some(environment) = state.environments.get(&asked.name) else { return Ok(()) };
    let refuse = |why: &str| Err(ScenarioError(format!("environment {}: {why}", asked.name)));
    match &spec.approved_by {
        _ if environment.reviewers.is_empty() => Ok(()),
        None => refuse("the job waits for an approval"),
        Some(login) if !environment.reviewers.contains(login) => refuse("approved by somebody who is no reviewer"),
        Some(login) if environment.prevent_self_review && *login == spec.actor => refuse("approved by who started it"),
        Some(_) => Ok(()),
    }
}

fn enter_run(state: &mut State, spec: &JobSpec) -> Result<u64, ScenarioError> {
    let login = spec.triggering_actor.clone().unwrap_or_else(|| spec.actor.clone());
    state.user(&spec.actor);
    state.user(&login);
    let id = match spec.run {
        Some(id) => {
            let run = state.runs.get_mut(&id).ok_or_else(|| ScenarioError(format!("no run {id}")))?;
            run.conclusion = None;
            if spec.rerun {
                run.attempt += 1;
                run.triggering_actor = login;
            }
            id
        }
        None => {
            let situation = spec.event.situation(state);
            let (id, number) = (state.counters.next("run"), state.counters.next("run-number"));
            let run = Run {
                id,
                number,
                attempt: 1,
                event: spec.event.clone(),
                workflow: spec.workflow.clone(),
                workflow_path: spec.workflow_path.clone(),
                actor: spec.actor.clone(),
                triggering_actor: login,
                sha: situation.head_sha,
                branch: situation.head_branch,
                conclusion: None,
                approvals: Vec::new(),
                created: state.now(),
            };
            state.runs.insert(id, run);
            id
        }
    };
    if let (Some(user), Some(environment), Some(run)) =
        (spec.approved_by.clone(), &spec.environment, state.runs.get_mut(&id))
    {
        let environment = environment.name.clone();
        run.approvals.push(Approval { environment, state: "approved".to_owned(), user, comment: String::new() });
    }
    Ok(id)
}

/// The deployment that GitHub makes by itself for a job with an environment.
fn deploy(state: &mut State, spec: &JobSpec, run: u64, job: u64, environment: &JobEnvironment) -> u64 {
    let situation = spec.event.situation(state);
    let (id, now) = (state.counters.next("deployment"), state.now());
    let deployment = Deployment {
        id,
        sha: situation.head_sha.clone(),
        reference: situation.head_branch.clone().unwrap_or(situation.reference),
        task: "deploy".to_owned(),
        environment: environment.name.clone(),
        original_environment: environment.name.clone(),
        description: None,
        payload: json!({}),
        creator: BOT.to_owned(),
        transient: false,
        production: false,
        statuses: Vec::new(),
        created: now,
    };
    state.deployments.insert(id, deployment);
    for name in ["queued", "in_progress"] {
        own_status(state, id, name, state.job_page(run, job), environment.url.clone());
    }
    id
}

fn own_status(state: &mut State, deployment: u64, name: &str, log_url: String, environment_url: Option<String>) {
    let status = DeploymentStatus {
        id: state.counters.next("deployment-status"),
        state: name.to_owned(),
        creator: BOT.to_owned(),
        description: String::new(),
        environment: String::new(),
        log_url,
        environment_url: environment_url.unwrap_or_default(),
        at: state.now(),
    };
    add_status(state, deployment, status, true);
}

fn show_as_check(state: &mut State, job: &Job) {
    let sha = state.runs.get(&job.run).map(|run| run.sha.clone()).unwrap_or_default();
    let check = CheckRun {
        id: job.id,
        name: job.name.clone(),
        sha,
        external_id: None,
        details_url: Some(state.job_page(job.run, job.id)),
        status: "in_progress".to_owned(),
        conclusion: None,
        started: Some(job.started),
        completed: None,
        title: None,
        summary: None,
        text: None,
        annotations: Vec::new(),
    };
    state.check_runs.insert(check.id, check);
}

fn hand_out_tokens(state: &mut State, spec: &JobSpec, job: u64) -> (String, Option<String>) {
    let stranger = spec.event.is_of_a_fork(state) || spec.actor == "dependabot[bot]";
    let permissions = if stranger { spec.permissions.for_strangers() } else { spec.permissions.clone() };
    let token = format!("ghs_{}{}", uuid::Uuid::new_v4().simple(), "AbCd");
    let asks_id_token = permissions.level(Scope::IdToken) == Level::Write;
    let grant = Grant { login: BOT.to_owned(), permissions, job: Some(job), live: true };
    state.tokens.insert(token.clone(), grant);
    let request_token = asks_id_token.then(|| format!("request-{}", uuid::Uuid::new_v4().simple()));
    if let Some(request_token) = &request_token {
        state.request_tokens.insert(request_token.clone(), job);
    }
    (token, request_token)
}

impl RunningJob {
    /// `${{ github.token }}`: never in the environment unless a workflow puts it there.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, where the job was given `id-token: write`.
    pub fn id_token_request(&self) -> Option<(String, String)> {
        let token = self.request_token.clone()?;
        let state = self.world.lock();
        Some((identity::request_url(&state, state.jobs.get(&self.id)?), token))
    }

    /// The deployment that GitHub made for the job's environment.
    pub fn own_deployment(&self) -> Option<u64> {
        self.world.lock().jobs.get(&self.id)?.deployment
    }

    /// Lays out below `dir` what a runner prepares for a step, and returns the step's environment.
    pub fn runner(&self, dir: &Path) -> std::io::Result<Runner> {
        let id_token = self.id_token_request();
        let state = self.world.lock();
        runner::prepare(&state, self.id, id_token, dir)
    }

    /// Ends the job: its tokens die, its deployment gets its last status.
    pub fn finish(&self, conclusion: Conclusion) {
        self.world.finish_job(self.id, conclusion);
    }
}
