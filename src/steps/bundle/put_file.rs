//! Puts one file into the workspace, and puts back what lay there.
//!
//! What is overwritten is first saved beside the deployment (`.mlops-deploy/undo/`), because
//! running jobs read these files in place and the workspace keeps no earlier version. A file
//! that a listing has just shown to be absent is not asked for again.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::workspace_files::WorkspaceFiles;
use crate::domain::Failure;
use crate::ports::{RestError, World};
use crate::saga::{Change, Found, Outcome, Outcomes, Receipt, Spec, StepError, Undone};

pub const PUT: &str = "put-file";
pub const DELETE: &str = "delete-file";

/// Where a file lies: a notebook is sent as `a.py` and lies at `a`.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// With its extension, as it is sent.
    pub sent: String,
    /// As it is listed, read and deleted.
    pub lies: String,
}

impl Address {
    pub fn plain(path: impl Into<String>) -> Self {
        let path = path.into();
        Self { sent: path.clone(), lies: path }
    }

    fn to_json(&self) -> Value {
        json!({"sent": self.sent, "lies": self.lies})
    }

    fn of(spec: &Spec) -> Option<Self> {
        let text = |name: &str| spec.args[name].as_str().map(str::to_owned);
        Some(Self { sent: text("sent")?, lies: text("lies")? })
    }
}

/// What a listing said a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Absent,
    /// There, or nobody looked.
    Unknown,
}

/// Where the bytes to write come from.
#[derive(Clone)]
pub enum Content {
    Bytes(Bytes),
    /// Rebuilt from a journal: it can be looked for and taken back, not made.
    Forgotten,
}

pub struct PutFile {
    pub files: WorkspaceFiles,
    pub address: Address,
    pub content: Content,
    pub sha256: String,
    pub before: Before,
    /// The folder of this run under `.mlops-deploy/undo/`.
    pub undo_folder: String,
}

impl PutFile {
    pub fn new(files: WorkspaceFiles, address: Address, bytes: Bytes, before: Before, undo_folder: &str) -> Self {
        let sha256 = digest(&bytes);
        Self { files, address, content: Content::Bytes(bytes), sha256, before, undo_folder: undo_folder.to_owned() }
    }

    pub fn rebuild(files: &WorkspaceFiles, spec: &Spec) -> Option<Arc<dyn Change<World>>> {
        Some(Arc::new(Self {
            files: files.clone(),
            address: Address::of(spec)?,
            content: Content::Forgotten,
            sha256: spec.args["sha256"].as_str()?.to_owned(),
            before: Before::Unknown,
            undo_folder: spec.args["undo"].as_str()?.to_owned(),
        }))
    }

    fn saved(&self) -> String {
        saved(&self.undo_folder, &self.address.lies)
    }
}

#[async_trait]
impl Change<World> for PutFile {
    fn spec(&self) -> Spec {
        let mut args = self.address.to_json();
        args["sha256"] = json!(self.sha256);
        args["undo"] = json!(self.undo_folder);
        Spec { verb: PUT.to_owned(), subject: self.address.lies.clone(), args }
    }

    fn title(&self) -> String {
        format!("upload {}", self.address.sent)
    }

    fn told(&self) -> &'static [&'static str] {
        &["was", "sha256"]
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        if self.before == Before::Absent {
            return Ok(Receipt(json!({"was": null})));
        }
        let was = save(&self.files, &self.address.lies, &self.saved()).await?;
        Ok(Receipt(json!({"was": was})))
    }

    async fn act(&self, _: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let Content::Bytes(bytes) = &self.content else {
            return Err(Failure::new(
                crate::domain::Reason::Internal,
                format!("{}: its content is not known", self.title()),
            )
            .into());
        };
        let put = self.files.put(&self.address.sent, bytes.clone()).await;
        put.map_err(|e| step_error(e, self.title()))?;
        Ok(Outcome(json!({"sha256": self.sha256})))
    }

    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        let now = current(&self.files, &self.address.lies).await?;
        let done = now.as_ref() == Some(&self.sha256);
        Ok(if done { Found::Done(Outcome(json!({"sha256": self.sha256}))) } else { Found::NotDone })
    }

    async fn undo(&self, _: &World, receipt: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        let was = receipt.0["was"].as_str();
        let now = current(&self.files, &self.address.lies).await?;
        if now.as_deref() == was {
            return Ok(Undone::NothingToDo);
        }
        if now.as_ref() != Some(&self.sha256) {
            let live = now.unwrap_or_else(|| "nothing".to_owned());
            return Err(StepError::drift(&self.address.lies, &self.sha256, live));
        }
        match was {
            None => remove(&self.files, &self.address.lies).await?,
            Some(_) => restore(&self.files, &self.saved(), &self.address.sent).await?,
        }
        Ok(Undone::TakenBack)
    }
}

/// Deletes a file that the bundle no longer has.
pub struct DeleteFile {
    pub files: WorkspaceFiles,
    pub address: Address,
    pub undo_folder: String,
}

impl DeleteFile {
    pub fn rebuild(files: &WorkspaceFiles, spec: &Spec) -> Option<Arc<dyn Change<World>>> {
        let (address, undo_folder) = (Address::of(spec)?, spec.args["undo"].as_str()?.to_owned());
        Some(Arc::new(Self { files: files.clone(), address, undo_folder }))
    }
}

#[async_trait]
impl Change<World> for DeleteFile {
    fn spec(&self) -> Spec {
        let mut args = self.address.to_json();
        args["undo"] = json!(self.undo_folder);
        Spec { verb: DELETE.to_owned(), subject: self.address.lies.clone(), args }
    }

    fn title(&self) -> String {
        format!("delete {}", self.address.lies)
    }

    fn told(&self) -> &'static [&'static str] {
        &["was", "sha256"]
    }

    async fn observe(&self, _: &World, _: &Outcomes) -> Result<Receipt, StepError> {
        let saved = saved(&self.undo_folder, &self.address.lies);
        Ok(Receipt(json!({"was": save(&self.files, &self.address.lies, &saved).await?})))
    }

    async fn act(&self, _: &World, _: &Outcomes, _: &Receipt) -> Result<Outcome, StepError> {
        let deleted = self.files.delete(&self.address.lies, false).await;
        deleted.map_err(|e| step_error(e, self.title()))?;
        Ok(Outcome(json!({})))
    }

    async fn find(&self, _: &World, _: &Receipt) -> Result<Found, StepError> {
        let gone = current(&self.files, &self.address.lies).await?.is_none();
        Ok(if gone { Found::Done(Outcome(json!({}))) } else { Found::NotDone })
    }

    async fn undo(&self, _: &World, receipt: &Receipt, _: Option<&Outcome>) -> Result<Undone, StepError> {
        let was = receipt.0["was"].as_str();
        match current(&self.files, &self.address.lies).await? {
            now if now.as_deref() == was => Ok(Undone::NothingToDo),
            None => {
                let saved = saved(&self.undo_folder, &self.address.lies);
                restore(&self.files, &saved, &self.address.sent).await?;
                Ok(Undone::TakenBack)
            }
            Some(now) => Err(StepError::drift(&self.address.lies, "nothing", now)),
        }
    }
}

pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name of its own under the run's folder, whatever the path.
pub(super) fn saved(undo_folder: &str, path: &str) -> String {
    format!("{undo_folder}/{}", &digest(path.as_bytes())[..24])
}

/// Keeps a copy of what lies at `path`; its digest, or nothing where nothing lies there.
pub(super) async fn save(files: &WorkspaceFiles, path: &str, copy: &str) -> Result<Option<String>, StepError> {
    let doing = || format!("save {path} before it is changed");
    let Some(bytes) = files.read(path).await.map_err(|e| e.into_failure(doing()))? else { return Ok(None) };
    let was = digest(&bytes);
    files.put_into_own_folder(copy, bytes).await.map_err(|e| e.into_failure(doing()))?;
    Ok(Some(was))
}

pub(super) async fn restore(files: &WorkspaceFiles, copy: &str, path: &str) -> Result<(), StepError> {
    let doing = || format!("put {path} back");
    let bytes = files.read(copy).await.map_err(|e| e.into_failure(doing()))?.ok_or_else(|| {
        Failure::new(crate::domain::Reason::UnwindIncomplete, format!("put {path} back: its copy {copy} is gone"))
            .hint("deploy the last good commit again")
    })?;
    files.put(path, bytes).await.map_err(|e| step_error(e, doing()))
}

pub(super) async fn remove(files: &WorkspaceFiles, path: &str) -> Result<(), StepError> {
    files.delete(path, false).await.map(drop).map_err(|e| step_error(e, format!("delete {path}")))
}

pub(super) async fn current(files: &WorkspaceFiles, path: &str) -> Result<Option<String>, StepError> {
    let bytes = files.read(path).await.map_err(|e| e.into_failure(format!("look at {path}")))?;
    Ok(bytes.map(|b| digest(&b)))
}

pub(super) fn step_error(error: RestError, doing: String) -> StepError {
    let lost = error.may_have_been_applied();
    let failure = error.into_failure(doing);
    if lost { StepError::lost(failure) } else { failure.into() }
}
