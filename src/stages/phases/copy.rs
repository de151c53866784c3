//! Phase `copy`: the tested version's bytes become a version of this environment's model.
//!
//! Before the bundle is deployed where it can be, so that nothing of it runs without its model. A model that the bundle
//! is yet to make is copied to behind the deployment. Environments that share one model copy nothing.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{Digest, Failure, ModelName, ModelVersion, Reason};
use crate::saga::{Begun, Graph};
use crate::stages::assignment::{Assignment, Promotion};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::model::Registry;
use crate::steps::model::copy_version::{self, Copied, CopyVersion, Lineage};

pub struct Copy {
    pub promotions: Vec<Arc<Promotion>>,
    pub assignment: Arc<Assignment>,
    pub name: &'static str,
    /// The deployment has made the models that it makes.
    pub deployed: bool,
}

#[async_trait]
impl Phase for Copy {
    fn name(&self) -> &str {
        self.name
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let mut changes = Graph::new();
        for promotion in &self.promotions {
            if copied(promotion, begun).is_none()
                && let Some(copy) = self.copy(at, promotion).await?
            {
                changes = changes.then(Arc::new(copy));
            }
        }
        Ok(Decision { changes, ..Decision::default() })
    }
}

impl Copy {
    async fn copy(&self, at: &Context, promotion: &Promotion) -> Result<Option<CopyVersion>, Failure> {
        let Promotion { source, version, destination, .. } = promotion;
        if Registry(at.world.workspace.as_ref()).model(destination).await?.is_none() {
            if !self.deployed {
                return Ok(None);
            }
            let message = format!("copy to {destination}: the deployment did not make that model");
            return Err(Failure::new(Reason::NotFound, message)
                .hint(format!("`models.{}` names a key under `resources.registered_models`", promotion.key)));
        }
        let release = self.assignment.release.as_ref().map(|release| release.id.to_string()).unwrap_or_default();
        let lineage = Lineage {
            promotion_id: Digest::of(format!("{release}\n{source}\n{version}\n{destination}").as_bytes()).hex(),
            git_sha: self.assignment.commit.clone(),
            workflow_run: self.assignment.occasion.run_url(),
        };
        let copy = CopyVersion::new(source.clone(), *version, destination.clone(), lineage);
        Ok(Some(copy.stopped_by(at.options.stop.clone())))
    }
}

/// The version that this run copied or found copied; where there is one model, that which was tested.
pub fn copied(promotion: &Promotion, begun: &[Begun]) -> Option<(ModelName, ModelVersion)> {
    let Promotion { version, destination, .. } = promotion;
    if promotion.is_shared() {
        return Some((destination.clone(), *version));
    }
    let copies = begun.iter().rev().filter(|b| b.spec.verb == copy_version::VERB);
    let mut copies = copies.filter_map(|b| Copied::of(b.outcome.as_ref()?));
    copies.find(|copy| copy.model == *destination).map(|copy| (copy.model, copy.version))
}
