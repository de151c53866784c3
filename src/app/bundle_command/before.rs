//! What stops a plan or a deployment before anything is done: a branch, a run, an edit, a
//! volume that is not there.

use super::hand::{Done, Quit, show};
use super::ready::Ready;
use crate::bundle::state::State;
use crate::domain::{Diagnostic, Severity, Tree};
use crate::steps::bundle::{active_runs, checks, edited};

impl Ready {
    /// A target may be bound to a branch. A detached HEAD has none, and passes.
    pub fn check_branch(&self, force: bool) -> Done {
        let wanted = self.config().text(&["bundle", "git", "branch"]);
        let actual = self.config().text(&["bundle", "git", "actual_branch"]);
        match (wanted, actual) {
            (Some(wanted), Some(actual)) if wanted != actual && !force => {
                show(&[Diagnostic::error(format!(
                    "not on the right Git branch:\n  expected according to configuration: {wanted}\n  actual: {actual}\n\
                     --force deploys from this branch all the same"
                ))]);
                Err(Quit::Failed)
            }
            _ => Ok(()),
        }
    }

    /// A deployment may be told, by the bundle or by hand, not to change what is at work.
    pub async fn check_active_runs(&self, state: &State, asked: bool) -> Done {
        let written = self.config().find(&["bundle", "deployment", "fail_on_active_runs"]);
        if !asked && written.and_then(Tree::as_bool) != Some(true) {
            return Ok(());
        }
        match active_runs::first(self.rest.as_ref(), state).await? {
            Some(diagnostic) => {
                show(&[diagnostic]);
                Err(Quit::Failed)
            }
            None => Ok(()),
        }
    }

    /// Edits in the workspace are told, or stop a deployment, or are overwritten knowingly.
    pub async fn check_edits(&self, state: &State, severity: Option<Severity>) -> Done {
        let Some(severity) = severity else { return Ok(()) };
        let found = edited::since(self.rest.as_ref(), self.config(), state, severity).await?;
        show(&found);
        if found.iter().any(Diagnostic::is_error) { Err(Quit::Failed) } else { Ok(()) }
    }

    pub async fn check_volume(&self) -> Done {
        match checks::artifact_volume(&self.files, self.config()).await? {
            Some(diagnostic) => {
                show(&[diagnostic]);
                Err(Quit::Failed)
            }
            None => Ok(()),
        }
    }
}
