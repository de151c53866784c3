//! A release: what dev packed, and every later stage deploys byte for byte.
//!
//! Its name is the digest of its manifest, and the manifest has the digest of every file: who
//! knows the id knows the content. What differs between two machines (folder, owner, times,
//! umask) is not in it, so that the same tree packed twice has the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canonical;
use super::digest::Digest;

const VERSION: u32 = 1;

/// The digest of a release's manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseId(pub Digest);

impl ReleaseId {
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(Self)
    }

    /// How its archive is called wherever it is kept.
    pub fn file_name(&self) -> String {
        format!("{}.tar.gz", self.0.hex())
    }

    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the repository said when the release was packed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    pub commit: Option<String>,
    pub branch: Option<String>,
    pub origin: Option<String>,
}

/// Which engine read the bundle, of which version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reader {
    pub name: String,
    pub version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    #[serde(rename = "644")]
    Plain,
    #[serde(rename = "755")]
    Executable,
}

impl Mode {
    pub fn bits(self) -> u32 {
        match self {
            Mode::Plain => 0o644,
            Mode::Executable => 0o755,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub path: String,
    pub mode: Mode,
    pub size: u64,
    pub sha256: Digest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub version: u32,
    pub bundle: String,
    /// The folder of the databricks.yml among the files; `.` for their root.
    pub bundle_path: String,
    /// Absent where there was no repository.
    pub source: Option<Commit>,
    pub engine: Reader,
    /// The resolved configuration of each target that an environment has.
    pub targets: BTreeMap<String, Value>,
    /// Sorted by path.
    pub files: Vec<Entry>,
}

/// Why a manifest is none that may be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    Unreadable(String),
    Version(u64),
    /// A name that could lead somewhere else, or that two files would share.
    Name(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Unreadable(why) => write!(f, "its manifest cannot be read: {why}"),
            Unfit::Version(version) => {
                write!(f, "its manifest has version {version}; this program knows {VERSION}")
            }
            Unfit::Name(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Unfit {}

impl Manifest {
    /// `files` in any order.
    pub fn new(
        bundle: String,
        bundle_path: String,
        source: Option<Commit>,
        engine: Reader,
        targets: BTreeMap<String, Value>,
        mut files: Vec<Entry>,
    ) -> Result<Self, Unfit> {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = Self { version: VERSION, bundle, bundle_path, source, engine, targets, files };
        manifest.check()?;
        Ok(manifest)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::bytes(self)
    }

    pub fn id(&self) -> ReleaseId {
        ReleaseId(Digest::of(&self.to_bytes()))
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, Unfit> {
        let unreadable = |e: serde_json::Error| Unfit::Unreadable(e.to_string());
        let version = serde_json::from_slice::<Value>(bytes).map_err(unreadable)?["version"].as_u64();
        match version {
            Some(version) if version == u64::from(VERSION) => {}
            other => return Err(Unfit::Version(other.unwrap_or_default())),
        }
        let manifest: Self = canonical::read(bytes).map_err(Unfit::Unreadable)?;
        manifest.check()?;
        Ok(manifest)
    }

    pub fn commit(&self) -> Option<&str> {
        self.source.as_ref()?.commit.as_deref()
    }

    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    pub fn entry(&self, path: &str) -> Option<&Entry> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[at])
    }

    /// Every name leads below the folder that it is unpacked into, and is that of one file on
    /// every file system.
    fn check(&self) -> Result<(), Unfit> {
        if self.bundle_path != "." {
            safe(&self.bundle_path)?;
        }
        let mut files = BTreeSet::new();
        let mut folders: BTreeMap<String, &str> = BTreeMap::new();
        let mut before: Option<&str> = None;
        for Entry { path, .. } in &self.files {
            safe(path)?;
            if before.is_some_and(|before| before >= path.as_str()) {
                return Err(Unfit::Name(format!("`{path}` is there twice, or not in its place")));
            }
            before = Some(path);
            if !files.insert(path.to_lowercase()) {
                return Err(Unfit::Name(format!("`{path}` and another file differ by the case of letters only")));
            }
            for (at, _) in path.match_indices('/') {
                let folder = &path[..at];
                let spelt = folders.entry(folder.to_lowercase()).or_insert(folder);
                if *spelt != folder {
                    let why = format!("the folders `{spelt}` and `{folder}` differ by the case of letters only");
                    return Err(Unfit::Name(why));
                }
            }
        }
        match files.iter().find(|file| folders.contains_key(*file)) {
            Some(both) => Err(Unfit::Name(format!("`{both}` is a file and a folder"))),
            None => Ok(()),
        }
    }
}

/// Whether a name stays below the folder that it is relative to.
fn safe(path: &str) -> Result<(), Unfit> {
    let why = if path.is_empty() || path.len() > 4_000 {
        "has no length that a name may have"
    } else if path.starts_with('/') {
        "is absolute"
    } else if path.chars().any(|c| c.is_control() || c == '\\') {
        "holds a character that no name should"
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "does not lead straight down"
    } else {
        return Ok(());
    };
    let shown: String = path.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    Err(Unfit::Name(format!("the name `{shown}` {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(paths: &[&str]) -> Result<Manifest, Unfit> {
        let entry = |path: &&str| Entry {
            path: (*path).to_owned(),
            mode: Mode::Plain,
            size: 1,
            sha256: Digest::of(path.as_bytes()),
        };
        let engine = Reader { name: "embedded".into(), version: "1".into() };
        let files = paths.iter().map(entry).collect();
        Manifest::new("churn".into(), ".".into(), None, engine, BTreeMap::new(), files)
    }

    #[test]
    fn the_order_of_files_does_not_make_the_id() {
        let one = manifest(&["b/c", "a"]).unwrap();
        assert_eq!(one.id(), manifest(&["a", "b/c"]).unwrap().id());
        assert_ne!(one.id(), manifest(&["a"]).unwrap().id());
        assert_eq!(Manifest::parse(&one.to_bytes()).unwrap(), one);
        assert_eq!(one.entry("b/c").unwrap().path, "b/c");
        assert_eq!(one.entry("b"), None);
    }

    #[test]
    fn no_name_leads_anywhere_else() {
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/.", "a\0b", "a\nb", "a\\b", "a/"] {
            assert!(matches!(manifest(&[bad]), Err(Unfit::Name(_))), "{bad:?}");
        }
        for bad in [&["a", "A"][..], &["a", "a"], &["a", "a/b"], &["A", "a/b"], &["src/x", "SRC/y"]] {
            assert!(matches!(manifest(bad), Err(Unfit::Name(_))), "{bad:?}");
        }
        for good in [&["..a", "a..", ".gitignore", "a b/ü.py"][..], &["src/x", "src/y"]] {
            manifest(good).unwrap();
        }
    }

    #[test]
    fn a_manifest_is_read_only_as_it_is_written() {
        let text = String::from_utf8(manifest(&["a"]).unwrap().to_bytes()).unwrap();
        let parse = |text: &str| Manifest::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(parse(&text.replace(':', ": ")), Unfit::Unreadable(_)));
        assert_eq!(parse(&text.replace("\"version\":1}", "\"version\":2}")), Unfit::Version(2));
        assert!(matches!(parse("{"), Unfit::Unreadable(_)));
    }
}
