//! The bundle's files on disk, as the engine asks for them.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::bundle::{Entry, EntryKind, Source};
use crate::domain::{Failure, Reason};

/// The files below, and above, one folder.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
    /// Without links in it.
    boundary: Option<PathBuf>,
}

impl Disk {
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), boundary: None }
    }

    /// Refuses to look out of `boundary`, the job's checkout: a link to our own environment
    /// would else be deployed as a file of the bundle.
    pub fn within(root: impl Into<PathBuf>, boundary: &Path) -> Result<Self, Failure> {
        let boundary = boundary.canonicalize().map_err(|e| unreadable(boundary, e))?;
        Ok(Self { root: root.into(), boundary: Some(boundary) })
    }

    fn place(&self, path: &str) -> Result<PathBuf, Failure> {
        let place = self.root.join(path);
        let Some(boundary) = &self.boundary else { return Ok(place) };
        if real(&place).map_err(|e| unreadable(&place, e))?.starts_with(boundary) {
            return Ok(place);
        }
        Err(Failure::new(Reason::InvalidBundle, format!("read {path}: it leads out of the checkout"))
            .hint("what is deployed must lie in the repository; put a copy there in place of the link"))
    }
}

/// Nothing is there: also behind links that lead to one another.
fn leads_nowhere(error: &io::Error) -> bool {
    let loops = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    loops || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Where a path leads, links followed. Of a path that is not there, as much as there is.
fn real(place: &Path) -> io::Result<PathBuf> {
    for there in place.ancestors() {
        match there.canonicalize() {
            Ok(real) => {
                let rest = place.strip_prefix(there).map_err(io::Error::other)?;
                return Ok(rest.components().fold(real, |mut real, part| {
                    match part {
                        Component::ParentDir => drop(real.pop()),
                        part => real.push(part),
                    }
                    real
                }));
            }
            Err(error) if leads_nowhere(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(place.to_owned())
}

impl Source for Disk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        let place = self.place(path)?;
        absent_is_none(fs::read(&place), &place)
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, Failure> {
        let place = self.place(path)?;
        let Some(found) = absent_is_none(fs::read_dir(&place), &place)? else { return Ok(None) };
        let mut entries = Vec::new();
        for entry in found {
            let entry = entry.map_err(|e| unreadable(&place, e))?;
            // A name that is no text is shown with a mark in it: whoever needs the file says that it cannot be had.
            let name = entry.file_name().to_string_lossy().into_owned();
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
        let place = self.place(path)?;
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
        Err(error) if leads_nowhere(&error) => Ok(None),
        Err(error) => Err(unreadable(place, error)),
    }
}

fn unreadable(place: &Path, error: io::Error) -> Failure {
    Failure::new(Reason::InvalidBundle, format!("read {}", place.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_outside_of_the_checkout_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("checkout/ml/src")).unwrap();
        for name in ["checkout/shared.yml", "checkout/ml/databricks.yml", "secret"] {
            fs::write(path(name), "x").unwrap();
        }
        symlink(path("secret"), path("checkout/ml/src/link.py")).unwrap();
        symlink(path("gone"), path("checkout/ml/src/broken.py")).unwrap();
        symlink("round.py", path("checkout/ml/src/round.py")).unwrap();
        symlink("../../shared.yml", path("checkout/ml/src/inside.yml")).unwrap();
        let disk = Disk::within(path("checkout/ml"), &path("checkout")).unwrap();
        for good in ["databricks.yml", "../shared.yml", "src/inside.yml"] {
            assert!(disk.read(good).unwrap().is_some(), "{good}");
        }
        for absent in ["nothing.yml", "../nothing/at/all.yml", "src/broken.py", "src/round.py"] {
            assert!(disk.stat(absent).unwrap().is_none(), "{absent}");
        }
        for bad in ["../../secret", "src/link.py", "/etc/passwd", "nothing/../../../secret"] {
            let said = disk.stat(bad).unwrap_err().message;
            assert_eq!(said, format!("read {bad}: it leads out of the checkout"));
        }
        assert!(disk.list("../..").is_err());
        assert!(Disk::at(path("checkout/ml")).stat("src/link.py").unwrap().is_some());
    }
}
