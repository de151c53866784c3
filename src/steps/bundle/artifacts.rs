//! Builds the bundle's artifacts and brings them into the workspace.
//!
//! By hand the folder of artifacts is wiped and filled again, as the official command does.
//! That breaks a running job that has not installed its wheel yet, which is why a stage
//! gives each release a folder of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::run::Tell;
use super::upload::IN_FLIGHT;
use super::workspace_files::{WorkspaceFiles, escape};
use crate::domain::{Failure, Reason, Tree};
use crate::ports::process::Trust;
use crate::ports::{Body, Command, Files, Finished, Method, Process, ProcessError, Request};

/// An artifact that has to be built.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    pub name: String,
    pub command: String,
    pub folder: PathBuf,
}

/// A local file and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalLibrary {
    /// As it is told to people, relative to the bundle.
    pub shown: String,
    pub local: PathBuf,
    /// Its address in the workspace or in a volume.
    pub remote: String,
}

/// What has to be built, in the order of the names.
pub fn builds(config: &Tree, root: &Path) -> Vec<Build> {
    let artifacts = config.get("artifacts").and_then(Tree::as_map);
    let mut builds: Vec<Build> = artifacts
        .into_iter()
        .flatten()
        .filter_map(|(name, artifact)| {
            let command = artifact.text(&["build"])?.to_owned();
            let folder = root.join(artifact.text(&["path"]).unwrap_or("."));
            Some(Build { name: name.clone(), command, folder })
        })
        .collect();
    builds.sort_by(|a, b| a.name.cmp(&b.name));
    builds
}

/// How a build is run: by hand with the caller's environment, in a stage with the little
/// that somebody else's code may see.
pub struct Shell<'a> {
    pub process: &'a dyn Process,
    pub env: Vec<(String, String)>,
    pub trust: Trust,
    pub timeout: Duration,
}

const WHO_HAS_TOOLS: &str = "the action's default image has `sh`, Python and `uv`, the image `slim` none of them; \
    use the default image, or build in a step before and leave `build` out";

/// A build that did not do what it should.
pub enum Broken {
    /// The shell could not be run.
    Shell(Failure),
    Ended {
        name: String,
        command: String,
        folder: PathBuf,
        status: String,
        said: String,
        /// A program that the command needs is not there.
        tool_missing: bool,
    },
}

impl Broken {
    /// In the words of the official command.
    pub fn by_hand(self) -> Failure {
        self.failure(|name, status, said| format!("build failed {name}, error: {status}, output: {said}"))
    }

    /// For a report: what a person acts on stands at the end of what a build says.
    pub fn in_a_stage(self) -> Failure {
        const SHOWN: usize = 20;
        self.failure(|name, status, said| {
            let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
            let last = lines[lines.len().saturating_sub(SHOWN)..].iter().map(|line| format!("\n  {line}"));
            format!("build artifact `{name}`: {status}{}", last.collect::<String>())
        })
    }

    fn failure(self, words: impl Fn(&str, &str, &str) -> String) -> Failure {
        match self {
            Broken::Shell(failure) => failure,
            Broken::Ended { name, status, said, tool_missing: true, .. } => {
                Failure::new(Reason::ToolMissing, words(&name, &status, &said)).hint(WHO_HAS_TOOLS)
            }
            Broken::Ended { name, command, folder, status, said, .. } => {
                let hint = format!("run `{command}` in {}", folder.display());
                Failure::new(Reason::BuildFailed, words(&name, &status, &said)).hint(hint)
            }
        }
    }
}

impl Shell<'_> {
    pub async fn build(&self, build: &Build, tell: Tell<'_>) -> Result<(), Broken> {
        tell(&format!("Building {}...", build.name));
        let quiet = |_: &str| {};
        let finished = self.run(&build.command, &build.folder, &quiet).await.map_err(Broken::Shell)?;
        self.ended(finished, &build.name, &build.command, &build.folder)
    }

    /// Runs a script; what it says is told as it comes.
    pub async fn script(&self, script: &str, folder: &Path, tell: Tell<'_>) -> Result<(), Broken> {
        let finished = self.run(script, folder, tell).await.map_err(Broken::Shell)?;
        self.ended(finished, "script", script, folder)
    }

    fn ended(&self, finished: Finished, name: &str, command: &str, folder: &Path) -> Result<(), Broken> {
        if finished.succeeded() {
            return Ok(());
        }
        let status = match (finished.code, finished.signal) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit status".to_owned(),
        };
        let said = [finished.stdout, finished.stderr].concat();
        Err(Broken::Ended {
            name: name.to_owned(),
            command: command.to_owned(),
            folder: folder.to_owned(),
            status,
            said: String::from_utf8_lossy(&said).into_owned(),
            // How a shell says that it knows no such program.
            tool_missing: finished.code == Some(127),
        })
    }

    /// By `bash` where there is one, else by `sh`; the first failing command ends it.
    async fn run(&self, script: &str, folder: &Path, tell: Tell<'_>) -> Result<Finished, Failure> {
        let command = |program: &str| Command {
            program: program.to_owned(),
            args: vec!["-ec".to_owned(), script.to_owned()],
            folder: folder.to_owned(),
            env: self.env.clone(),
            secret_env: Vec::new(),
            trust: self.trust,
            timeout: self.timeout,
        };
        let finished = match self.process.run(command("bash"), tell).await {
            Err(ProcessError::NotFound { .. }) => self.process.run(command("sh"), tell).await,
            other => other,
        };
        finished.map_err(|error| {
            let missing = matches!(error, ProcessError::NotFound { .. });
            let reason = if missing { Reason::ToolMissing } else { Reason::BuildFailed };
            let failure = Failure::new(reason, format!("run a build command in {}", folder.display())).because(error);
            if missing { failure.hint(WHO_HAS_TOOLS) } else { failure }
        })
    }
}

/// The folder that artifacts go to. A path that is not absolute, such as `~/a`, gets the prefix as any other: the
/// workspace says what is wrong with it.
pub fn artifact_folder(config: &Tree) -> Option<String> {
    let path = config.text(&["workspace", "artifact_path"])?;
    let prefix = if path.starts_with("/Workspace/") || in_volume(path) { "" } else { "/Workspace" };
    Some(format!("{prefix}{}/.internal", path.trim_end_matches('/')))
}

fn in_volume(path: &str) -> bool {
    path.starts_with("/Volumes/")
}

/// Empties the folder of artifacts. A volume's is only made: whose files lie in it is not known.
pub async fn clean(files: &WorkspaceFiles, folder: &str) -> Result<(), Failure> {
    let doing = || format!("prepare the folder of artifacts {folder}");
    if in_volume(folder) {
        let request = Request::new(Method::Put, format!("/api/2.0/fs/directories{}", escape(folder)));
        return files.rest().call(request).await.map(drop).map_err(|e| e.into_failure(doing()));
    }
    match files.delete(folder, true).await {
        Err(error) if error.status().is_none() => return Err(error.into_failure(doing())),
        // What is left there is in nobody's way.
        Err(error) => tracing::debug!("{folder} was not emptied: {error}"),
        Ok(_) => {}
    }
    files.mkdirs(folder).await.map_err(|e| e.into_failure(doing()))
}

pub async fn upload(
    files: &WorkspaceFiles,
    disk: &dyn Files,
    libraries: &[LocalLibrary],
    tell: Tell<'_>,
) -> Result<(), Failure> {
    for library in libraries {
        tell(&format!("Uploading {}...", library.shown));
    }
    stream::iter(libraries).map(|library| put(files, disk, library)).buffer_unordered(IN_FLIGHT).try_collect().await
}

async fn put(files: &WorkspaceFiles, disk: &dyn Files, library: &LocalLibrary) -> Result<(), Failure> {
    let missing = || Failure::new(Reason::ArtifactMissing, format!("upload {}: there is no such file", library.shown));
    let read = disk.read(&library.local).await;
    let read = read.map_err(|e| Failure::new(Reason::DiskError, format!("read {}", library.shown)).because(e))?;
    let bytes = read.ok_or_else(missing)?.into();
    let doing = || format!("upload {}", library.shown);
    if in_volume(&library.remote) {
        let path = format!("/api/2.0/fs/files{}", escape(&library.remote));
        let mut request = Request::new(Method::Put, path).query("overwrite", "true");
        request.body = Body::Bytes(bytes);
        request.timeout = Some(Duration::from_secs(300));
        return files.rest().call(request).await.map(drop).map_err(|e| e.into_failure(doing()));
    }
    files.put(&library.remote, bytes).await.map_err(|e| e.into_failure(doing()))
}
