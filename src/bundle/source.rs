//! Where the engine reads a bundle's files from.
//!
//! The engine is pure: it asks for bytes and folders through this and never touches a disk.
//! Paths are relative to the root the source was opened on (the bundle's folder), with `/`;
//! `..` may lead out of it, as far as the git work tree, because sync paths may.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Failure;

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: String,
    pub kind: EntryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    File,
    Folder,
    /// A symbolic link (`stat` says what it leads to), a socket, a device.
    Other,
}

pub trait Source {
    /// The bytes of a file; none where there is nothing. A folder is an error.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Failure>;
    /// The names in a folder, sorted by name; none where there is no folder.
    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, Failure>;
    /// What lies at a path, links followed; none where there is nothing.
    fn stat(&self, path: &str) -> Result<Option<EntryKind>, Failure>;
}

/// A bundle in memory: for tests, and for a release read from its archive.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    files: BTreeMap<String, Vec<u8>>,
}

impl InMemory {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(clean(path), content.into());
        self
    }
}

impl Source for InMemory {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.files.get(&clean(path)).cloned())
    }

    fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, Failure> {
        let prefix = match clean(path).as_str() {
            "." => String::new(),
            folder => format!("{folder}/"),
        };
        let mut names = BTreeSet::new();
        for file in self.files.range(prefix.clone()..).map(|(file, _)| file).take_while(|f| f.starts_with(&prefix)) {
            let rest = &file[prefix.len()..];
            names.insert(match rest.split_once('/') {
                Some((folder, _)) => Entry { name: folder.to_owned(), kind: EntryKind::Folder },
                None => Entry { name: rest.to_owned(), kind: EntryKind::File },
            });
        }
        Ok((!names.is_empty() || prefix.is_empty()).then(|| names.into_iter().collect()))
    }

    fn stat(&self, path: &str) -> Result<Option<EntryKind>, Failure> {
        if self.files.contains_key(&clean(path)) {
            return Ok(Some(EntryKind::File));
        }
        Ok(self.list(path)?.map(|_| EntryKind::Folder))
    }
}

/// A relative path without `.`, doubled slashes and avoidable `..`; `.` for the root itself.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let rooted = path.starts_with('/');
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// `path` as seen from `folder`, both relative or both absolute.
pub fn join(folder: &str, path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { clean(&format!("{folder}/{path}")) }
}

/// The folder a file lies in.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => &path[..at],
        None => ".",
    }
}
