//! What a model version consists of: each file's digest, size and path, in one canonical text.
//!
//! Lines `sha256  size  path`, sorted by path, each ended by a newline; the SHA-256 of that text
//! stands for the whole version. An object's ETag does not: for the same bytes it changes with
//! the size of the parts they were uploaded in.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub sha256: String,
    pub size: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest(pub BTreeMap<String, Entry>);

impl Manifest {
    pub fn text(&self) -> String {
        self.0.iter().map(|(path, entry)| format!("{}  {}  {path}\n", entry.sha256, entry.size)).collect()
    }

    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.text()))
    }

    pub fn bytes(&self) -> u64 {
        self.0.values().map(|entry| entry.size).sum()
    }

    /// Where `other` differs: missing, extra, another size, other bytes.
    pub fn differences(&self, other: &Manifest) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut differs = |path: &str, what: String| found.push(Difference { path: Some(path.to_owned()), what });
        for (path, entry) in &self.0 {
            match other.0.get(path) {
                None => differs(path, "is missing".to_owned()),
                Some(there) if there.size != entry.size => {
                    differs(path, format!("has {} bytes and not {}", there.size, entry.size));
                }
                Some(there) if there.sha256 != entry.sha256 => differs(path, "has other bytes".to_owned()),
                Some(_) => {}
            }
        }
        for path in other.0.keys().filter(|path| !self.0.contains_key(*path)) {
            differs(path, "is there and should not be".to_owned());
        }
        found
    }
}

/// One way in which two manifests are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of one file, or of the whole.
    pub path: Option<String>,
    pub what: String,
}

impl Difference {
    pub fn on_second_reading(mut self) -> Self {
        self.what.push_str(" when the original is read again");
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{path} {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(files: &[(&str, &str, u64)]) -> Manifest {
        let entry = |sha: &str, size| Entry { sha256: sha.to_owned(), size };
        Manifest(files.iter().map(|(path, sha, size)| ((*path).to_owned(), entry(sha, *size))).collect())
    }

    #[test]
    fn the_text_is_sorted_whatever_the_order_of_arrival() {
        let one = manifest(&[("b/c", "22", 2), ("MLmodel", "11", 1)]);
        let two = manifest(&[("MLmodel", "11", 1), ("b/c", "22", 2)]);
        assert_eq!(one.text(), "11  1  MLmodel\n22  2  b/c\n");
        assert_eq!(one.digest(), two.digest());
        assert_eq!((one.bytes(), one.digest().len()), (3, 64));
    }

    #[test]
    fn every_way_to_differ_is_named() {
        let source = manifest(&[("a", "11", 1), ("b", "22", 2), ("c", "33", 3), ("d", "44", 4)]);
        let copy = manifest(&[("a", "11", 1), ("b", "99", 2), ("c", "33", 4), ("e", "55", 5)]);
        assert_eq!(
            source.differences(&copy).iter().map(Difference::to_string).collect::<Vec<_>>(),
            ["b has other bytes", "c has 4 bytes and not 3", "d is missing", "e is there and should not be"]
        );
        assert!(source.differences(&source).is_empty());
    }
}
