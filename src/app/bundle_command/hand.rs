//! What every `bundle` command has in hand before it reads the bundle: its folder, its options, and how it speaks and ends.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Global;
use crate::adapters::host::{Console, LocalFiles, Masker, Stream, SystemClock};
use crate::app::desk::log_to;
use crate::app::disk::Disk;
use crate::bundle::Options;
use crate::bundle::load::ROOT_NAMES;
use crate::domain::{Diagnostic, Failure, Reason, Severity, Tree};

/// How a command ends besides well: what was to be said is said already.
#[derive(Debug)]
pub enum Quit {
    /// Diagnostics with an error were printed.
    Failed,
    /// The same, before a command's own work.
    Loading(Box<Unready>),
    Unsupported,
    Failure(Failure),
}

/// What is known of a bundle that did not become ready, and how much was said of it.
#[derive(Debug)]
pub struct Unready {
    pub config: Tree,
    pub found: Found,
}

/// How many diagnostics there were of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub errors: usize,
    pub warnings: usize,
    pub recommendations: usize,
}

impl Found {
    pub fn of(diagnostics: &[Diagnostic]) -> Self {
        let count = |severity: Severity| diagnostics.iter().filter(|d| d.severity == severity).count();
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            recommendations: count(Severity::Recommendation),
        }
    }
}

impl Quit {
    /// What failed before the command's own work still shows the configuration.
    pub fn showing(self, config: &Tree) -> Self {
        let found = Found { errors: 1, ..Found::default() };
        match self {
            Quit::Failed => Quit::Loading(Box::new(Unready { config: config.clone(), found })),
            other => other,
        }
    }
}

impl From<Failure> for Quit {
    fn from(failure: Failure) -> Self {
        Quit::Failure(failure)
    }
}

pub type Done = Result<(), Quit>;

pub struct Hand {
    pub root: PathBuf,
    pub env: BTreeMap<String, String>,
    pub global: Global,
    pub options: Options,
    pub source: Disk,
    pub disk: Arc<LocalFiles>,
    pub clock: Arc<SystemClock>,
}

/// Line by line to stderr: what is not a result.
pub fn tell(line: &str) {
    eprintln!("{line}");
}

/// Diagnostics bring their own blank lines.
pub fn show(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        eprint!("{diagnostic}");
    }
}

impl Hand {
    pub fn new(global: Global, cluster_id: Option<String>) -> Result<Self, Quit> {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let env: BTreeMap<String, String> = std::env::vars_os().filter_map(text).collect();
        if global.debug {
            log_to(&Console::new(Arc::new(Stream::plain(std::io::stderr())), Arc::new(Masker::new())), &env, true);
        }
        let root = find_root(&env)?;
        let target = global.target.clone().or_else(|| env.get("DATABRICKS_BUNDLE_TARGET").cloned());
        let read = |name: &str| name.starts_with("BUNDLE_VAR_") || name.starts_with("DATABRICKS_");
        let options = Options {
            root: root.to_string_lossy().into_owned(),
            target: target.filter(|t| !t.is_empty()),
            variables: Vec::new(),
            environment: env.iter().filter(|(name, _)| read(name)).map(|(n, v)| (n.clone(), v.clone())).collect(),
            cluster_id,
            validate: false,
            by_hand: true,
        };
        let source = Disk::at(&root);
        Ok(Self { root, env, global, options, source, disk: Arc::new(LocalFiles), clock: Arc::new(SystemClock) })
    }

    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }
}

/// `DATABRICKS_BUNDLE_ROOT`, else the nearest folder upwards with a root file.
fn find_root(env: &BTreeMap<String, String>) -> Result<PathBuf, Failure> {
    let here =
        std::env::current_dir().map_err(|e| Failure::new(Reason::Internal, "find the working folder").because(e))?;
    if let Some(root) = env.get("DATABRICKS_BUNDLE_ROOT").filter(|r| !r.is_empty()) {
        return Ok(here.join(root));
    }
    let has_root_file = |folder: &Path| ROOT_NAMES.iter().any(|name| folder.join(name).exists());
    Ok(here.ancestors().find(|folder| has_root_file(folder)).unwrap_or(&here).to_owned())
}
