//! The bundle's Python code, run by hand: with the caller's environment, and the workspace that was signed in to.

use std::sync::Arc;

use tempfile::TempDir;

use super::hand::Hand;
use crate::adapters::host::{LocalProcess, Masker};
use crate::bundle::load::Loaded;
use crate::domain::{Failure, Reason, Secret};
use crate::steps::bundle::run_python::Interpreter;

/// What an interpreter needs for as long as the bundle is resolved.
pub struct Code<'h> {
    hand: &'h Hand,
    process: LocalProcess,
    scratch: TempDir,
    host: String,
    token: Secret,
}

impl<'h> Code<'h> {
    /// None where the bundle has no such code.
    pub fn of(hand: &'h Hand, loaded: &Loaded, host: &str, token: &Secret) -> Result<Option<Self>, Failure> {
        if [&["python"][..], &["experimental", "python"]].iter().all(|keys| loaded.config.find(keys).is_none()) {
            return Ok(None);
        }
        let path = hand.env.get("PATH").cloned().unwrap_or_default();
        let process = LocalProcess::new(path, Arc::new(Masker::new()));
        let scratch = tempfile::Builder::new().prefix("mlops-deploy-python-").tempdir();
        let scratch = scratch.map_err(|e| Failure::new(Reason::DiskError, "make a temporary folder").because(e))?;
        Ok(Some(Self { hand, process, scratch, host: host.to_owned(), token: token.clone() }))
    }

    pub fn interpreter(&self) -> Interpreter<'_> {
        let mut env = self.hand.env.clone();
        env.insert("DATABRICKS_HOST".to_owned(), self.host.clone());
        Interpreter {
            process: &self.process,
            files: self.hand.disk.as_ref(),
            root: &self.hand.root,
            scratch: self.scratch.path(),
            env: env.into_iter().collect(),
            secret_env: vec![("DATABRICKS_TOKEN".to_owned(), self.token.clone())],
        }
    }
}
