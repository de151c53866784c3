//! A copy of the checkout for a command of the repository.
//!
//! The command may do to it what it likes: what is planned and deployed is the tree that we
//! hashed. The copy holds no credential: `.git/config`, where a checkout may have left one,
//! is written anew with what a build reads (`origin` without user and password). Links are
//! copied as links; where they lead is closed to the command's user.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use super::git::Repository;

/// Who owns the copy, where it is not us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

pub struct Copy {
    base: TempDir,
    original: PathBuf,
}

impl Copy {
    pub fn of(original: &Path, user: Option<User>) -> io::Result<Self> {
        let original = original.canonicalize()?;
        let base = tempfile::Builder::new().prefix("mlops-deploy-").tempdir()?;
        // Others pass through this folder, and see nothing in it but by name.
        fs::set_permissions(base.path(), Permissions::from_mode(0o711))?;
        let copy = Self { base, original };
        for folder in [copy.home(), copy.temp()] {
            fs::create_dir(&folder)?;
            give(&folder, user)?;
        }
        copy_folder(&copy.original, &copy.tree(), user)?;
        copy.clean_git(user)?;
        Ok(copy)
    }

    pub fn tree(&self) -> PathBuf {
        self.base.path().join("tree")
    }

    /// Empty, for caches and settings.
    pub fn home(&self) -> PathBuf {
        self.base.path().join("home")
    }

    pub fn temp(&self) -> PathBuf {
        self.base.path().join("tmp")
    }

    /// Where programs can be put that the command could not reach. It does not exist yet.
    pub fn tools(&self) -> PathBuf {
        self.base.path().join("tools")
    }

    /// Where a path of the original lies here; none for a path outside of it.
    pub fn place_of(&self, path: &Path) -> Option<PathBuf> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let inside = path.strip_prefix(&self.original).ok()?;
        let plain = inside.components().all(|c| matches!(c, Component::Normal(_)));
        plain.then(|| self.tree().join(inside))
    }

    /// Brings wheels that the command made below `folder` (of the original) back into the
    /// original, and nothing else: a build makes wheels, everything else that it left is
    /// scratch. Returns what was brought.
    pub fn bring_back_wheels(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let Some(here) = self.place_of(folder) else { return Ok(Vec::new()) };
        let mut brought = Vec::new();
        let mut left = vec![here];
        while let Some(folder) = left.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let (kind, path) = (entry.file_type()?, entry.path());
                if kind.is_dir() && entry.file_name() != ".git" {
                    left.push(path);
                } else if kind.is_file() && path.extension().is_some_and(|e| e == "whl") {
                    let inside = path.strip_prefix(self.tree()).map_err(io::Error::other)?;
                    let home = self.original.join(inside);
                    if self.bring(&path, &home)? {
                        brought.push(home);
                    }
                }
            }
        }
        brought.sort();
        Ok(brought)
    }

    fn bring(&self, from: &Path, to: &Path) -> io::Result<bool> {
        let bytes = fs::read(from)?;
        if fs::read(to).is_ok_and(|there| there == bytes) {
            return Ok(false);
        }
        let folder = to.parent().ok_or_else(|| io::Error::other("a file has a folder"))?;
        fs::create_dir_all(folder)?;
        // A link in the original must not lead what the command wrote out of it.
        if !folder.canonicalize()?.starts_with(&self.original) {
            return Err(io::Error::other(format!("{} leads out of the checkout", folder.display())));
        }
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::write(to, bytes)?;
        fs::set_permissions(to, Permissions::from_mode(0o644))?;
        Ok(true)
    }

    fn clean_git(&self, user: Option<User>) -> io::Result<()> {
        let here = self.tree().join(".git");
        if !here.is_dir() {
            // A work tree or submodule: its file names a folder that the command cannot reach.
            return match fs::remove_file(&here) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let origin = Repository::discover(&self.original)?.and_then(|repository| repository.origin_url());
        let mut config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n".to_owned();
        if let Some(origin) = origin.filter(|url| !url.contains(['\n', '"', '\\'])) {
            config.push_str(&format!("[remote \"origin\"]\n\turl = {origin}\n"));
        }
        let path = here.join("config");
        fs::write(&path, config)?;
        give(&path, user)
    }
}

/// In `.git`: what holds credentials, runs by itself, or belongs to other work trees.
const LEFT_OUT: &[&str] = &["config", "config.worktree", "credentials", "hooks", "modules", "worktrees"];

fn copy_folder(from: &Path, to: &Path, user: Option<User>) -> io::Result<()> {
    fs::create_dir(to)?;
    let in_git = from.file_name().is_some_and(|name| name == ".git");
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if in_git && LEFT_OUT.iter().any(|left| name == *left) {
            continue;
        }
        let (kind, here, there) = (entry.file_type()?, entry.path(), to.join(&name));
        if kind.is_dir() {
            copy_folder(&here, &there, user)?;
            continue;
        }
        if kind.is_symlink() {
            symlink(fs::read_link(&here)?, &there)?;
        } else if kind.is_file() {
            fs::copy(&here, &there)?;
        } else {
            continue; // Sockets and pipes are no part of a checkout.
        }
        give(&there, user)?;
    }
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    give(to, user)
}

fn give(path: &Path, user: Option<User>) -> io::Result<()> {
    user.map_or(Ok(()), |user| lchown(path, Some(user.uid), Some(user.gid)))
}

/// Folders that are closed to other users while commands of the repository run: the checkout
/// with its credential, the home and temporary folders of the job, its command files. Their
/// owner keeps its access. What they were is restored on drop.
pub struct Closed(Vec<(PathBuf, u32)>);

impl Closed {
    /// Skips what is not there and the folders that everybody needs.
    pub fn around(folders: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        let system = std::env::temp_dir().canonicalize()?;
        let mut closed = Self(Vec::new());
        for folder in folders {
            let Ok(folder) = folder.canonicalize() else { continue };
            if !folder.is_dir() || system.starts_with(&folder) || closed.0.iter().any(|(known, _)| *known == folder) {
                continue;
            }
            let mode = fs::metadata(&folder)?.permissions().mode() & 0o7777;
            if mode & 0o077 == 0 {
                continue;
            }
            fs::set_permissions(&folder, Permissions::from_mode(mode & 0o7700))
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
            closed.0.push((folder, mode));
        }
        Ok(closed)
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        for (folder, mode) in &self.0 {
            let _ = fs::set_permissions(folder, Permissions::from_mode(*mode));
        }
    }
}
