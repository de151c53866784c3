//! Why a stage runs a job: it decides what a bad end is called and where its settings stand.

use serde::{Deserialize, Serialize};

use super::failure::Reason;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    Smoke,
    Training,
    Validation,
}

impl Purpose {
    /// In the order in which a stage runs them.
    pub const ALL: [Self; 3] = [Purpose::Smoke, Purpose::Training, Purpose::Validation];

    pub fn noun(self) -> &'static str {
        match self {
            Purpose::Smoke => "smoke job",
            Purpose::Training => "training job",
            Purpose::Validation => "validation job",
        }
    }

    /// The heading of its runs.
    pub fn title(self) -> &'static str {
        match self {
            Purpose::Smoke => "Smoke",
            Purpose::Training => "Training",
            Purpose::Validation => "Validation",
        }
    }

    /// The key of `mlops-deploy.yml` that names the job.
    pub fn key(self) -> &'static str {
        match self {
            Purpose::Smoke => "smoke",
            Purpose::Training => "train",
            Purpose::Validation => "validate",
        }
    }

    pub fn timed_out(self) -> Reason {
        match self {
            Purpose::Smoke => Reason::SmokeTimedOut,
            Purpose::Training => Reason::TrainingTimedOut,
            Purpose::Validation => Reason::ValidationTimedOut,
        }
    }

    /// For a run that ended in this state.
    pub fn ended(self, state: &str) -> Reason {
        match (self, state) {
            (Purpose::Training, "SKIPPED" | "MAXIMUM_CONCURRENT_RUNS_REACHED") => Reason::TrainingSkipped,
            (Purpose::Training, "CANCELED" | "UPSTREAM_CANCELED") => Reason::TrainingCancelled,
            (Purpose::Training, _) => Reason::TrainingFailed,
            (Purpose::Smoke, _) => Reason::SmokeFailed,
            (Purpose::Validation, _) => Reason::ValidationFailed,
        }
    }
}
