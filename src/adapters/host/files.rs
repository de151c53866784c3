//! Files of this machine.
//!
//! A file is written beside its place and renamed: whoever reads it, after a kill too, sees
//! the old or the new one whole. Nothing is synced. A power cut takes a runner's folder with
//! it whatever we do, and beside a checkout lies only a copy of what the workspace has;
//! waiting for the disk took most of the time of a small deployment. What we write is for us
//! alone unless a caller says otherwise: a journal holds receipts, and later steps of a job
//! run other people's code.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::ports::Files;
use crate::ports::files::FileEntry;

#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFiles;

#[async_trait]
impl Files for LocalFiles {
    async fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match tokio::fs::read(path).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (path, bytes) = (path.to_owned(), bytes.to_owned());
        blocking(move || write_whole(&path, &bytes)).await
    }

    async fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (path, bytes) = (path.to_owned(), bytes.to_owned());
        blocking(move || append(&path, &bytes)).await
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        match tokio::fs::remove_file(path).await {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn stat(&self, path: &Path) -> io::Result<Option<FileEntry>> {
        match tokio::fs::metadata(path).await {
            Ok(meta) => Ok(meta.is_file().then(|| described(path.to_owned(), &meta))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn walk(&self, folder: &Path) -> io::Result<Vec<FileEntry>> {
        let folder = folder.to_owned();
        blocking(move || walk(&folder)).await
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file needs a folder"))?;
    fs::create_dir_all(folder)?;
    let before = fs::metadata(path).map(|m| m.permissions().mode() & 0o7777).ok();
    let mut beside = tempfile::Builder::new().prefix(".mlops-deploy-").tempfile_in(folder)?;
    beside.write_all(bytes)?;
    if let Some(mode) = before {
        beside.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    }
    beside.persist(path).map(drop).map_err(|error| error.error)
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?.write_all(bytes)
}

fn described(path: PathBuf, meta: &fs::Metadata) -> FileEntry {
    let modified = jiff::Timestamp::new(meta.mtime(), i32::try_from(meta.mtime_nsec()).unwrap_or(0));
    let modified = modified.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    FileEntry { path, size: meta.size(), executable: meta.mode() & 0o111 != 0, modified }
}

fn walk(folder: &Path) -> io::Result<Vec<FileEntry>> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                left.push(entry.path());
            } else if kind.is_file() {
                found.push(described(entry.path(), &entry.metadata()?));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Where a run may put its own files: `RUNNER_TEMP` where it exists (older runners name a
/// folder of the host, which is not mounted into the container), else the system's.
pub fn temp_folder(runner_temp: Option<&str>) -> PathBuf {
    runner_temp.map(PathBuf::from).filter(|folder| folder.is_dir()).unwrap_or_else(std::env::temp_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_private_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/journal.jsonl");
        let files = LocalFiles;
        files.write(&path, b"one\n").await.unwrap();
        files.append(&path, b"two\n").await.unwrap();
        assert_eq!(files.read(&path).await.unwrap().unwrap(), b"one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files.walk(folder.path()).await.unwrap().len(), 1);
        files.remove(&path).await.unwrap();
        files.remove(&path).await.unwrap();
        assert_eq!(files.read(&path).await.unwrap(), None);
    }

    #[tokio::test]
    async fn rewriting_keeps_the_permissions_somebody_gave() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.sh");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        LocalFiles.write(&path, b"new").await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
