//! A store of releases in a folder of this machine, such as a disk that runners share.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::files::LocalFiles;
use crate::domain::ledger::Archive;
use crate::domain::{Digest, Failure, Reason, ReleaseId};
use crate::ports::store::{beside, read_beside};
use crate::ports::{Files, Store};

pub struct FolderStore {
    pub folder: PathBuf,
}

impl FolderStore {
    fn archive(&self, id: ReleaseId) -> PathBuf {
        self.folder.join(id.file_name())
    }

    fn beside(&self, id: ReleaseId) -> PathBuf {
        self.folder.join(format!("{}.sha256", id.file_name()))
    }
}

/// Copies whole or not at all.
async fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let doing = || format!("copy {} to {}", from.display(), to.display());
    let (from, target) = (from.to_owned(), to.to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        let folder = target.parent().ok_or_else(|| std::io::Error::other("a file needs a folder"))?;
        std::fs::create_dir_all(folder)?;
        let mut beside = tempfile::Builder::new().prefix(".mlops-deploy-").tempfile_in(folder)?;
        std::io::copy(&mut std::fs::File::open(from)?, &mut beside)?;
        beside.as_file().sync_all()?;
        beside.persist(&target).map_err(|e| e.error).map(drop)
    });
    let copied = copied.await.map_err(std::io::Error::other).and_then(|done| done);
    copied.map_err(|e| Failure::new(Reason::DiskError, doing()).because(e))
}

#[async_trait]
impl Store for FolderStore {
    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    async fn digest(&self, id: ReleaseId) -> Result<Option<Digest>, Failure> {
        let path = self.beside(id);
        let found = LocalFiles.read(&path).await;
        let found =
            found.map_err(|e| Failure::new(Reason::DiskError, format!("read {}", path.display())).because(e))?;
        found.map(|text| read_beside(id, &text)).transpose()
    }

    async fn put(&self, id: ReleaseId, file: &Path, archive: &Archive) -> Result<(), Failure> {
        copy(file, &self.archive(id)).await?;
        let path = self.beside(id);
        let written = LocalFiles.write(&path, beside(id, archive).as_bytes()).await;
        written.map_err(|e| Failure::new(Reason::DiskError, format!("write {}", path.display())).because(e))
    }

    async fn fetch(&self, id: ReleaseId, to: &Path) -> Result<(), Failure> {
        copy(&self.archive(id), to).await
    }
}
