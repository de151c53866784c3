//! What lies in the workspace and who put it there: an upload is skipped only on evidence.
//!
//! The manifest remembers each file's digest together with the time of modification and the
//! size that the workspace answered after the upload. It is believed for a file only if a
//! fresh listing answers the same; a file that was edited or deleted in the workspace is
//! restored. The official command neither reads nor writes it.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::put_file::{Address, Before};
use super::workspace_files::{Object, WorkspaceFiles};
use crate::domain::Failure;

const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    pub sha256: String,
    /// As it is sent; differs from its key for a notebook.
    pub sent: String,
    pub modified_at: Option<i64>,
    pub size: Option<i64>,
}

/// By absolute path in the workspace, as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    pub files: BTreeMap<String, Known>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self { version: VERSION, files: BTreeMap::new() }
    }
}

/// A file as it should lie in the workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub address: Address,
    pub sha256: String,
}

/// What an upload has to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    /// Positions in the list of wanted files.
    pub put: Vec<(usize, Before)>,
    pub delete: Vec<Address>,
    pub unchanged: usize,
}

impl Work {
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.delete.is_empty()
    }
}

pub type Listing = BTreeMap<String, Object>;

impl Manifest {
    /// One of another version, or that cannot be read, is no evidence.
    pub fn parse(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).ok().filter(|m: &Self| m.version == VERSION).unwrap_or_default()
    }

    pub fn render(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest is JSON")
    }

    /// `managed` are files that an earlier deployment put there, by whichever engine: only
    /// those are deleted when the bundle no longer has them.
    pub fn work(&self, wanted: &[Wanted], listing: &Listing, managed: &[Address]) -> Work {
        let mut work = Work::default();
        let kept: BTreeSet<&str> = wanted.iter().map(|w| w.address.lies.as_str()).collect();
        for (i, file) in wanted.iter().enumerate() {
            match listing.get(&file.address.lies) {
                None => work.put.push((i, Before::Absent)),
                Some(live) if self.proves(file, live) => work.unchanged += 1,
                Some(_) => work.put.push((i, Before::Unknown)),
            }
        }
        let ours = self.files.iter().map(|(lies, k)| Address { sent: k.sent.clone(), lies: lies.clone() });
        let mut seen = BTreeSet::new();
        for address in ours.chain(managed.iter().cloned()) {
            let gone = !kept.contains(address.lies.as_str()) && listing.contains_key(&address.lies);
            if gone && seen.insert(address.lies.clone()) {
                work.delete.push(address);
            }
        }
        work
    }

    fn proves(&self, file: &Wanted, live: &Object) -> bool {
        self.files.get(&file.address.lies).is_some_and(|known| {
            known.sha256 == file.sha256
                && known.sent == file.address.sent
                && known.modified_at.is_some()
                && known.modified_at == live.modified_at
                && known.size == live.size
        })
    }

    /// What is true once every wanted file lies there, by a listing made after the upload.
    pub fn of(wanted: &[Wanted], listing: &Listing) -> Self {
        let known = wanted.iter().filter_map(|file| {
            let live = listing.get(&file.address.lies)?;
            let (sha256, sent) = (file.sha256.clone(), file.address.sent.clone());
            let known = Known { sha256, sent, modified_at: live.modified_at, size: live.size };
            Some((file.address.lies.clone(), known))
        });
        Self { version: VERSION, files: known.collect() }
    }
}

pub fn manifest_path(root_path: &str) -> String {
    format!("{root_path}/.mlops-deploy/manifest.json")
}

pub async fn read(files: &WorkspaceFiles, root_path: &str) -> Result<Manifest, Failure> {
    let path = manifest_path(root_path);
    let bytes = files.read(&path).await.map_err(|e| e.into_failure(format!("read {path}")))?;
    Ok(bytes.map(|b| Manifest::parse(&b)).unwrap_or_default())
}

/// Everything but folders below `folder`, a few folders at a time.
pub async fn list(files: &WorkspaceFiles, folder: &str) -> Result<Listing, Failure> {
    const AT_ONCE: usize = 8;
    let mut listing = Listing::new();
    let mut folders = vec![folder.to_owned()];
    while !folders.is_empty() {
        let found: Vec<Vec<Object>> = stream::iter(std::mem::take(&mut folders))
            .map(|folder| async move {
                let objects = files.list(&folder).await;
                objects.map(Option::unwrap_or_default).map_err(|e| e.into_failure(format!("list {folder}")))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for object in found.into_iter().flatten() {
            if object.kind == "DIRECTORY" {
                folders.push(object.path);
            } else {
                listing.insert(object.path.clone(), object);
            }
        }
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(path: &str, sha256: &str) -> Wanted {
        Wanted { address: Address::plain(path), sha256: sha256.to_owned() }
    }

    fn listing(files: &[(&str, i64)]) -> Listing {
        let object = |path: &str, at: i64| Object {
            path: path.to_owned(),
            kind: "FILE".to_owned(),
            id: 1,
            modified_at: Some(at),
            size: Some(1),
        };
        files.iter().map(|(path, at)| ((*path).to_owned(), object(path, *at))).collect()
    }

    #[test]
    fn a_file_is_skipped_only_while_the_workspace_answers_as_it_did_after_the_upload() {
        let files = [wanted("/f/a", "1"), wanted("/f/b", "2")];
        let manifest = Manifest::of(&files, &listing(&[("/f/a", 5), ("/f/b", 6)]));
        let same = manifest.work(&files, &listing(&[("/f/a", 5), ("/f/b", 6)]), &[]);
        assert!(same.is_empty());
        assert_eq!(same.unchanged, 2);
        let edited = manifest.work(&files, &listing(&[("/f/a", 9), ("/f/b", 6)]), &[]);
        assert_eq!(edited.put, [(0, Before::Unknown)]);
        let deleted = manifest.work(&files, &listing(&[("/f/b", 6)]), &[]);
        assert_eq!(deleted.put, [(0, Before::Absent)]);
        let changed =
            manifest.work(&[wanted("/f/a", "new"), wanted("/f/b", "2")], &listing(&[("/f/a", 5), ("/f/b", 6)]), &[]);
        assert_eq!(changed.put, [(0, Before::Unknown)]);
    }

    #[test]
    fn only_files_that_a_deployment_put_there_are_deleted() {
        let manifest = Manifest::of(&[wanted("/f/old", "1")], &listing(&[("/f/old", 5)]));
        let live = listing(&[("/f/old", 5), ("/f/by-the-cli", 5), ("/f/somebodys", 5)]);
        let managed = [Address::plain("/f/by-the-cli"), Address::plain("/f/already-gone")];
        let work = manifest.work(&[], &live, &managed);
        assert_eq!(work.delete, [Address::plain("/f/old"), Address::plain("/f/by-the-cli")]);
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_no_evidence() {
        assert_eq!(Manifest::parse(b"{\"version\":9,\"files\":{}}"), Manifest::default());
        assert_eq!(Manifest::parse(b"torn"), Manifest::default());
        let manifest = Manifest::of(&[wanted("/f/a", "1")], &listing(&[("/f/a", 5)]));
        assert_eq!(Manifest::parse(&manifest.render()), manifest);
    }
}
