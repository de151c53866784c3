//! Runs programs that are not ours.
//!
//! Each child leads a process group, which is killed whole: at its end, on timeout, when we
//! are told to stop, and when nobody waits for it any more. A background child keeps the
//! pipes open long after its parent has ended, so reading them is bounded too.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rustix::process::Signal;
use tokio::process::Child;
use tokio::sync::watch;

use super::checkout::{Closed, Copy};
use super::descendants::{self, Known, Running};
use super::launcher;
use super::mask::Masker;
use super::output::{Output, Pumps};
use super::sandbox::Sandbox;
use super::within_reach;
use crate::ports::process::{Tell, Trust};
use crate::ports::{Command, Finished, Process, ProcessError};

/// After SIGTERM or SIGINT, before SIGKILL.
const GRACE: Duration = Duration::from_secs(3);
/// For the pipes, once the child and its group are gone.
const DRAIN: Duration = Duration::from_secs(2);
/// A tool's document is read whole; of a project's command the end is enough.
const TOOL_OUTPUT: usize = 256 * 1024 * 1024;
const PROJECT_OUTPUT: usize = 1024 * 1024;
/// The variable that marks what a command started, where no user of its own does.
const MARK: &str = "MLOPS_DEPLOY_CHILD";

pub struct LocalProcess {
    path: String,
    masker: Arc<Masker>,
    stop: Option<watch::Receiver<bool>>,
    sandbox: Option<Sandbox>,
    closed: tokio::sync::OnceCell<Closed>,
}

impl LocalProcess {
    /// Runs tools; `path` is where programs are looked for. Commands of the repository need
    /// a sandbox.
    pub fn new(path: impl Into<String>, masker: Arc<Masker>) -> Self {
        Self { path: path.into(), masker, stop: None, sandbox: None, closed: tokio::sync::OnceCell::new() }
    }

    /// Passes a stop on to what is running.
    pub fn stopped_by(mut self, stop: watch::Receiver<bool>) -> Self {
        self.stop = Some(stop);
        self
    }

    pub fn sandboxed(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = Some(sandbox);
        self
    }

    /// What is started: everything about it decided.
    async fn prepare(&self, command: &Command) -> Result<Prepared, ProcessError> {
        match command.trust {
            Trust::Tool => self.tool(command),
            Trust::Project => self.project(command).await,
        }
    }

    fn tool(&self, command: &Command) -> Result<Prepared, ProcessError> {
        let mut env: BTreeMap<_, _> = command.env.iter().cloned().collect();
        for (name, secret) in &command.secret_env {
            self.masker.mask(secret);
            env.insert(name.clone(), secret.expose().to_owned());
        }
        let program = self.find(command, env.get("PATH"))?;
        let (args, folder) = (command.args.clone(), command.folder.clone());
        Ok(Prepared { program, args, folder, env, copy: None, known: None, keep: TOOL_OUTPUT })
    }

    async fn project(&self, command: &Command) -> Result<Prepared, ProcessError> {
        let refuse = |why: &str| start_error(command, io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
        let sandbox = self.sandbox.as_ref().ok_or_else(|| refuse("there is no sandbox for it"))?;
        if !command.secret_env.is_empty() {
            return Err(refuse("a command of the repository gets no credential"));
        }
        if let Some(engine) = sandbox.open_engine() {
            let why = format!("{} is open to every user, who could leave any sandbox by it", engine.display());
            return Err(refuse(&why));
        }
        // Looked for before anything is copied: callers try one shell after another.
        let found = self.find(command, None)?;
        descendants::adopt_orphans().map_err(|error| start_error(command, error))?;
        let close = || async { sandbox.close().map_err(|failure| start_error(command, io::Error::other(failure))) };
        self.closed.get_or_try_init(close).await?;
        let (checkout, user) = (sandbox.checkout.clone(), sandbox.user);
        let copied = tokio::task::spawn_blocking(move || Copy::of(&checkout, user)).await.map_err(io::Error::other);
        let copy = copied.and_then(|copy| copy).map_err(|error| start_error(command, error))?;
        let folder = copy.place_of(&command.folder).ok_or_else(|| refuse("its folder is not in the checkout"))?;
        let mut env = sandbox.env(&copy.home(), &copy.temp(), &command.env);
        if let Some(path) = env.get_mut("PATH").filter(|_| sandbox.user.is_some()) {
            *path = within_reach::path(path, &copy.tools()).map_err(|error| start_error(command, error))?;
        }
        let mark = uuid::Uuid::new_v4().to_string();
        let known = match sandbox.user {
            Some(user) => Known::ByUser(user.uid),
            None => Known::ByMark(format!("{MARK}={mark}")),
        };
        env.insert(MARK.to_owned(), mark);
        let user = sandbox.user.map(|user| format!("{}:{}", user.uid, user.gid));
        let mut args = vec![launcher::ARGUMENT.to_owned(), user.unwrap_or_else(|| launcher::SAME_USER.to_owned())];
        args.push(found.display().to_string());
        args.extend(command.args.iter().cloned());
        let program = sandbox.launcher.clone();
        Ok(Prepared { program, args, folder, env, copy: Some(copy), known: Some(known), keep: PROJECT_OUTPUT })
    }

    /// A name without a slash is looked for on `PATH`, as shells do.
    fn find(&self, command: &Command, path: Option<&String>) -> Result<PathBuf, ProcessError> {
        let missing = || ProcessError::NotFound { program: command.program.clone() };
        if command.program.contains('/') {
            let program = command.folder.join(&command.program);
            return if program.is_file() { Ok(program) } else { Err(missing()) };
        }
        let path = path.unwrap_or(&self.path);
        let places =
            path.split(':').filter(|folder| folder.starts_with('/')).map(|f| Path::new(f).join(&command.program));
        places.into_iter().find(|place| is_executable(place)).ok_or_else(missing)
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn start_error(command: &Command, source: io::Error) -> ProcessError {
    ProcessError::Start { program: command.program.clone(), source }
}

struct Prepared {
    program: PathBuf,
    args: Vec<String>,
    folder: PathBuf,
    env: BTreeMap<String, String>,
    copy: Option<Copy>,
    known: Option<Known>,
    keep: usize,
}

impl Prepared {
    fn spawn(&self) -> io::Result<(Child, Running)> {
        descendants::start(|| {
            let child = tokio::process::Command::new(&self.program)
                .args(&self.args)
                .current_dir(&self.folder)
                .env_clear()
                .envs(&self.env)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0)
                .kill_on_drop(true)
                .spawn()?;
            let pid = child.id().and_then(|id| i32::try_from(id).ok());
            let pid = pid.ok_or_else(|| io::Error::other("it has no process id"))?;
            Ok((child, pid))
        })
    }
}

/// Ends what is left when the future is dropped as well.
struct Leftovers(Option<Known>);

impl Drop for Leftovers {
    fn drop(&mut self) {
        if let Some(known) = &self.0 {
            descendants::sweep(known);
        }
    }
}

enum End {
    Ended(io::Result<std::process::ExitStatus>),
    TimedOut,
}

#[async_trait]
impl Process for LocalProcess {
    async fn run(&self, command: Command, line: Tell<'_>) -> Result<Finished, ProcessError> {
        let prepared = self.prepare(&command).await?;
        let started = Instant::now();
        // Dropped in the reverse order: the group is killed, then what has left it is looked for.
        let leftovers = Leftovers(prepared.known.clone());
        let (mut child, running) = prepared.spawn().map_err(|error| start_error(&command, error))?;
        let pumps = Pumps::of(&mut child, prepared.keep);
        let mut output = Output::new(pumps, &self.masker, line);
        let end = self.wait(&mut child, &running, command.timeout, &mut output).await;
        drop(running);
        drop(leftovers);
        output.drain(DRAIN).await;
        let status = match end {
            End::Ended(status) => {
                status.map_err(|source| ProcessError::Wait { program: command.program.clone(), source })?
            }
            End::TimedOut => return Err(ProcessError::TimedOut { program: command.program, after: command.timeout }),
        };
        if let Some(copy) = prepared.copy.filter(|_| status.success()) {
            copy.bring_back_wheels(&command.folder).map_err(|error| start_error(&command, error))?;
        }
        let (stdout, stderr) = output.finish();
        use std::os::unix::process::ExitStatusExt;
        Ok(Finished { code: status.code(), signal: status.signal(), stdout, stderr, elapsed: started.elapsed() })
    }
}

impl LocalProcess {
    async fn wait(&self, child: &mut Child, running: &Running, timeout: Duration, output: &mut Output<'_>) -> End {
        let mut stop = self.stop.clone();
        let stopped = async {
            let asked = match &mut stop {
                Some(stop) => stop.wait_for(|stop| *stop).await.is_ok(),
                None => false,
            };
            if !asked {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            status = output.pump_while(child.wait()) => return End::Ended(status),
            () = tokio::time::sleep(timeout) => running.signal(Signal::TERM),
            () = stopped => {
                running.signal(Signal::INT);
                return End::Ended(self.end(child, running, output).await);
            }
        }
        let _ = self.end(child, running, output).await;
        End::TimedOut
    }

    /// After a signal: waits for the grace, then kills.
    async fn end(
        &self,
        child: &mut Child,
        running: &Running,
        output: &mut Output<'_>,
    ) -> io::Result<std::process::ExitStatus> {
        match tokio::time::timeout(GRACE, output.pump_while(child.wait())).await {
            Ok(status) => status,
            Err(_) => {
                running.signal(Signal::KILL);
                child.wait().await
            }
        }
    }
}
