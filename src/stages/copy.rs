//! Phase `copy`: the tested version's bytes become a version of this environment's model.
//!
//! Before the bundle is deployed, so that nothing of it runs without its model. A model that the bundle is yet to make is
//! copied to right behind the deployment instead.

use std::sync::Arc;

use async_trait::async_trait;

use super::assignment::Assignment;
use super::phase::{Context, Decision, Phase};
use super::preflight::Promotion;
use crate::domain::{Digest, Failure, Reason};
use crate::saga::{Begun, Graph};
use crate::steps::model::Registry;
use crate::steps::model::copy_version::{self, CopyVersion, Lineage};

pub struct Copy {
    pub promotion: Arc<Promotion>,
    pub assignment: Arc<Assignment>,
    /// Behind the deployment.
    pub late: bool,
}

#[async_trait]
impl Phase for Copy {
    fn name(&self) -> &str {
        if self.late { "copy-late" } else { "copy" }
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        if self.late && begun.iter().any(|b| b.spec.verb == copy_version::VERB) {
            return Ok(Decision::default());
        }
        let Promotion { source, version, destination, .. } = self.promotion.as_ref();
        if Registry(at.world.workspace.as_ref()).model(destination).await?.is_none() {
            if !self.late {
                return Ok(Decision::default());
            }
            let message = format!("copy to {destination}: the deployment did not make that model");
            return Err(Failure::new(Reason::NotFound, message)
                .hint(format!("`models.{}` names a key under `resources.registered_models`", self.promotion.key)));
        }
        let release = self.assignment.release.as_ref().map(|release| release.id.to_string()).unwrap_or_default();
        let lineage = Lineage {
            promotion_id: Digest::of(format!("{release}\n{source}\n{version}\n{destination}").as_bytes()).hex(),
            git_sha: self.assignment.commit.clone(),
            workflow_run: self.assignment.occasion.run_url(),
        };
        let copy = CopyVersion::new(source.clone(), *version, destination.clone(), lineage);
        let copy = copy.stopped_by(at.options.stop.clone());
        Ok(Decision { changes: Graph::new().then(Arc::new(copy)), ..Decision::default() })
    }
}
