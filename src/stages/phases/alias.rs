//! Phase `alias`: the model's name for what serves moves, after everything else has shown itself to be well.
//!
//! Two calls, and no transaction: the alias of the version before is set first, so that the way back is never lost.

use std::sync::Arc;

use async_trait::async_trait;

use super::endpoint::Promoted;
use crate::domain::{Alias, Failure, Reason};
use crate::saga::{Begun, Graph};
use crate::stages::phase::{Context, Decision, Phase};
use crate::steps::model::{MoveAlias, Registry};

pub struct MoveChampion {
    pub alias: Alias,
    pub promoted: Promoted,
}

#[async_trait]
impl Phase for MoveChampion {
    fn name(&self) -> &str {
        "alias"
    }

    async fn decide(&self, at: &Context, begun: &[Begun]) -> Result<Decision, Failure> {
        let alias = self.alias.clone();
        let Some((model, version)) = (self.promoted)(begun) else {
            let message = format!("move alias `{alias}`: no version was promoted before");
            return Err(Failure::new(Reason::Internal, message));
        };
        let now = Registry(at.world.workspace.as_ref()).by_alias(&model, &alias).await?.map(|v| v.version);
        let mut changes = Graph::new();
        if now == Some(version) {
            return Ok(Decision::default());
        }
        if let Some(before) = now
            && let Ok(previous) = Alias::parse(&format!("previous_{alias}"))
        {
            let keep = MoveAlias { model: model.clone(), alias: previous, to: before, expected: None };
            changes = changes.then(Arc::new(keep));
        }
        let go = MoveAlias { model, alias, to: version, expected: Some(now) };
        Ok(Decision { changes: changes.then(Arc::new(go)), ..Decision::default() })
    }
}
