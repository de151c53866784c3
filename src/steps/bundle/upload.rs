//! Brings the bundle's files into the workspace: deletes what is gone, makes folders, sends
//! what changed, as many files at a time as a workspace takes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::sync_snapshot::{FileWork, LocalFile, Snapshot};
use super::workspace_files::WorkspaceFiles;
use crate::bundle::passes::notebook::{self, FileKind};
use crate::domain::{Failure, Reason, Tally};
use crate::ports::{Files, RestError};

/// How many files are on their way at once.
pub const IN_FLIGHT: usize = 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uploaded {
    pub uploaded: usize,
    pub deleted: usize,
}

/// Looks at the files to upload. The content is only read where it decides the name in the
/// workspace and the snapshot does not know the answer.
pub async fn local_files(
    files: &dyn Files,
    root: &Path,
    paths: &[String],
    before: &Snapshot,
) -> Result<Vec<LocalFile>, Failure> {
    let mut found = Vec::with_capacity(paths.len());
    for path in paths {
        let local = root.join(path);
        let entry = files.stat(&local).await.map_err(|e| unreadable(&local, e))?;
        // Gone between the listing and now: it is not there any more.
        let Some(entry) = entry else { continue };
        let remote = match before.unchanged(path, entry.modified) {
            Some(remote) => remote.to_owned(),
            None => remote_name(files, &local, path).await?,
        };
        let notebook = remote != *path;
        found.push(LocalFile { path: path.clone(), remote, notebook, modified: entry.modified });
    }
    let mut by_remote: HashMap<&str, &str> = HashMap::new();
    for file in &found {
        if let Some(other) = by_remote.insert(&file.remote, &file.path) {
            let message = format!("both {other} and {} would be {} in the workspace", file.path, file.remote);
            return Err(Failure::new(Reason::InvalidBundle, message).hint("rename one of them or exclude it from sync"));
        }
    }
    Ok(found)
}

async fn remote_name(files: &dyn Files, local: &Path, path: &str) -> Result<String, Failure> {
    if notebook::extension(path).is_none() {
        return Ok(path.to_owned());
    }
    let content = read(files, local).await?;
    match notebook::detect(path, &content) {
        FileKind::BrokenNotebook => {
            Err(Failure::new(Reason::InvalidBundle, format!("{path}: invalid Jupyter notebook file")))
        }
        kind => Ok(notebook::remote_name(path, kind).to_owned()),
    }
}

async fn read(files: &dyn Files, local: &Path) -> Result<Vec<u8>, Failure> {
    let content = files.read(local).await.map_err(|e| unreadable(local, e))?;
    content.ok_or_else(|| unreadable(local, std::io::ErrorKind::NotFound.into()))
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    Failure::new(Reason::DiskError, format!("read {}", path.display())).because(error)
}

/// Makes sure that files can be put under `folder`.
pub async fn prepare_folder(workspace: &WorkspaceFiles, folder: &str) -> Result<(), Failure> {
    let doing = || format!("prepare the folder {folder}");
    match workspace.stat(folder).await.map_err(|e| e.into_failure(doing()))? {
        None => workspace.mkdirs(folder).await.map_err(|e| e.into_failure(doing())),
        Some(object) if object.kind == "DIRECTORY" || object.kind == "REPO" => Ok(()),
        Some(object) => Err(Failure::new(
            Reason::Conflict,
            format!("{folder} is a {} in the workspace, not a folder", object.kind.to_lowercase()),
        )
        .hint("delete it, or choose another `workspace.file_path`")),
    }
}

/// Carries the work out below the folder `remote`, and counts what is done.
pub async fn carry_out(
    workspace: &WorkspaceFiles,
    disk: &dyn Files,
    root: &Path,
    remote: &str,
    local: &[LocalFile],
    work: &FileWork,
    tally: &Tally,
) -> Result<Uploaded, Failure> {
    tally.expect(work.delete.len() + work.make_folders.len() + work.upload.len());
    let at = |name: &str| format!("{remote}/{name}");
    each(&work.delete, tally, |name| async move {
        workspace.delete(&at(name), false).await.map(drop).map_err(|e| e.into_failure(format!("delete {}", at(name))))
    })
    .await?;
    for folder in &work.remove_folders {
        match workspace.delete(&at(folder), false).await {
            Ok(_) => {}
            // Somebody else's files lie in it: it stays.
            Err(RestError::Status { status: 400, .. }) => {}
            Err(error) => return Err(error.into_failure(format!("delete the folder {}", at(folder)))),
        }
    }
    each(&work.make_folders, tally, |folder| async move {
        workspace.mkdirs(&at(folder)).await.map_err(|e| e.into_failure(format!("make the folder {}", at(folder))))
    })
    .await?;
    each(&work.upload, tally, |&i| async move {
        let file = &local[i];
        let path: PathBuf = root.join(&file.path);
        let content: Bytes = read(disk, &path).await?.into();
        let address = at(&file.path);
        workspace.put(&address, content).await.map_err(|e| e.into_failure(format!("upload {}", file.path)))
    })
    .await?;
    Ok(Uploaded { uploaded: work.upload.len(), deleted: work.delete.len() })
}

async fn each<'a, T, F, R>(items: &'a [T], tally: &Tally, act: F) -> Result<(), Failure>
where
    F: Fn(&'a T) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    let acts = stream::iter(items).map(act).buffer_unordered(IN_FLIGHT);
    acts.inspect_ok(|()| tally.count()).try_collect::<()>().await
}
