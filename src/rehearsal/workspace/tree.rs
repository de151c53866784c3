//! Folders and files by absolute path; used for workspace files and for the Files API.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::content::Content;

#[derive(Clone, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<String, Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub id: u64,
    pub created: i64,
    pub modified: i64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Folder,
    File(Content),
    /// Source as uploaded, and its language.
    Notebook(Bytes, Language),
    /// Something that lives elsewhere and only shows up in the tree; its object type.
    Elsewhere(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Sql,
    Scala,
    R,
}

impl Language {
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "PYTHON",
            Self::Sql => "SQL",
            Self::Scala => "SCALA",
            Self::R => "R",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Python, Self::Sql, Self::Scala, Self::R].into_iter().find(|l| l.name().eq_ignore_ascii_case(name))
    }
}

/// The last part of a path.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The folder around a path; the root is its own.
pub(crate) fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        None | Some(("", _)) => "/",
        Some((folder, _)) => folder,
    }
}

impl Tree {
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub fn is_folder(&self, path: &str) -> bool {
        self.get(path).is_some_and(|n| n.what == What::Folder)
    }

    pub fn by_id(&self, id: u64) -> Option<(&str, &Node)> {
        self.nodes.iter().find(|(_, n)| n.id == id).map(|(p, n)| (p.as_str(), n))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(p, n)| (p.as_str(), n))
    }

    pub fn folder(&mut self, path: &str, id: u64, now: i64) {
        self.nodes.entry(path.to_owned()).or_insert(Node { id, created: now, modified: now, what: What::Folder });
    }

    /// Makes a folder and those around it; the path of what is in the way, if something is.
    pub fn folders(&mut self, path: &str, now: i64, mut id: impl FnMut() -> u64) -> Result<(), String> {
        let mut missing = vec![];
        let mut at = path;
        loop {
            match self.get(at) {
                Some(n) if n.what == What::Folder => break,
                Some(_) => return Err(at.to_owned()),
                None => missing.push(at.to_owned()),
            }
            if at == "/" {
                break;
            }
            at = parent(at);
        }
        for folder in missing.into_iter().rev() {
            self.folder(&folder, id(), now);
        }
        Ok(())
    }

    /// Writes a file; an object that was there keeps its id and its time of creation.
    pub fn put(&mut self, path: &str, what: What, new_id: u64, now: i64) {
        let old = self.nodes.get(path);
        let (id, created) = old.map_or((new_id, now), |n| (n.id, n.created));
        self.nodes.insert(path.to_owned(), Node { id, created, modified: now, what });
    }

    pub fn children(&self, folder: &str) -> Vec<(&str, &Node)> {
        let prefix = if folder == "/" { "/".to_owned() } else { format!("{folder}/") };
        let below = self.nodes.range::<str, _>((Bound::Excluded(prefix.as_str()), Bound::Unbounded));
        below
            .take_while(|(p, _)| p.starts_with(&prefix))
            .filter(|(p, _)| !p[prefix.len()..].contains('/'))
            .map(|(p, n)| (p.as_str(), n))
            .collect()
    }

    /// Everything below a folder.
    pub fn below(&self, folder: &str) -> Vec<(&str, &Node)> {
        let prefix = if folder == "/" { "/".to_owned() } else { format!("{folder}/") };
        let below = self.nodes.range::<str, _>((Bound::Excluded(prefix.as_str()), Bound::Unbounded));
        below.take_while(|(p, _)| p.starts_with(&prefix)).map(|(p, n)| (p.as_str(), n)).collect()
    }

    /// Removes a path and what is below it; gives back the paths that are gone.
    pub fn remove(&mut self, path: &str) -> Vec<(String, Node)> {
        let mut gone: Vec<String> = self.below(path).into_iter().map(|(p, _)| p.to_owned()).collect();
        gone.push(path.to_owned());
        gone.into_iter().filter_map(|p| self.nodes.remove(&p).map(|n| (p, n))).collect()
    }

    /// Gives a folder and everything below it another path.
    pub fn move_below(&mut self, from: &str, to: &str) {
        for (path, node) in self.remove(from) {
            self.nodes.insert(format!("{to}{}", &path[from.len()..]), node);
        }
    }

    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(node) = self.nodes.remove(from) {
            self.nodes.insert(to.to_owned(), node);
        }
    }
}
