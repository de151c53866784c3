//! Phase `keep`: the release goes where later stages fetch it, once it has succeeded here.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::Failure;
use crate::ports::Store;
use crate::saga::{Begun, Graph};
use crate::stages::assignment::Assignment;
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::keep_release::KeepRelease;

pub struct Keep {
    pub assignment: Arc<Assignment>,
    pub store: Option<Arc<dyn Store>>,
}

#[async_trait]
impl Phase for Keep {
    fn name(&self) -> &'static str {
        "keep"
    }

    async fn decide(&self, _: &Context, _: &[Begun]) -> Result<Decision, Failure> {
        let (Some(store), Some(release)) = (&self.store, &self.assignment.release) else {
            return Ok(Decision::default());
        };
        let keep = KeepRelease {
            store: Arc::clone(store),
            id: release.id,
            archive: release.archive,
            file: release.file.clone().into(),
        };
        Ok(Decision { changes: Graph::new().then(Arc::new(keep)), ..Decision::default() })
    }
}
