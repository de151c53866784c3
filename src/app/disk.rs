//! The bundle's files on disk, as the engine asks for them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::{Entry, EntryKind, Source};
use crate::domain::{Failure, Reason};

/// The files below, and above, one folder.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Source for Disk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        absent_is_none(fs::read(self.place(path)), &self.place(path))
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, Failure> {
        let place = self.place(path);
        let Some(found) = absent_is_none(fs::read_dir(&place), &place)? else { return Ok(None) };
        let mut entries = Vec::new();
        for entry in found {
            let entry = entry.map_err(|e| unreadable(&place, e))?;
            // A name that is no text cannot stand in a bundle, nor in a workspace.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = match entry.file_type().map_err(|e| unreadable(&place, e))? {
                kind if kind.is_file() => EntryKind::File,
                kind if kind.is_dir() => EntryKind::Folder,
                _ => EntryKind::Other,
            };
            entries.push(Entry { name, kind });
        }
        entries.sort();
        Ok(Some(entries))
    }

    fn stat(&self, path: &str) -> Result<Option<EntryKind>, Failure> {
        let place = self.place(path);
        let found = absent_is_none(fs::metadata(&place), &place)?;
        Ok(found.map(|meta| match meta {
            meta if meta.is_file() => EntryKind::File,
            meta if meta.is_dir() => EntryKind::Folder,
            _ => EntryKind::Other,
        }))
    }
}

fn absent_is_none<T>(found: io::Result<T>, place: &Path) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(unreadable(place, error)),
    }
}

fn unreadable(place: &Path, error: io::Error) -> Failure {
    Failure::new(Reason::InvalidBundle, format!("read {}", place.display())).because(error)
}
