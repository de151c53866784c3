//! What was deployed to an environment: a chain of records, each with the digest of the one
//! before it.
//!
//! Who changes, removes, reorders or inserts a record breaks the chain behind it. Who can
//! write the whole chain anew, or cut off its end, is found out by the next tier, whose
//! records hold the digest that this chain's head had when they were written.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canonical;
use super::digest::Digest;
use super::release::ReleaseId;

pub const VERSION: u32 = 1;

/// Where a chain stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub sequence: u64,
    pub digest: Digest,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}, {}", self.sequence, self.digest)
    }
}

/// The archive of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    pub sha256: Digest,
    pub size: u64,
}

/// Who did it, and where that can be looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    /// The principal that the workspace knows.
    pub principal: String,
    pub repository: String,
    pub run_id: String,
    pub attempt: u32,
    pub job: String,
    pub event: String,
    pub url: String,
}

/// One deployment that succeeded. What only some stages have to say stands in `details`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub version: u32,
    /// From 1, without a gap.
    pub sequence: u64,
    /// Absent for the first.
    pub previous: Option<Digest>,
    /// RFC 3339, UTC.
    pub at: String,
    pub environment: String,
    pub bundle: String,
    pub target: String,
    pub stage: String,
    pub release: ReleaseId,
    pub archive: Option<Archive>,
    pub commit: String,
    /// The release was older than the deployed one, and `allow-older` let it pass.
    pub older: bool,
    pub plan_digest: String,
    /// How many resources were created, updated, deleted, recreated.
    pub changes: BTreeMap<String, u64>,
    pub by: By,
    /// The heads of earlier tiers' chains, as they were seen.
    pub seen: BTreeMap<String, Head>,
    pub details: BTreeMap<String, Value>,
    /// Of the program that wrote it.
    pub program: String,
}

impl Record {
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::bytes(self)
    }

    pub fn head(&self) -> Head {
        Head { sequence: self.sequence, digest: Digest::of(&self.to_bytes()) }
    }

    /// The same, as the one behind `head`.
    pub fn behind(mut self, head: Option<Head>) -> Self {
        self.sequence = head.map_or(1, |head| head.sequence + 1);
        self.previous = head.map(|head| head.digest);
        self
    }
}

/// `00000042.json`: so that a list in the order of names is in the order of time.
pub fn file_name(sequence: u64) -> String {
    format!("{sequence:08}.json")
}

pub fn sequence_of(file_name: &str) -> Option<u64> {
    let sequence = file_name.strip_suffix(".json")?.parse().ok()?;
    (self::file_name(sequence) == file_name).then_some(sequence)
}

/// A chain that holds: every record follows from the one before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    records: Vec<Record>,
    heads: Vec<Head>,
}

/// Where a chain does not hold, in words that name the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

impl Chain {
    /// Files by the sequence in their names, in any order.
    pub fn verify(environment: &str, files: &BTreeMap<u64, Vec<u8>>) -> Result<Self, Broken> {
        let mut chain = Self::default();
        for (sequence, bytes) in files {
            let expected = chain.records.len() as u64 + 1;
            if *sequence != expected {
                let which = if *sequence < expected { sequence } else { &expected };
                return Err(Broken(format!("record {which} is missing: the next one there is record {sequence}")));
            }
            let record: Record = canonical::read(bytes)
                .map_err(|why| Broken(format!("record {sequence} was changed: it cannot be read: {why}")))?;
            if record.sequence != *sequence {
                let why = format!("record {sequence} lies in the place of another: it says it is {}", record.sequence);
                return Err(Broken(why));
            }
            if record.environment != environment {
                let why = format!("record {sequence} is one of `{}`, not of `{environment}`", record.environment);
                return Err(Broken(why));
            }
            if record.previous != chain.head().map(|head| head.digest) {
                let before = sequence.saturating_sub(1);
                let why = format!(
                    "record {before} is not the one that record {sequence} was written behind: \
                     one of them was changed, moved, inserted or put in another's place"
                );
                return Err(Broken(why));
            }
            chain.heads.push(Head { sequence: *sequence, digest: Digest::of(bytes) });
            chain.records.push(record);
        }
        Ok(chain)
    }

    pub fn records(&self) -> &[Record] {
        &self.records
    }

    pub fn head(&self) -> Option<Head> {
        self.heads.last().copied()
    }

    pub fn last(&self) -> Option<&Record> {
        self.records.last()
    }

    pub fn digest_of(&self, sequence: u64) -> Option<Digest> {
        self.heads.get(usize::try_from(sequence.checked_sub(1)?).ok()?).map(|head| head.digest)
    }

    /// The newest record of a release.
    pub fn of_release(&self, release: ReleaseId) -> Option<&Record> {
        self.records.iter().rev().find(|record| record.release == release)
    }

    /// What a later tier has seen of this chain must still be in it.
    pub fn seen_by(&self, environment: &str, later: &Chain) -> Result<(), Broken> {
        for record in &later.records {
            let Some(seen) = record.seen.get(environment) else { continue };
            let witness = format!("record {} of `{}` has seen", record.sequence, record.environment);
            match self.digest_of(seen.sequence) {
                Some(digest) if digest == seen.digest => {}
                Some(_) => {
                    let why = format!("record {} is another than the one that {witness}", seen.sequence);
                    return Err(Broken(why));
                }
                None => return Err(Broken(format!("record {} is missing: {witness} it", seen.sequence))),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(environment: &str, release: &str) -> Record {
        Record {
            version: VERSION,
            sequence: 0,
            previous: None,
            at: "2026-11-25T10:00:00Z".into(),
            environment: environment.into(),
            bundle: "churn".into(),
            target: environment.into(),
            stage: "deploy-dev".into(),
            release: ReleaseId(Digest::of(release.as_bytes())),
            archive: None,
            commit: "c".into(),
            older: false,
            plan_digest: String::new(),
            changes: BTreeMap::new(),
            by: By::default(),
            seen: BTreeMap::new(),
            details: BTreeMap::new(),
            program: "0.1.0".into(),
        }
    }

    fn chain_of(environment: &str, releases: &[&str]) -> BTreeMap<u64, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut head = None;
        for release in releases {
            let next = record(environment, release).behind(head);
            head = Some(next.head());
            files.insert(next.sequence, next.to_bytes());
        }
        files
    }

    fn broken(files: &BTreeMap<u64, Vec<u8>>) -> String {
        Chain::verify("dev", files).unwrap_err().0
    }

    #[test]
    fn a_chain_that_nobody_touched_holds() {
        let chain = Chain::verify("dev", &chain_of("dev", &["a", "b", "a"])).unwrap();
        assert_eq!(chain.records().len(), 3);
        assert_eq!(chain.head().unwrap(), chain.last().unwrap().head());
        assert_eq!(chain.of_release(ReleaseId(Digest::of(b"a"))).unwrap().sequence, 3);
        assert_eq!(Chain::verify("dev", &BTreeMap::new()).unwrap().head(), None);
    }

    #[test]
    fn whatever_is_done_to_a_chain_is_found_and_named() {
        let whole = chain_of("dev", &["a", "b", "c", "d"]);
        type Files = BTreeMap<u64, Vec<u8>>;
        let with = |edit: &dyn Fn(&mut Files)| {
            let mut files = whole.clone();
            edit(&mut files);
            broken(&files)
        };
        let changed = with(&|f| {
            let text = String::from_utf8(f[&2].clone()).unwrap().replace("10:00", "11:00");
            f.insert(2, text.into_bytes());
        });
        assert!(changed.starts_with("record 2 is not the one that record 3"), "{changed}");
        let flipped = with(&|f| f.get_mut(&2).unwrap()[0] ^= 1);
        assert!(flipped.starts_with("record 2 was changed"), "{flipped}");
        let removed = with(&|f| drop(f.remove(&2)));
        assert_eq!(removed, "record 2 is missing: the next one there is record 3");
        let first = with(&|f| drop(f.remove(&1)));
        assert_eq!(first, "record 1 is missing: the next one there is record 2");
        let swapped = with(&|f| {
            let (two, three) = (f[&2].clone(), f[&3].clone());
            f.extend([(2, three), (3, two)]);
        });
        assert_eq!(swapped, "record 2 lies in the place of another: it says it is 3");
        let inserted = with(&|f| {
            let forged = record("dev", "x")
                .behind(Some(Chain::verify("dev", &chain_of("dev", &["a"])).unwrap().head().unwrap()));
            f.insert(2, forged.to_bytes());
        });
        assert!(inserted.starts_with("record 2 is not the one that record 3"), "{inserted}");
        let other = Chain::verify("staging", &whole).unwrap_err().0;
        assert_eq!(other, "record 1 is one of `dev`, not of `staging`");
    }

    #[test]
    fn a_cut_end_and_a_new_chain_are_found_by_the_next_tier() {
        let dev = chain_of("dev", &["a", "b", "c"]);
        let head = Chain::verify("dev", &dev).unwrap().head().unwrap();
        let mut witness = record("staging", "c");
        witness.seen.insert("dev".into(), head);
        let witness = witness.behind(None);
        let staging = Chain::verify("staging", &BTreeMap::from([(1, witness.to_bytes())])).unwrap();
        let seen = |files: &BTreeMap<u64, Vec<u8>>| Chain::verify("dev", files).unwrap().seen_by("dev", &staging);
        assert_eq!(seen(&dev), Ok(()));
        let cut = seen(&chain_of("dev", &["a", "b"])).unwrap_err().0;
        assert_eq!(cut, "record 3 is missing: record 1 of `staging` has seen it");
        let forged = seen(&chain_of("dev", &["a", "b", "x"])).unwrap_err().0;
        assert_eq!(forged, "record 3 is another than the one that record 1 of `staging` has seen");
    }

    #[test]
    fn a_records_file_says_its_place() {
        assert_eq!(file_name(42), "00000042.json");
        assert_eq!(sequence_of("00000042.json"), Some(42));
        assert_eq!(sequence_of("100000000.json"), Some(100_000_000));
        for bad in ["42.json", "00000042", "x.json", "-0000042.json", "00000042.json.tmp"] {
            assert_eq!(sequence_of(bad), None, "{bad}");
        }
    }
}
