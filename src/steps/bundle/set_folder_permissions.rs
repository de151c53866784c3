//! Gives the deployment's folders the rights that the bundle's `permissions` name.
//!
//! Every deployment sets them anew, from the same list: what an earlier one set is not put
//! back, because nobody but the bundle has a say about them.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::folder_permissions;
use super::workspace_files::WorkspaceFiles;
use crate::domain::Tree;
use crate::ports::World;
use crate::saga::{Change, Found, Nature, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "set-folder-permissions";

pub struct SetFolderPermissions {
    pub files: WorkspaceFiles,
    pub config: Tree,
}

#[async_trait]
impl Change<World> for SetFolderPermissions {
    fn spec(&self) -> Spec {
        let root = self.config.text(&["workspace", "root_path"]).unwrap_or_default();
        Spec { verb: VERB.to_owned(), subject: root.to_owned(), args: Value::Null }
    }

    fn title(&self) -> String {
        "set the rights of the deployment's folders".to_owned()
    }

    fn nature(&self) -> Nature {
        Nature::Append("the next deployment sets them anew")
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        Ok(Receipt(json!({})))
    }

    async fn act(&self, _: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        folder_permissions::apply(&self.files, &self.config).await?;
        Ok(Outcome(json!({})))
    }

    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        Ok(Found::NotDone)
    }

    async fn undo(&self, _: &World, _: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        Ok(Undone::LeftInPlace)
    }
}
