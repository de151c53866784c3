//! Where the deployment state lies: in the workspace, and by hand also beside the checkout.
//!
//! The copy beside the checkout and its write-ahead log are what a killed run leaves behind:
//! each finished change is in the log before the next begins, and the next command plays the
//! log back. A stage has no such folder; its journal does this work.

use std::path::{Path, PathBuf};

use futures::join;

use super::sync_snapshot::{DeploymentFile, Snapshot};
use super::workspace_files::WorkspaceFiles;
use crate::bundle::state::State;
use crate::domain::{Failure, Reason};
use crate::ports::Files;

/// The folder `.databricks/bundle/<target>` of a checkout.
#[derive(Clone, Debug)]
pub struct LocalFolder {
    /// The bundle's `.databricks`.
    top: PathBuf,
    folder: PathBuf,
}

/// What was deployed, and what lies in the workspace.
#[derive(Clone, Debug, Default)]
pub struct Pulled {
    pub state: State,
    /// Something to say about the state: lines of a log that could not be read.
    pub warnings: Vec<String>,
}

impl LocalFolder {
    pub fn new(bundle_root: &Path, target: &str) -> Self {
        let top = bundle_root.join(".databricks");
        let folder = top.join("bundle").join(target);
        Self { top, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn log(&self) -> PathBuf {
        self.file("resources.json.wal")
    }

    /// Git shall not see the folder. The official command writes this first: a pattern of `sync.include` may find it.
    pub async fn prepare(&self, disk: &dyn Files) -> Result<(), Failure> {
        let ignore = self.top.join(".gitignore");
        if disk.stat(&ignore).await.map_err(|e| unwritable(&ignore, e))?.is_none() {
            write(disk, &ignore, b"*\n").await?;
        }
        Ok(())
    }

    /// The copy of the state, where there is one.
    pub async fn state(&self, disk: &dyn Files) -> Result<Option<State>, Failure> {
        let bytes = read(disk, &self.file("resources.json")).await?;
        // A power cut may have emptied the copy; the workspace has what it was made from.
        bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| State::parse(&bytes)).transpose()
    }

    pub async fn save_state(&self, disk: &dyn Files, state: &State) -> Result<(), Failure> {
        self.prepare(disk).await?;
        write(disk, &self.file("resources.json"), state.render().as_bytes()).await?;
        let log = self.log();
        disk.remove(&log).await.map_err(|e| unwritable(&log, e))
    }

    pub async fn save_deployment(&self, disk: &dyn Files, deployment: &DeploymentFile) -> Result<(), Failure> {
        self.prepare(disk).await?;
        let bytes = serde_json::to_vec(deployment).expect("plain fields are JSON");
        write(disk, &self.file("deployment.json"), &bytes).await
    }

    fn snapshot_file(&self, host: &str, remote: &str) -> PathBuf {
        use md5::{Digest, Md5};
        let digest = Md5::digest(format!("{host}{remote}"));
        let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.file("sync-snapshots").join(format!("{name}.json"))
    }

    pub async fn save_snapshot(
        &self,
        disk: &dyn Files,
        snapshot: &Snapshot,
        host: &str,
        remote: &str,
    ) -> Result<(), Failure> {
        self.prepare(disk).await?;
        write(disk, &self.snapshot_file(host, remote), &snapshot.render(host, remote)).await
    }

    pub async fn forget_snapshot(&self, disk: &dyn Files, host: &str, remote: &str) -> Result<(), Failure> {
        let path = self.snapshot_file(host, remote);
        disk.remove(&path).await.map_err(|e| unwritable(&path, e))
    }

    async fn read_snapshot(&self, disk: &dyn Files, host: &str, remote: &str) -> Result<Option<Snapshot>, Failure> {
        let bytes = read(disk, &self.snapshot_file(host, remote)).await?;
        Ok(bytes.and_then(|b| Snapshot::parse(&b, host, remote)))
    }
}

async fn read(disk: &dyn Files, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    disk.read(path).await.map_err(|e| Failure::new(Reason::DiskError, format!("read {}", path.display())).because(e))
}

async fn write(disk: &dyn Files, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    disk.write(path, bytes).await.map_err(|e| unwritable(path, e))
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    Failure::new(Reason::DiskError, format!("write {}", path.display())).because(error)
}

/// Reads the state from the workspace, and from the folder of the checkout where there is
/// one. The higher serial wins, the local one when both are equal.
pub async fn pull_state(
    files: &WorkspaceFiles,
    disk: &dyn Files,
    state_path: &str,
    local: Option<&LocalFolder>,
) -> Result<Pulled, Failure> {
    let path = format!("{state_path}/resources.json");
    let terraform = format!("{state_path}/terraform.tfstate");
    let (remote, terraform) = join!(files.read(&path), files.stat(&terraform));
    if terraform.map_err(|e| e.into_failure("look for a Terraform state"))?.is_some() {
        return Err(terraform_state(state_path));
    }
    let remote = remote.map_err(|e| e.into_failure("read the deployment state"))?;
    let remote = remote.map(|bytes| State::parse(&bytes)).transpose()?;
    let Some(local) = local else {
        return Ok(Pulled { state: remote.unwrap_or_default(), warnings: Vec::new() });
    };
    if disk.stat(&local.file("terraform/terraform.tfstate")).await.ok().flatten().is_some() {
        return Err(terraform_state("this checkout"));
    }
    let state = newest(local.state(disk).await?, remote)?;
    let Some(log) = read(disk, &local.log()).await? else { return Ok(Pulled { state, warnings: Vec::new() }) };
    let (replayed, bad) = state.replay(&String::from_utf8_lossy(&log))?;
    if !bad.is_empty() {
        let lines = bad.join("\n") + "\n";
        let aside = local.file("resources.json.wal.corrupted");
        disk.append(&aside, lines.as_bytes()).await.map_err(|e| unwritable(&aside, e))?;
    }
    local.save_state(disk, &replayed).await?;
    let warnings = bad.iter().map(|_| "a line of the interrupted deployment's log cannot be read".to_owned()).collect();
    Ok(Pulled { state: replayed, warnings })
}

fn terraform_state(place: &str) -> Failure {
    Failure::new(Reason::Unsupported, format!("unsupported: a state of the Terraform engine lies in {place}"))
        .hint("migrate it with `databricks bundle deployment migrate` (release 1.18 of the official command)")
}

fn newest(here: Option<State>, there: Option<State>) -> Result<State, Failure> {
    match (here, there) {
        (Some(here), Some(there)) => {
            if let (Some(a), Some(b)) = (&here.lineage, &there.lineage)
                && a != b
            {
                return Err(Failure::new(
                    Reason::StateUnreadable,
                    format!("read the deployment state: the one of this checkout has lineage {a}, the one of the workspace {b}"),
                )
                .hint("another deployment began anew under the same path; remove `.databricks` to follow the workspace"));
            }
            Ok(if here.serial >= there.serial { here } else { there })
        }
        (one, other) => Ok(one.or(other).unwrap_or_default()),
    }
}

/// Reads the list of uploaded files, and what this checkout knows of them.
pub async fn pull_files(
    files: &WorkspaceFiles,
    disk: &dyn Files,
    state_path: &str,
    local: Option<(&LocalFolder, &str)>,
) -> Result<(Option<DeploymentFile>, Snapshot), Failure> {
    let path = format!("{state_path}/deployment.json");
    let remote = files.read(&path).await.map_err(|e| e.into_failure("read the list of uploaded files"))?;
    let remote = remote.map(|bytes| parse_deployment(&bytes)).transpose()?;
    let names = |d: Option<&DeploymentFile>| d.map(DeploymentFile::snapshot).unwrap_or_default();
    let Some((local, file_path)) = local else {
        let snapshot = names(remote.as_ref());
        return Ok((remote, snapshot));
    };
    let here = read(disk, &local.file("deployment.json")).await?;
    let here = here.and_then(|bytes| parse_deployment(&bytes).ok());
    let newer_there = match (&here, &remote) {
        (Some(here), Some(there)) => there.seq > here.seq || here.id != there.id,
        (here, there) => here.is_none() && there.is_some(),
    };
    if newer_there {
        let snapshot = names(remote.as_ref());
        return Ok((remote, snapshot));
    }
    let snapshot = local.read_snapshot(disk, files.rest().host(), file_path).await?;
    Ok((here, snapshot.unwrap_or_default()))
}

fn parse_deployment(bytes: &[u8]) -> Result<DeploymentFile, Failure> {
    let unreadable = |message: String| Failure::new(Reason::StateUnreadable, message);
    let file: DeploymentFile = serde_json::from_slice(bytes).map_err(|e| {
        unreadable("read the list of uploaded files: `deployment.json` is not what we know".into()).because(e)
    })?;
    if file.version > DeploymentFile::VERSION {
        let message = format!("read the list of uploaded files: `deployment.json` has version {}", file.version);
        return Err(unreadable(message).hint("a newer release of the official command has written it; upgrade"));
    }
    Ok(file)
}
