//! Programs that are not ours. A subprocess can fail to start, exit, be killed, overrun, or
//! speak nonsense; what it says is untrusted.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::Secret;

/// How much a child is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Our own tool: the environment we give, nothing of ours added.
    Tool,
    /// A command of the repository under test: an unprivileged user where we may change to
    /// one, no new privileges, its own process group, an environment from an allow-list.
    Project,
}

#[derive(Clone, Debug)]
pub struct Command {
    pub program: String,
    pub args: Vec<String>,
    pub folder: PathBuf,
    pub env: Vec<(String, String)>,
    /// Credentials go by environment, never by argument; masked in whatever the child prints.
    pub secret_env: Vec<(String, Secret)>,
    pub trust: Trust,
    pub timeout: Duration,
}

/// A child's end. Its output is bounded: the last part is kept.
#[derive(Clone, Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub elapsed: Duration,
}

impl Finished {
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }
}

#[derive(Debug)]
pub enum ProcessError {
    /// The program is not in this image.
    NotFound {
        program: String,
    },
    Start {
        program: String,
        source: std::io::Error,
    },
    /// Killed with its whole group after `after`.
    TimedOut {
        program: String,
        after: Duration,
    },
    Wait {
        program: String,
        source: std::io::Error,
    },
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessError::NotFound { program } => write!(f, "find `{program}` on PATH"),
            ProcessError::Start { program, .. } => write!(f, "start `{program}`"),
            ProcessError::TimedOut { program, after } => {
                write!(f, "run `{program}`: it did not end within {} s and was killed", after.as_secs())
            }
            ProcessError::Wait { program, .. } => write!(f, "wait for `{program}`"),
        }
    }
}

impl std::error::Error for ProcessError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ProcessError::Start { source, .. } | ProcessError::Wait { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Hears a line. A name of its own, because `async_trait` would tie the line's lifetime to the
/// call's, and no implementation could tell a line that it has just read.
pub type Tell<'a> = &'a (dyn Fn(&str) + Send + Sync);

#[async_trait]
pub trait Process: Send + Sync {
    /// Runs to the end. `line` sees the output as it comes, stdout and stderr together.
    async fn run(&self, command: Command, line: Tell<'_>) -> Result<Finished, ProcessError>;
}
