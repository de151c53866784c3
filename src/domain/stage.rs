//! The stages that can be asked for, by name.
//!
//! `settle` is not among them: it ends what another stage began, and only the post step calls it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Validate,
    DeployDev,
}

impl Stage {
    pub const ALL: &'static [Stage] = &[Stage::Validate, Stage::DeployDev];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Validate => "validate",
            Stage::DeployDev => "deploy-dev",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.name() == name)
    }

    /// The entry of `environments` that the stage works on.
    pub fn environment(self) -> &'static str {
        match self {
            Stage::Validate | Stage::DeployDev => "dev",
        }
    }

    /// Whether the stage may change the workspace.
    pub fn writes(self) -> bool {
        match self {
            Stage::Validate => false,
            Stage::DeployDev => true,
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
