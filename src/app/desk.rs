//! What lies on the desk before work begins: the environment, the console, the masks, the
//! signals, the runner's files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::adapters::host::log::ConsoleLayer;
use crate::adapters::host::{Console, LocalFiles, Masker, RunnerFiles, Signals, Stream, SystemClock};
use crate::domain::{Failure, Reason};
use crate::inputs::raw::Raw;
use crate::saga::Stop;

pub struct Desk {
    /// Every variable that is text.
    pub env: BTreeMap<String, String>,
    pub masker: Arc<Masker>,
    pub console: Console,
    pub runner: RunnerFiles,
    pub clock: Arc<SystemClock>,
    pub files: Arc<LocalFiles>,
    pub stop: Stop,
    /// Asks ourselves to stop, as a signal does.
    pub asked: watch::Sender<bool>,
    pub signals: Signals,
    /// The action's inputs, their secrets masked already.
    pub raw: Raw,
    /// Where the program was started.
    pub folder: PathBuf,
}

impl Desk {
    /// Reads the environment. Call it inside the runtime: signals are listened to from here on.
    pub fn lay() -> Result<Self, Failure> {
        let all: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let raw = Raw::from_environment(all.clone());
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let env: BTreeMap<String, String> = all.into_iter().filter_map(text).collect();
        let on_runner = env.get("GITHUB_ACTIONS").is_some_and(|v| v == "true");
        let stream = Arc::new(match (on_runner, std::io::stderr().is_terminal()) {
            (true, _) => Stream::actions(std::io::stdout()),
            (false, true) => Stream::terminal(std::io::stderr()),
            (false, false) => Stream::plain(std::io::stderr()),
        });
        let masker = Arc::new(if on_runner { Masker::announcing(Arc::clone(&stream)) } else { Masker::new() });
        raw.secrets().for_each(|secret| masker.mask(secret));
        env.values().for_each(|value| masker.mask_address(value));
        let console = Console::new(stream, Arc::clone(&masker));
        let debug = env.get("RUNNER_DEBUG").is_some_and(|v| v == "1");
        log_to(&console, &env, debug);
        let (asked, stop) = Stop::new();
        let signals = Signals::listen(asked.clone()).map_err(|e| internal("listen to signals", e))?;
        let folder = std::env::current_dir().map_err(|e| internal("find the working folder", e))?;
        Ok(Self {
            runner: RunnerFiles::from_env(&env, Arc::clone(&masker)),
            env,
            masker,
            console,
            clock: Arc::new(SystemClock),
            files: Arc::new(LocalFiles),
            stop,
            asked,
            signals,
            raw,
            folder,
        })
    }

    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }
}

fn internal(doing: &str, error: std::io::Error) -> Failure {
    Failure::new(Reason::Internal, doing).because(error)
}

/// `MLOPS_DEPLOY_LOG` takes the filters of `tracing`.
pub fn log_to(console: &Console, env: &BTreeMap<String, String>, debug: bool) {
    let default = if debug { "mlops_deploy=debug" } else { "mlops_deploy=info" };
    let filter = env.get("MLOPS_DEPLOY_LOG").and_then(|f| EnvFilter::try_new(f).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(default));
    // A second desk in one process, as tests have, keeps the first one's log.
    let _ = tracing_subscriber::registry().with(filter).with(ConsoleLayer::new(console.clone())).try_init();
}
