//! The deployment lock: a file that the official command honours too.
//!
//! Whoever writes it first holds it. It is read back after writing, because a workspace may
//! take two racing writers; the one whose id is in the file has won. It has no age limit and
//! no heartbeat: who steals it, and when, is decided elsewhere.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::workspace_files::{Overwrite, WorkspaceFiles, WriteError};
use crate::domain::{Failure, Reason};
use crate::ports::RestError;

/// The file's content; the names are the file's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(rename = "AcquisitionTime")]
    pub since: String,
    #[serde(rename = "IsForced")]
    pub forced: bool,
    #[serde(rename = "User")]
    pub user: String,
}

/// A lock that we hold. Dropping it leaves the file: a killed run must stay visible.
#[derive(Debug)]
pub struct Lock {
    path: String,
    holder: Holder,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum LockError {
    Held(Holder),
    /// Its file was written and is not there: somebody deleted it.
    Gone(Failure),
    Failed(Failure),
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held(holder) => holder.failure(),
            LockError::Gone(failure) | LockError::Failed(failure) => failure,
        }
    }
}

impl Holder {
    pub fn failure(&self) -> Failure {
        let how = if self.forced { "force-acquired" } else { "acquired" };
        let since = self.since.parse::<Timestamp>().map_or_else(|_| self.since.clone(), go_time);
        let message = format!(
            "deploy lock {how} by {} at {since}. Another deployment may be in progress; --force-lock takes the lock \
             from it, which is harmful while it still works",
            self.user
        );
        Failure::new(Reason::LockHeld, message)
            .hint("wait for the other deployment, or take its lock once you know that it is dead")
    }
}

/// `2024-05-05 05:05:05 +0000 UTC`, the fraction only where there is one.
fn go_time(at: Timestamp) -> String {
    let whole = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let fraction = at.strftime("%f").to_string();
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{whole} +0000 UTC") } else { format!("{whole}.{fraction} +0000 UTC") }
}

pub fn lock_path(state_path: &str) -> String {
    format!("{state_path}/deploy.lock")
}

/// Takes the lock, or says who holds it. `force` takes it from its holder.
pub async fn acquire(
    files: &WorkspaceFiles,
    state_path: &str,
    user: &str,
    now: Timestamp,
    force: bool,
) -> Result<Lock, LockError> {
    let id = uuid::Uuid::new_v4().to_string();
    acquire_as(files, state_path, Holder { id, since: now.to_string(), forced: force, user: user.to_owned() }).await
}

/// The same under an id that was written down before: a killed run's lock is known by it.
pub async fn acquire_as(files: &WorkspaceFiles, state_path: &str, holder: Holder) -> Result<Lock, LockError> {
    let path = lock_path(state_path);
    let force = holder.forced;
    let bytes = serde_json::to_vec(&holder).expect("four plain fields are JSON");
    let overwrite = if force { Overwrite::Yes } else { Overwrite::No };
    match files.write_making_folder(&path, bytes.into(), overwrite).await {
        Ok(()) | Err(WriteError::Exists) => {}
        // Nobody knows whether it was written: the file tells.
        Err(WriteError::Rest(error)) if error.may_have_been_applied() => {}
        Err(WriteError::NoParent(error) | WriteError::Rest(error)) => return Err(failed(error, &path)),
    }
    match read(files, &path).await? {
        Some(found) if found.id == holder.id => Ok(Lock { path, holder }),
        Some(found) => Err(LockError::Held(found)),
        None => Err(LockError::Gone(
            Failure::new(
                Reason::LockLost,
                format!("take the deployment lock: {path} was gone as soon as it was written"),
            )
            .hint("another deployment, or a person, deleted it; see to it that only one deploys, and run again"),
        )),
    }
}

/// Who holds the lock, if anybody does.
pub async fn holder(files: &WorkspaceFiles, state_path: &str) -> Result<Option<Holder>, LockError> {
    read(files, &lock_path(state_path)).await
}

async fn read(files: &WorkspaceFiles, path: &str) -> Result<Option<Holder>, LockError> {
    let Some(bytes) = files.read(path).await.map_err(|e| failed(e, path))? else { return Ok(None) };
    match serde_json::from_slice(&bytes) {
        Ok(holder) => Ok(Some(holder)),
        Err(error) => Err(LockError::Failed(
            Failure::new(Reason::LockHeld, format!("read the deployment lock {path}: it is not what we know"))
                .hint("delete the file once you know that nobody deploys")
                .because(error),
        )),
    }
}

fn failed(error: RestError, path: &str) -> LockError {
    LockError::Failed(error.into_failure(format!("take the deployment lock {path}")))
}

impl Lock {
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Whether the lock is still ours; to be asked before each write that others would notice.
    pub async fn check(&self, files: &WorkspaceFiles) -> Result<(), Failure> {
        match read(files, &self.path).await.map_err(Failure::from)? {
            Some(found) if found.id == self.holder.id => Ok(()),
            Some(found) => Err(lost(&format!("{} took it at {}", found.user, found.since))),
            None => Err(lost("somebody deleted it")),
        }
    }

    /// Gives the lock back. After `destroy` the whole folder is gone, and the lock with it.
    pub async fn release(self, files: &WorkspaceFiles, may_be_gone: bool) -> Result<(), Failure> {
        match read(files, &self.path).await.map_err(Failure::from)? {
            Some(found) if found.id == self.holder.id => {}
            Some(found) => return Err(lost(&format!("{} took it at {}", found.user, found.since))),
            None if may_be_gone => return Ok(()),
            None => return Err(lost("somebody deleted it")),
        }
        let deleted = files.delete(&self.path, false).await;
        deleted.map(drop).map_err(|e| e.into_failure(format!("release the deployment lock {}", self.path)))
    }
}

fn lost(how: &str) -> Failure {
    Failure::new(Reason::LockLost, format!("the deployment lock is no longer ours: {how}"))
        .hint("two deployments worked at the same time; plan again and look at what is deployed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        let text = |t: &str| go_time(t.parse().unwrap());
        assert_eq!(text("2024-05-05T05:05:05Z"), "2024-05-05 05:05:05 +0000 UTC");
        assert_eq!(text("2024-05-05T05:05:05.120Z"), "2024-05-05 05:05:05.12 +0000 UTC");
    }
}
