//! Commits and refs of the repository, and how two of them relate.
//!
//! A real graph and not a line: pull requests have a test merge commit, merge queues and merges have two parents, and
//! `diverged` only exists where there is more than one line.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub sha: String,
    pub parents: Vec<String>,
    pub author: String,
    pub message: String,
    pub at: i64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct History {
    commits: BTreeMap<String, Commit>,
    /// `refs/heads/main` and so on.
    refs: BTreeMap<String, String>,
}

/// The answer of a comparison: what `head` has and `base` lacks, oldest first, and the other way around.
pub(super) struct Comparison {
    pub merge_base: String,
    pub ahead: Vec<String>,
    pub behind: usize,
}

impl Comparison {
    pub fn status(&self) -> &'static str {
        match (self.ahead.is_empty(), self.behind) {
            (true, 0) => "identical",
            (false, 0) => "ahead",
            (true, _) => "behind",
            (false, _) => "diverged",
        }
    }
}

impl History {
    /// Adds a commit; its SHA follows from what it says, unless given.
    pub fn commit(
        &mut self,
        sha: Option<String>,
        parents: Vec<String>,
        author: &str,
        message: &str,
        at: i64,
    ) -> String {
        let sha = sha.unwrap_or_else(|| {
            // The count keeps two equal messages apart; the time stays out, so that runs are alike.
            let said = format!("{}\n{parents:?}\n{author}\n{message}", self.commits.len());
            Sha256::digest(said).iter().take(20).map(|byte| format!("{byte:02x}")).collect()
        });
        let commit = Commit { sha: sha.clone(), parents, author: author.to_owned(), message: message.to_owned(), at };
        self.commits.insert(sha.clone(), commit);
        sha
    }

    pub fn get(&self, sha: &str) -> Option<&Commit> {
        self.commits.get(sha)
    }

    pub fn point(&mut self, name: &str, sha: &str) {
        self.refs.insert(name.to_owned(), sha.to_owned());
    }

    pub fn refs(&self) -> &BTreeMap<String, String> {
        &self.refs
    }

    pub fn branch(&self, name: &str) -> Option<&str> {
        self.refs.get(&format!("refs/heads/{name}")).map(String::as_str)
    }

    /// What a branch, a tag, a full ref, a SHA or the beginning of one means.
    pub fn resolve(&self, name: &str) -> Option<&Commit> {
        let named =
            [name.to_owned(), format!("refs/heads/{name}"), format!("refs/tags/{name}"), format!("refs/{name}")];
        if let Some(sha) = named.iter().find_map(|name| self.refs.get(name)) {
            return self.commits.get(sha);
        }
        let hexadecimal = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut found = self.commits.range(name.to_owned()..).take_while(|(sha, _)| sha.starts_with(name));
        match (hexadecimal, found.next(), found.next()) {
            (true, Some((_, commit)), None) => Some(commit),
            _ => None,
        }
    }

    pub fn ancestors(&self, sha: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![sha];
        while let Some(next) = open.pop() {
            if let Some(commit) = self.commits.get(next)
                && seen.insert(commit.sha.as_str())
            {
                open.extend(commit.parents.iter().map(String::as_str));
            }
        }
        seen
    }

    /// None where the two have nothing in common.
    pub fn compare(&self, base: &str, head: &str) -> Option<Comparison> {
        let (of_base, of_head) = (self.ancestors(base), self.ancestors(head));
        let common: BTreeSet<&str> = of_base.intersection(&of_head).copied().collect();
        // The best common ancestor is an ancestor of no other common one.
        let merge_base = common
            .iter()
            .find(|sha| !common.iter().any(|other| other != *sha && self.ancestors(other).contains(**sha)))?;
        Some(Comparison {
            merge_base: (*merge_base).to_owned(),
            ahead: self.oldest_first(head, &of_base),
            behind: of_base.difference(&of_head).count(),
        })
    }

    // Parents before children, the first parent's line first.
    fn oldest_first(&self, head: &str, without: &BTreeSet<&str>) -> Vec<String> {
        let mut order = Vec::new();
        let mut placed = BTreeSet::new();
        let mut open = vec![(head, false)];
        while let Some((sha, parents_placed)) = open.pop() {
            if without.contains(sha) || placed.contains(sha) {
                continue;
            }
            let Some(commit) = self.commits.get(sha) else { continue };
            if parents_placed {
                placed.insert(sha);
                order.push(sha.to_owned());
            } else {
                open.push((sha, true));
                open.extend(commit.parents.iter().rev().map(|parent| (parent.as_str(), false)));
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> (History, Vec<String>) {
        let mut history = History::default();
        let mut shas: Vec<String> = Vec::new();
        for message in ["one", "two", "three"] {
            let parents = shas.last().cloned().into_iter().collect();
            shas.push(history.commit(None, parents, "ana", message, 0));
        }
        history.point("refs/heads/main", &shas[2]);
        (history, shas)
    }

    #[test]
    fn four_ways_two_commits_relate() {
        let (mut history, shas) = line();
        let side = history.commit(None, vec![shas[1].clone()], "ben", "side", 0);
        let status = |base: &str, head: &str| {
            let compared = history.compare(base, head).unwrap();
            (compared.status(), compared.ahead.len(), compared.behind)
        };
        assert_eq!(status(&shas[2], &shas[2]), ("identical", 0, 0));
        assert_eq!(status(&shas[0], &shas[2]), ("ahead", 2, 0));
        assert_eq!(status(&shas[2], &shas[0]), ("behind", 0, 2));
        assert_eq!(status(&shas[2], &side), ("diverged", 1, 1));
        assert_eq!(history.compare(&shas[2], &side).unwrap().merge_base, shas[1]);
    }

    #[test]
    fn commits_of_a_merge_come_parents_first() {
        let (mut history, shas) = line();
        let side = history.commit(None, vec![shas[0].clone()], "ben", "side", 0);
        let merge = history.commit(None, vec![shas[2].clone(), side.clone()], "ana", "merge", 0);
        let ahead = history.compare(&shas[0], &merge).unwrap().ahead;
        assert_eq!(ahead, [shas[1].clone(), shas[2].clone(), side, merge]);
    }

    #[test]
    fn a_name_means_a_branch_before_it_means_a_commit() {
        let (mut history, shas) = line();
        assert_eq!(history.resolve("main").unwrap().sha, shas[2]);
        assert_eq!(history.resolve(&shas[0][..8]).unwrap().sha, shas[0]);
        assert!(history.resolve("nothing").is_none());
        assert!(history.resolve(&shas[0][..4]).is_none());
        history.point("refs/tags/v1", &shas[0]);
        assert_eq!(history.resolve("v1").unwrap().sha, shas[0]);
        let stranger = history.commit(None, vec![], "eve", "unrelated", 0);
        assert!(history.compare(&shas[0], &stranger).is_none());
    }
}
