//! Which files of a folder are not what `HEAD` has of them.
//!
//! As git does it: a file whose size and time are those of the index is the index's, and only
//! the others are read. Against the commit and not the index, because what is staged is not committed either.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use super::Repository;
use super::objects::{self, Folder, Id, Objects};

impl Repository {
    /// Of `files`, by their names in the work tree. None where the commit cannot be read.
    pub fn uncommitted(&self, files: &BTreeMap<String, PathBuf>) -> io::Result<Option<Vec<String>>> {
        let Some(head) = self.head()?.commit.as_deref().and_then(objects::id) else { return Ok(None) };
        let objects = Objects::open(&self.common)?;
        let Some([root]) = objects.of_commit(&head, "tree")?.as_deref().and_then(<[Id]>::first_chunk).copied() else {
            return Ok(None);
        };
        let mut committed = Committed { objects, folders: HashMap::new(), root };
        let index = Index::read(&self.git.join("index"))?;
        let mut found = Vec::new();
        for (name, path) in files {
            let was = match committed.file(name)? {
                Was::Unreadable => return Ok(None),
                Was::Elsewhere => continue,
                Was::Absent => None,
                Was::File(id) => Some(id),
            };
            let Some(was) = was else {
                found.push(name.clone());
                continue;
            };
            let now = match index.unchanged(name, path)? {
                Some(id) => id,
                None => blob(path)?,
            };
            if now != was {
                found.push(name.clone());
            }
        }
        Ok(Some(found))
    }
}

enum Was {
    File(Id),
    Absent,
    /// A link, or a file of another repository: its content is not this one's to tell.
    Elsewhere,
    Unreadable,
}

struct Committed {
    objects: Objects,
    folders: HashMap<Id, Option<Folder>>,
    root: Id,
}

impl Committed {
    fn file(&mut self, name: &str) -> io::Result<Was> {
        let mut at = self.root;
        let mut parts = name.split('/').peekable();
        while let Some(part) = parts.next() {
            if !self.folders.contains_key(&at) {
                self.folders.insert(at, self.objects.folder(&at)?);
            }
            let Some(folder) = self.folders.get(&at).and_then(Option::as_ref) else { return Ok(Was::Unreadable) };
            let Some((mode, id)) = folder.get(part.as_bytes()) else { return Ok(Was::Absent) };
            match (mode.as_slice(), parts.peek()) {
                (b"40000", Some(_)) => at = *id,
                (b"100644" | b"100755" | b"100664", None) => return Ok(Was::File(*id)),
                (b"120000" | b"160000", _) => return Ok(Was::Elsewhere),
                _ => return Ok(Was::Absent),
            }
        }
        Ok(Was::Absent)
    }
}

/// As git names a file's content.
fn blob(path: &Path) -> io::Result<Id> {
    let mut file = File::open(path)?;
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", file.metadata()?.len()).as_bytes());
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&piece[..read]),
        }
    }
}

#[derive(Clone, Copy)]
struct Seen {
    seconds: u32,
    nanos: u32,
    size: u32,
    id: Id,
}

/// What git last saw of each file; empty where it is in a format that we do not read, and then every file is.
#[derive(Default)]
struct Index {
    seen: HashMap<Vec<u8>, Seen>,
    /// When it was written: a file of that moment may have been changed behind it.
    written: (i64, i64),
}

impl Index {
    fn read(path: &Path) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let written = fs::metadata(path)?;
        let seen = entries(&bytes).unwrap_or_default();
        Ok(Self { seen, written: (written.mtime(), written.mtime_nsec()) })
    }

    /// The content that the index has, where the file is still the one that it saw.
    fn unchanged(&self, name: &str, path: &Path) -> io::Result<Option<Id>> {
        let Some(seen) = self.seen.get(name.as_bytes()) else { return Ok(None) };
        let now = fs::metadata(path)?;
        let time = (i64::from(seen.seconds), i64::from(seen.nanos));
        let same = time == (now.mtime(), now.mtime_nsec()) && u64::from(seen.size) == now.size();
        Ok((same && time < self.written).then_some(seen.id))
    }
}

fn entries(bytes: &[u8]) -> Option<HashMap<Vec<u8>, Seen>> {
    let word = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let version = word(4).filter(|version| bytes.starts_with(b"DIRC") && (2..=4).contains(version))?;
    let mut seen = HashMap::new();
    let mut name: Vec<u8> = Vec::new();
    let mut at = 12;
    for _ in 0..word(8)? {
        let entry = Seen {
            seconds: word(at + 8)?,
            nanos: word(at + 12)?,
            size: word(at + 36)?,
            id: *bytes.get(at + 40..)?.first_chunk()?,
        };
        let flags = u16::from_be_bytes(*bytes.get(at + 60..)?.first_chunk()?);
        let begin = at + if version >= 3 && flags & 0x4000 != 0 { 64 } else { 62 };
        let mut rest = bytes.get(begin..)?;
        if version == 4 {
            // So many bytes of the name before are not this one's.
            let cut = objects::distance(&mut rest).and_then(|cut| usize::try_from(cut).ok())?;
            name.truncate(name.len().checked_sub(cut)?);
        } else {
            name.clear();
        }
        let end = rest.iter().position(|byte| *byte == 0)?;
        name.extend_from_slice(&rest[..end]);
        let after = bytes.len() - rest.len() + end;
        at = if version == 4 { after + 1 } else { at + (after - at + 8) / 8 * 8 };
        // Of a merge that stopped there are several, and none counts.
        if flags & 0x3000 == 0 {
            seen.insert(name.clone(), entry);
        }
    }
    Some(seen)
}
