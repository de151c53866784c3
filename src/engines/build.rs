//! Builds a bundle's artifacts: the project's own commands, which get to know nothing of ours.

use std::time::Duration;

use super::embedded::Embedded;
use crate::domain::Failure;
use crate::ports::process::{Process, Tell, Trust};
use crate::steps::bundle::artifacts::{self, Broken, Shell};

const EPOCH: &str = "SOURCE_DATE_EPOCH";

const BUILD_TIMEOUT: Duration = Duration::from_secs(30 * 60);

impl Embedded {
    /// Builds what these targets need, each thing once.
    pub async fn build_all(&self, targets: &[String], process: &dyn Process, line: Tell<'_>) -> Result<(), Failure> {
        let mut builds = Vec::new();
        for target in targets {
            for build in artifacts::builds(&self.offline(target)?.config, &self.root) {
                if !builds.contains(&build) {
                    builds.push(build);
                }
            }
        }
        let shell = Shell { process, env: vec![self.epoch()], trust: Trust::Project, timeout: BUILD_TIMEOUT };
        for build in builds {
            shell.build(&build, line).await.map_err(Broken::in_a_stage)?;
        }
        Ok(())
    }

    /// What a build takes for its time, unless the job says otherwise: the earliest that a
    /// wheel can have, so that one tree makes one wheel whenever it is built.
    fn epoch(&self) -> (String, String) {
        let given = self.options.environment.get(EPOCH).cloned();
        (EPOCH.to_owned(), given.unwrap_or_else(|| "315532800".to_owned()))
    }
}
