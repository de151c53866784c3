//! What a runner prepares for a step: variables, the event's file, the command files.
//!
//! The layout is that of a container action, with the host's paths: `workspace`, `home`, `workflow`, `file_commands`,
//! `runner_temp` below one folder, so that mounting them under `/github` gives a container the real thing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file_commands;
use super::state::State;

/// A prepared step.
#[derive(Debug)]
pub struct Runner {
    /// The step's variables; inputs and a token are for the caller to add.
    pub vars: BTreeMap<String, String>,
    commands: PathBuf,
}

const COMMAND_FILES: [(&str, &str); 5] = [
    ("GITHUB_OUTPUT", "set_output"),
    ("GITHUB_ENV", "set_env"),
    ("GITHUB_STATE", "save_state"),
    ("GITHUB_PATH", "add_path"),
    ("GITHUB_STEP_SUMMARY", "step_summary"),
];

impl Runner {
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.vars.insert(name.to_owned(), value.into());
    }

    /// The step's outputs as the runner would read them, or why the runner would fail the step.
    pub fn outputs(&self) -> Result<BTreeMap<String, String>, String> {
        file_commands::read(&self.command_file("set_output"))
    }

    /// What the post step would find as `STATE_*`.
    pub fn state(&self) -> Result<BTreeMap<String, String>, String> {
        file_commands::read(&self.command_file("save_state"))
    }

    pub fn summary(&self) -> String {
        self.command_file("step_summary")
    }

    /// Empties the command files, as for the next step.
    pub fn next_step(&self) -> io::Result<()> {
        COMMAND_FILES.iter().try_for_each(|(_, file)| fs::write(self.commands.join(file), ""))
    }

    // A step that deletes its file has said nothing.
    fn command_file(&self, file: &str) -> String {
        fs::read_to_string(self.commands.join(file)).unwrap_or_default()
    }
}

pub(super) fn prepare(state: &State, job: u64, id_token: Option<(String, String)>, dir: &Path) -> io::Result<Runner> {
    let folder = |name: &str| -> io::Result<PathBuf> {
        let path = dir.join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    };
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (workspace, home, temp) = (folder("workspace")?, folder("home")?, folder("runner_temp")?);
    let (workflow, commands) = (folder("workflow")?, folder("file_commands")?);
    let event = workflow.join("event.json");
    let mut vars = variables(state, job);
    if let Some(run) = state.jobs.get(&job).and_then(|job| state.runs.get(&job.run)) {
        fs::write(&event, run.event.payload(state, &run.actor).to_string())?;
    }
    for (name, file) in COMMAND_FILES {
        let path = commands.join(file);
        fs::write(&path, "")?;
        vars.insert(name.to_owned(), text(&path));
    }
    for (name, path) in
        [("GITHUB_WORKSPACE", &workspace), ("HOME", &home), ("RUNNER_TEMP", &temp), ("GITHUB_EVENT_PATH", &event)]
    {
        vars.insert(name.to_owned(), text(path));
    }
    if let Some((url, token)) = id_token {
        // The runtime token and the request token are one and the same bearer.
        vars.insert("ACTIONS_RUNTIME_TOKEN".to_owned(), token.clone());
        vars.insert("ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(), url);
        vars.insert("ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(), token);
    }
    Ok(Runner { vars, commands })
}

fn variables(state: &State, job: u64) -> BTreeMap<String, String> {
    let Some((job, run)) = state.jobs.get(&job).and_then(|job| Some((job, state.runs.get(&job.run)?))) else {
        return BTreeMap::new();
    };
    let repository = &state.repository;
    let situation = run.event.situation(state);
    let known = [
        ("CI", "true".to_owned()),
        ("GITHUB_ACTIONS", "true".to_owned()),
        ("GITHUB_ACTION", "__self".to_owned()),
        ("GITHUB_ACTOR", run.actor.clone()),
        ("GITHUB_ACTOR_ID", state.user_id(&run.actor).to_string()),
        ("GITHUB_API_URL", state.urls.api.clone()),
        ("GITHUB_BASE_REF", situation.base_ref.clone()),
        ("GITHUB_EVENT_NAME", run.event.name().to_owned()),
        ("GITHUB_GRAPHQL_URL", format!("{}/graphql", state.urls.api.trim_end_matches("/v3"))),
        ("GITHUB_HEAD_REF", situation.head_ref.clone()),
        ("GITHUB_JOB", job.name.clone()),
        ("GITHUB_REF", situation.reference.clone()),
        ("GITHUB_REF_NAME", situation.ref_name().to_owned()),
        ("GITHUB_REF_PROTECTED", situation.is_default(state).to_string()),
        ("GITHUB_REF_TYPE", situation.ref_type().to_owned()),
        ("GITHUB_REPOSITORY", repository.full_name()),
        ("GITHUB_REPOSITORY_ID", repository.id.to_string()),
        ("GITHUB_REPOSITORY_OWNER", repository.owner.clone()),
        ("GITHUB_REPOSITORY_OWNER_ID", repository.owner_id.to_string()),
        ("GITHUB_RETENTION_DAYS", "90".to_owned()),
        ("GITHUB_RUN_ATTEMPT", job.attempt.to_string()),
        ("GITHUB_RUN_ID", run.id.to_string()),
        ("GITHUB_RUN_NUMBER", run.number.to_string()),
        ("GITHUB_SERVER_URL", state.urls.server.clone()),
        ("GITHUB_SHA", situation.sha.clone()),
        ("GITHUB_TRIGGERING_ACTOR", run.triggering_actor.clone()),
        ("GITHUB_WORKFLOW", run.workflow.clone()),
        ("GITHUB_WORKFLOW_REF", format!("{}/{}@{}", repository.full_name(), run.workflow_path, situation.reference)),
        ("GITHUB_WORKFLOW_SHA", situation.sha.clone()),
        ("RUNNER_ARCH", "X64".to_owned()),
        ("RUNNER_ENVIRONMENT", if job.self_hosted { "self-hosted" } else { "github-hosted" }.to_owned()),
        ("RUNNER_NAME", "GitHub Actions 1".to_owned()),
        ("RUNNER_OS", "Linux".to_owned()),
    ];
    known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
