//! How a run ended, as the output `outcome` and the journal say it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// What was to be done is done.
    Succeeded,
    /// Nothing was to be done, and nothing was written.
    Unchanged,
    /// A rule said no; nothing is left of the run.
    Refused,
    /// Something went wrong; nothing is left of the run.
    Failed,
    /// It was told to stop; nothing is left of the run.
    Cancelled,
    /// It failed behind the point of no return: the next run goes on from there.
    Resumable,
    /// It failed, and something could not be taken back.
    Incomplete,
}

impl RunOutcome {
    pub const ALL: &'static [RunOutcome] = &[
        RunOutcome::Succeeded,
        RunOutcome::Unchanged,
        RunOutcome::Refused,
        RunOutcome::Failed,
        RunOutcome::Cancelled,
        RunOutcome::Resumable,
        RunOutcome::Incomplete,
    ];

    pub fn name(self) -> &'static str {
        match self {
            RunOutcome::Succeeded => "succeeded",
            RunOutcome::Unchanged => "unchanged",
            RunOutcome::Refused => "refused",
            RunOutcome::Failed => "failed",
            RunOutcome::Cancelled => "cancelled",
            RunOutcome::Resumable => "resumable",
            RunOutcome::Incomplete => "incomplete",
        }
    }

    pub fn is_good(self) -> bool {
        matches!(self, RunOutcome::Succeeded | RunOutcome::Unchanged)
    }

    /// Something is left that the next run, or a person, has to see to.
    pub fn is_unfinished(self) -> bool {
        matches!(self, RunOutcome::Resumable | RunOutcome::Incomplete)
    }
}

impl std::fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
