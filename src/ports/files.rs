//! Files of this machine. Paths are absolute.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    pub path: PathBuf,
    pub size: u64,
    pub executable: bool,
    pub modified: jiff::Timestamp,
}

#[async_trait]
pub trait Files: Send + Sync {
    /// `None` where there is no such file.
    async fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// What is known of one file, links followed; `None` where there is none.
    async fn stat(&self, path: &Path) -> io::Result<Option<FileEntry>>;

    /// Whole or not at all, also when we are killed: written beside, renamed. Makes missing folders.
    async fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Once it returns, a kill does not take it back.
    async fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Deleting what is not there is no error.
    async fn remove(&self, path: &Path) -> io::Result<()>;

    /// Every regular file below a folder; links are not followed.
    async fn walk(&self, folder: &Path) -> io::Result<Vec<FileEntry>>;
}
