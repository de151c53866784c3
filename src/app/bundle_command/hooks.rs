//! The scripts that a bundle has run around the steps of a command.
//!
//! By hand only: they are the bundle's code with the caller's rights and environment, before
//! and after there is a credential. A stage runs no such code, and refuses the bundle.

use std::sync::Arc;
use std::time::Duration;

use super::hand::{Done, Hand, Quit, show, tell};
use crate::adapters::host::{LocalProcess, Masker};
use crate::bundle::load;
use crate::domain::{Diagnostic, Tree};
use crate::ports::process::Trust;
use crate::steps::bundle::artifacts::{Broken, Shell};

/// When a script runs, in order.
#[derive(Clone, Copy)]
pub enum Hook {
    Preinit,
    Postinit,
    Prebuild,
    Postbuild,
    Predeploy,
    Postdeploy,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Hook::Preinit => "preinit",
            Hook::Postinit => "postinit",
            Hook::Prebuild => "prebuild",
            Hook::Postbuild => "postbuild",
            Hook::Predeploy => "predeploy",
            Hook::Postdeploy => "postdeploy",
        }
    }
}

impl Hand {
    /// The first one may make the files that are included: it is read from the root file alone.
    pub async fn preinit(&self) -> Done {
        let root = load::root(&self.source, &self.options)?;
        if root.failed() {
            return Ok(());
        }
        let ran = self.hook(&root.config, Hook::Preinit).await;
        ran.map_err(|quit| quit.showing(&root.config))
    }

    pub async fn hook(&self, config: &Tree, hook: Hook) -> Done {
        let name = hook.name();
        let Some(script) = config.text(&["experimental", "scripts", name]).filter(|script| !script.is_empty()) else {
            return Ok(());
        };
        tell(&format!("Executing '{name}' script"));
        let path = self.env.get("PATH").cloned().unwrap_or_default();
        let process = LocalProcess::new(path, Arc::new(Masker::new()));
        let shell = self.shell(&process);
        let status = match shell.script(script, &self.root, &tell).await {
            Ok(()) => return Ok(()),
            Err(Broken::Shell(failure)) => return Err(failure.into()),
            Err(Broken::Ended { status, .. }) => status,
        };
        show(&[Diagnostic::error(format!("failed to execute script: {status}"))]);
        Err(Quit::Failed)
    }

    /// With the caller's environment; an hour is longer than anybody waits.
    pub fn shell<'a>(&self, process: &'a LocalProcess) -> Shell<'a> {
        Shell {
            process,
            env: self.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            trust: Trust::Tool,
            timeout: Duration::from_secs(3600),
        }
    }
}
