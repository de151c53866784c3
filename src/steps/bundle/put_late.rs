//! Puts a document into the workspace whose content is known only when everything before it
//! is done: the state, its metadata, the manifest; and puts back what lay there.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::put_file::{current, digest, remove, restore, save, saved, step_error};
use super::workspace_files::WorkspaceFiles;
use crate::domain::{Failure, Reason};
use crate::ports::World;
use crate::saga::{Change, Found, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const VERB: &str = "put-document";

type Bytes = Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>> + Send>>;

/// Makes the content when it is time.
pub type Content = Arc<dyn Fn() -> Bytes + Send + Sync>;

/// Content that is made without asking anybody.
pub fn now(make: impl Fn() -> Result<Vec<u8>, Failure> + Send + Sync + 'static) -> Content {
    Arc::new(move || {
        let made = make();
        Box::pin(async move { made })
    })
}

/// Content that the workspace is asked for.
pub fn later<F: Future<Output = Result<Vec<u8>, Failure>> + Send + 'static>(
    make: impl Fn() -> F + Send + Sync + 'static,
) -> Content {
    Arc::new(move || Box::pin(make()))
}

pub struct PutLate {
    files: WorkspaceFiles,
    path: String,
    /// None when rebuilt from a journal: it can be looked for and taken back, not made.
    content: Option<Content>,
    undo_folder: String,
}

impl PutLate {
    pub fn new(files: WorkspaceFiles, path: String, content: Content, undo_folder: &str) -> Self {
        Self { files, path, content: Some(content), undo_folder: undo_folder.to_owned() }
    }

    pub fn rebuild(files: &WorkspaceFiles, spec: &Spec) -> Option<Arc<dyn Change<World>>> {
        let undo_folder = spec.args["undo"].as_str()?.to_owned();
        Some(Arc::new(Self { files: files.clone(), path: spec.subject.clone(), content: None, undo_folder }))
    }
}

#[async_trait]
impl Change<World> for PutLate {
    fn spec(&self) -> Spec {
        Spec { verb: VERB.to_owned(), subject: self.path.clone(), args: json!({"undo": self.undo_folder}) }
    }

    fn title(&self) -> String {
        format!("write {}", self.path)
    }

    fn told(&self) -> &'static [&'static str] {
        &["was", "sha256"]
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let copy = saved(&self.undo_folder, &self.path);
        Ok(Receipt(json!({"was": save(&self.files, &self.path, &copy).await?})))
    }

    async fn act(&self, _: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let Some(make) = &self.content else {
            let message = format!("{}: a change read from a journal cannot be made again", self.title());
            return Err(Failure::new(Reason::Internal, message).into());
        };
        let bytes = make().await?;
        let sha256 = digest(&bytes);
        let put = self.files.put(&self.path, bytes.into()).await;
        put.map_err(|e| step_error(e, self.title()))?;
        Ok(Outcome(json!({"sha256": sha256})))
    }

    /// Whatever lies there now and did not before is ours: the lock is held.
    async fn find(&self, _: &World, receipt: &Receipt) -> Result<Found, StepError> {
        let now = current(&self.files, &self.path).await?;
        Ok(match now {
            Some(now) if receipt.0["was"].as_str() != Some(&now) => Found::Done(Outcome(json!({"sha256": now}))),
            _ => Found::NotDone,
        })
    }

    async fn undo(&self, _: &World, receipt: &Receipt, outcome: Option<&Outcome>) -> Result<Undone, StepError> {
        let was = receipt.0["was"].as_str();
        let now = current(&self.files, &self.path).await?;
        if now.as_deref() == was {
            return Ok(Undone::NothingToDo);
        }
        let ours = outcome.and_then(|o| o.0["sha256"].as_str());
        if ours.is_some() && now.as_deref() != ours {
            return Err(StepError::drift(&self.path, ours.unwrap_or_default(), now.unwrap_or_default()));
        }
        match was {
            None => remove(&self.files, &self.path).await?,
            Some(_) => restore(&self.files, &saved(&self.undo_folder, &self.path), &self.path).await?,
        }
        Ok(Undone::TakenBack)
    }
}
