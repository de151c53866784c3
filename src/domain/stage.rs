//! The stages that can be asked for, by name.
//!
//! `settle` is not among them: it ends what another stage began, and only the post step calls it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Validate,
    DeployDev,
    DeployStaging,
    PromoteProd,
}

impl Stage {
    pub const ALL: &'static [Stage] = &[Stage::Validate, Stage::DeployDev, Stage::DeployStaging, Stage::PromoteProd];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Validate => "validate",
            Stage::DeployDev => "deploy-dev",
            Stage::DeployStaging => "deploy-staging",
            Stage::PromoteProd => "promote-prod",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.name() == name)
    }

    /// The entry of `environments` that the stage works on.
    pub fn environment(self) -> &'static str {
        match self {
            Stage::Validate | Stage::DeployDev => "dev",
            Stage::DeployStaging => "staging",
            Stage::PromoteProd => "prod",
        }
    }

    /// The environment in which a release must have succeeded before this stage may deploy
    /// it; none for a stage that works on what is checked out.
    pub fn previous_environment(self) -> Option<&'static str> {
        match self {
            Stage::Validate | Stage::DeployDev => None,
            Stage::DeployStaging => Some("dev"),
            Stage::PromoteProd => Some("staging"),
        }
    }

    /// Whether the stage may change the workspace.
    pub fn writes(self) -> bool {
        match self {
            Stage::Validate => false,
            Stage::DeployDev | Stage::DeployStaging | Stage::PromoteProd => true,
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
