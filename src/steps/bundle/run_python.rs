//! Runs the bundle's Python code: in its own environment, with the four files that it reads and writes.

use std::path::Path;
use std::time::Duration;

use crate::bundle::python::{Answer, Call};
use crate::domain::{Failure, Reason, Secret};
use crate::ports::process::Trust;
use crate::ports::{Command, Files, Process, ProcessError};

const MODULE: &str = "databricks.bundles.build";
/// Longer than anybody waits for a configuration.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// What the code is run with.
pub struct Interpreter<'a> {
    pub process: &'a dyn Process,
    pub files: &'a dyn Files,
    /// The folder of the bundle.
    pub root: &'a Path,
    /// A folder that is nobody else's.
    pub scratch: &'a Path,
    pub env: Vec<(String, String)>,
    pub secret_env: Vec<(String, Secret)>,
}

impl Interpreter<'_> {
    pub async fn run(&self, call: &Call) -> Result<Answer, Failure> {
        let program = match &call.environment {
            Some(environment) => match self.of(environment).await? {
                Ok(program) => program,
                Err(why) => return Ok(Answer::NotRun(why)),
            },
            None => "python3".to_owned(),
        };
        let file = |name: &str| self.scratch.join(format!("{}.{name}.json", call.phase.name()));
        let [input, output, diagnostics, locations] = ["input", "output", "diagnostics", "locations"].map(file);
        let written = self.files.write(&input, call.input.as_bytes()).await;
        written.map_err(|e| disk(&input).because(e))?;
        let mut args = vec!["-m".to_owned(), MODULE.to_owned(), "--phase".to_owned(), call.phase.name().to_owned()];
        for (flag, path) in
            [("input", &input), ("output", &output), ("diagnostics", &diagnostics), ("locations", &locations)]
        {
            args.extend([format!("--{flag}"), path.to_string_lossy().into_owned()]);
        }
        let command = Command {
            program,
            args,
            folder: self.root.to_owned(),
            env: self.env.clone(),
            secret_env: self.secret_env.clone(),
            trust: Trust::Tool,
            timeout: TIMEOUT,
        };
        let finished = match self.process.run(command, &|_| {}).await {
            Ok(finished) => finished,
            Err(ProcessError::NotFound { program }) => {
                return Ok(Answer::NotRun(format!("there is no `{program}` on PATH")));
            }
            Err(error) => return Ok(Answer::NotRun(whole(&error))),
        };
        let diagnostics = self.read(&diagnostics).await?;
        if !finished.succeeded() {
            let status = match (finished.code, finished.signal) {
                (Some(code), _) => format!("exit status {code}"),
                (None, signal) => format!("signal {}", signal.unwrap_or_default()),
            };
            let said = String::from_utf8_lossy(&finished.stderr).into_owned();
            return Ok(Answer::Failed { status, said, diagnostics });
        }
        Ok(Answer::Ended { output: self.read(&output).await?, diagnostics, locations: self.read(&locations).await? })
    }

    /// The interpreter of a virtual environment; in words why there is none.
    async fn of(&self, environment: &str) -> Result<Result<String, String>, Failure> {
        let folder = self.root.join(environment);
        let is_there = async |path: &Path| {
            let found = self.files.stat(path).await;
            found.map(|entry| entry.is_some()).map_err(|e| disk(path).because(e))
        };
        let program = folder.join("bin/python3");
        if !is_there(&program).await? {
            let made = format!("make it with `uv sync` or `python3 -m venv {environment}`");
            return Ok(Err(format!("there is no `{environment}/bin/python3`; {made}")));
        }
        if !is_there(&folder.join("pyvenv.cfg")).await? {
            return Ok(Err(format!("`{environment}` is no virtual environment: it has no `pyvenv.cfg`")));
        }
        Ok(Ok(program.to_string_lossy().into_owned()))
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        self.files.read(path).await.map_err(|e| disk(path).because(e))
    }
}

fn disk(path: &Path) -> Failure {
    Failure::new(Reason::DiskError, format!("run Python code of the bundle: {}", path.display()))
}

fn whole(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
