//! A store of releases in a Unity Catalog volume, which dev writes and others only read.
//!
//! The digest is written behind its archive, so that an archive with a digest is whole.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;

use super::volume::{Created, VolumeFiles};
use crate::domain::ledger::Archive;
use crate::domain::{Digest, Failure, ReleaseId};
use crate::ports::Store;
use crate::ports::store::{beside, read_beside};

pub struct VolumeStore {
    pub files: VolumeFiles,
    /// `/Volumes/…`, without a slash at the end.
    pub folder: String,
}

impl VolumeStore {
    fn archive(&self, id: ReleaseId) -> String {
        format!("{}/{}", self.folder, id.file_name())
    }

    fn beside(&self, id: ReleaseId) -> String {
        format!("{}.sha256", self.archive(id))
    }
}

#[async_trait]
impl Store for VolumeStore {
    fn place(&self) -> String {
        self.folder.clone()
    }

    async fn digest(&self, id: ReleaseId) -> Result<Option<Digest>, Failure> {
        let path = self.beside(id);
        let found = self.files.read(&path).await.map_err(|e| e.into_failure(format!("read {path}")))?;
        found.map(|text| read_beside(id, &text)).transpose()
    }

    async fn put(&self, id: ReleaseId, file: &Path, archive: &Archive) -> Result<(), Failure> {
        let path = self.archive(id);
        let sent = self.files.send(file, &path).await;
        sent.map_err(|e| e.into_failure(format!("keep the release as {path}")))?;
        let (path, text) = (self.beside(id), Bytes::from(beside(id, archive)));
        let doing = || format!("write {path}");
        match self.files.create(&path, text.clone()).await.map_err(|e| e.into_failure(doing()))? {
            Created::Made => Ok(()),
            Created::Taken => match self.digest(id).await? {
                Some(digest) if digest == archive.sha256 => Ok(()),
                _ => Err(super::keep_release::another(id, &self.folder)),
            },
        }
    }

    async fn fetch(&self, id: ReleaseId, to: &Path) -> Result<(), Failure> {
        let path = self.archive(id);
        self.files.bring(&path, to).await.map_err(|e| e.into_failure(format!("fetch the release {path}")))
    }
}
