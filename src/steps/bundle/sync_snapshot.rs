//! What was uploaded last, and what an upload has to do now.
//!
//! The official command remembers each file's time of modification beside the checkout, and
//! the list of names in the workspace (`deployment.json`). By hand we keep the same files,
//! so that both can be used in one checkout. A stage runs on a fresh machine and believes
//! other evidence; see `manifest`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A file of this machine as the upload sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalFile {
    /// Relative to the folder that is uploaded, with `/`.
    pub path: String,
    /// Under which name it lies in the workspace.
    pub remote: String,
    pub notebook: bool,
    pub modified: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
struct Known {
    remote: String,
    /// None: it was uploaded from another machine.
    modified: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot(BTreeMap<String, Known>);

/// What an upload does, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileWork {
    pub delete: Vec<String>,
    /// Folders that are empty then, the deepest first.
    pub remove_folders: Vec<String>,
    /// Folders with no other new folder below them: the workspace makes their parents.
    pub make_folders: Vec<String>,
    /// Positions in the list of local files.
    pub upload: Vec<usize>,
}

impl FileWork {
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

impl Snapshot {
    /// A snapshot of names alone: all that `deployment.json` says.
    pub fn of_names(files: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(files.into_iter().map(|(path, remote)| (path, Known { remote, modified: None })).collect())
    }

    pub fn of_files(files: &[LocalFile]) -> Self {
        let known = |f: &LocalFile| Known { remote: f.remote.clone(), modified: Some(f.modified) };
        Self(files.iter().map(|f| (f.path.clone(), known(f))).collect())
    }

    /// The name in the workspace of a file that has not changed since.
    pub fn unchanged(&self, path: &str, modified: Timestamp) -> Option<&str> {
        self.0.get(path).filter(|k| k.modified == Some(modified)).map(|k| k.remote.as_str())
    }

    pub fn work(&self, files: &[LocalFile]) -> FileWork {
        let now: BTreeMap<&str, &LocalFile> = files.iter().map(|f| (f.path.as_str(), f)).collect();
        let kept: BTreeSet<&str> = files.iter().map(|f| f.remote.as_str()).collect();
        let (before, after) = (folders(self.0.keys().map(String::as_str)), folders(now.keys().copied()));
        let mut work = FileWork::default();
        for (path, known) in &self.0 {
            let gone = now.get(path.as_str()).is_none_or(|f| f.remote != known.remote);
            if gone && !kept.contains(known.remote.as_str()) {
                work.delete.push(known.remote.clone());
            }
        }
        work.remove_folders = before.difference(&after).map(|f| (*f).to_owned()).collect();
        work.remove_folders.sort_by(|a, b| depth(b).cmp(&depth(a)).then_with(|| a.cmp(b)));
        let made: Vec<&&str> = after.difference(&before).collect();
        let has_new_child = |f: &str| made.iter().any(|o| o.strip_prefix(f).is_some_and(|rest| rest.starts_with('/')));
        work.make_folders = made.iter().filter(|f| !has_new_child(f)).map(|f| (**f).to_owned()).collect();
        work.upload =
            (0..files.len()).filter(|&i| self.unchanged(&files[i].path, files[i].modified).is_none()).collect();
        work
    }

    /// Reads the file beside the checkout; one that does not read, or is about another
    /// workspace or folder, is no snapshot.
    pub fn parse(bytes: &[u8], host: &str, remote_path: &str) -> Option<Self> {
        let file: SnapshotFile = serde_json::from_slice(bytes).ok()?;
        if file.version != SNAPSHOT_VERSION || file.host != host || file.remote_path != remote_path {
            return None;
        }
        let known = file.local_to_remote_names.into_iter().map(|(path, remote)| {
            let modified = file.last_modified_times.get(&path).and_then(|t| t.parse().ok());
            (path, Known { remote, modified })
        });
        Some(Self(known.collect()))
    }

    pub fn render(&self, host: &str, remote_path: &str) -> Vec<u8> {
        let times = |k: &Known| k.modified.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |t| t.to_string());
        let file = SnapshotFile {
            version: SNAPSHOT_VERSION.to_owned(),
            host: host.to_owned(),
            remote_path: remote_path.to_owned(),
            last_modified_times: self.0.iter().map(|(p, k)| (p.clone(), times(k))).collect(),
            local_to_remote_names: self.0.iter().map(|(p, k)| (p.clone(), k.remote.clone())).collect(),
            remote_to_local_names: self.0.iter().map(|(p, k)| (k.remote.clone(), p.clone())).collect(),
        };
        serde_json::to_vec_pretty(&file).expect("maps of texts are JSON")
    }
}

const SNAPSHOT_VERSION: &str = "v1";

#[derive(Serialize, Deserialize)]
struct SnapshotFile {
    version: String,
    host: String,
    remote_path: String,
    last_modified_times: BTreeMap<String, String>,
    local_to_remote_names: BTreeMap<String, String>,
    remote_to_local_names: BTreeMap<String, String>,
}

/// `deployment.json`: the list of files in the workspace, so that another machine can delete
/// what is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentFile {
    pub version: u64,
    pub seq: u64,
    pub cli_version: String,
    pub timestamp: String,
    #[serde(default, deserialize_with = "null_is_empty", serialize_with = "empty_is_null")]
    pub files: Vec<DeployedFile>,
    #[serde(default)]
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeployedFile {
    pub local_path: String,
    pub is_notebook: bool,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<DeployedFile>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn empty_is_null<S: serde::Serializer>(files: &Vec<DeployedFile>, to: S) -> Result<S::Ok, S::Error> {
    if files.is_empty() { to.serialize_none() } else { files.serialize(to) }
}

impl DeploymentFile {
    pub const VERSION: u64 = 1;

    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of_names(self.files.iter().map(|file| {
            let kind = if file.is_notebook { FileKind::Notebook } else { FileKind::File };
            (file.local_path.clone(), notebook::remote_name(&file.local_path, kind).to_owned())
        }))
    }

    /// Where these files lie below the folder `remote`.
    pub fn addresses(&self, remote: &str) -> Vec<Address> {
        let address = |file: &DeployedFile| {
            let kind = if file.is_notebook { FileKind::Notebook } else { FileKind::File };
            let lies = format!("{remote}/{}", notebook::remote_name(&file.local_path, kind));
            Address { sent: format!("{remote}/{}", file.local_path), lies }
        };
        self.files.iter().map(address).collect()
    }

    /// The next one: what lies in the workspace after this upload.
    pub fn next(before: Option<&Self>, files: &[LocalFile], cli_version: &str, now: Timestamp) -> Self {
        let id = before.map(|b| b.id.clone()).filter(|id| !id.is_empty());
        Self {
            version: Self::VERSION,
            seq: before.map_or(0, |b| b.seq) + 1,
            cli_version: cli_version.to_owned(),
            timestamp: now.to_string(),
            files: files.iter().map(|f| DeployedFile { local_path: f.path.clone(), is_notebook: f.notebook }).collect(),
            id: id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        }
    }
}

use super::put_file::Address;
use crate::bundle::passes::notebook::{self, FileKind};

/// Every folder that the files lie in, without the one they all lie in.
fn folders<'a>(files: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    for file in files {
        let mut rest = file;
        while let Some(at) = rest.rfind('/') {
            rest = &rest[..at];
            all.insert(rest);
        }
    }
    all
}

fn depth(path: &str) -> usize {
    path.matches('/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, at: i64) -> LocalFile {
        let modified = Timestamp::from_second(at).unwrap();
        LocalFile { path: path.to_owned(), remote: path.to_owned(), notebook: false, modified }
    }

    #[test]
    fn only_what_changed_is_sent_and_what_is_gone_is_deleted() {
        let before = [file("a/b/c/f", 1), file("a/d", 1), file("a/e/g", 1), file("z", 1)];
        let after = [file("a/d", 1), file("q/r/s", 1), file("q/t", 1), file("z", 2)];
        let work = Snapshot::of_files(&before).work(&after);
        assert_eq!(work.delete, ["a/b/c/f", "a/e/g"]);
        assert_eq!(work.remove_folders, ["a/b/c", "a/b", "a/e"]);
        assert_eq!(work.make_folders, ["q/r"]);
        assert_eq!(work.upload, [1, 2, 3]);
    }

    #[test]
    fn a_file_that_becomes_a_notebook_moves() {
        let mut now = file("a.py", 2);
        now.remote = "a".to_owned();
        let work = Snapshot::of_files(&[file("a.py", 1)]).work(&[now]);
        assert_eq!((work.delete, work.upload), (vec!["a.py".to_owned()], vec![0]));
    }

    #[test]
    fn a_snapshot_reads_back_as_it_is_written() {
        let snapshot = Snapshot::of_files(&[file("a/d", 1), file("z", 2)]);
        let bytes = snapshot.render("http://h", "/W/files");
        assert_eq!(Snapshot::parse(&bytes, "http://h", "/W/files"), Some(snapshot));
        assert_eq!(Snapshot::parse(&bytes, "http://h", "/W/other"), None);
    }

    #[test]
    fn another_machine_knows_the_names_only() {
        let bytes = br#"{"version":1,"seq":3,"cli_version":"1.14.0","timestamp":"t","id":"i",
            "files":[{"local_path":"n.py","is_notebook":true},{"local_path":"x","is_notebook":false}]}"#;
        let remote: DeploymentFile = serde_json::from_slice(bytes).unwrap();
        let work = remote.snapshot().work(&[file("x", 1)]);
        assert_eq!((work.delete, work.upload), (vec!["n".to_owned()], vec![0]));
        let next = DeploymentFile::next(Some(&remote), &[file("x", 1)], "1", Timestamp::UNIX_EPOCH);
        assert_eq!((next.seq, next.id.as_str()), (4, "i"));
    }
}
