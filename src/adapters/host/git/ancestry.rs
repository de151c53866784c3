//! How two commits relate, as far as the checkout's own history tells.
//!
//! Both are followed back at once: mostly one is a few steps behind the other, and found
//! before anything else is read. What a shallow clone has not fetched is not known.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;

use async_trait::async_trait;

use super::Repository;
use super::objects::{self, Id, Objects};
use crate::ports::History;
use crate::ports::github::Ancestry;

/// More commits are not followed: that would take longer than asking a person.
const COMMITS: usize = 50_000;

#[async_trait]
impl History for Repository {
    async fn compare(&self, base: &str, head: &str) -> Ancestry {
        let repository = Arc::new(self.clone());
        let (base, head) = (base.to_owned(), head.to_owned());
        let compared = tokio::task::spawn_blocking(move || repository.relation(&base, &head)).await;
        // A repository that cannot be read says nothing, which is no reason to stop.
        compared.ok().and_then(Result::ok).unwrap_or(Ancestry::Unknown)
    }
}

impl Repository {
    pub fn relation(&self, base: &str, head: &str) -> io::Result<Ancestry> {
        let (Some(base), Some(head)) = (objects::id(base), objects::id(head)) else { return Ok(Ancestry::Unknown) };
        if base == head {
            return Ok(Ancestry::Identical);
        }
        let shallow = super::read(&self.common.join("shallow"))?.unwrap_or_default();
        let ends: HashSet<Id> = shallow.lines().filter_map(|line| objects::id(line.trim())).collect();
        let objects = Objects::open(&self.common)?;
        let mut from_head = Walk::from(head);
        let mut from_base = Walk::from(base);
        loop {
            let steps = (from_head.step(&objects, &ends)?, from_base.step(&objects, &ends)?);
            if from_head.seen.contains(&base) {
                return Ok(Ancestry::Ahead);
            }
            if from_base.seen.contains(&head) {
                return Ok(Ancestry::Behind);
            }
            if from_head.seen.len() + from_base.seen.len() > COMMITS {
                return Ok(Ancestry::Unknown);
            }
            if steps == (false, false) {
                // HEAD's whole history lacks BASE: there is something that it does not have.
                return Ok(if from_head.whole { Ancestry::Diverged } else { Ancestry::Unknown });
            }
        }
    }
}

struct Walk {
    seen: HashSet<Id>,
    next: VecDeque<Id>,
    /// Nothing on the way was missing.
    whole: bool,
}

impl Walk {
    fn from(commit: Id) -> Self {
        Self { seen: HashSet::from([commit]), next: VecDeque::from([commit]), whole: true }
    }

    /// Whether there is more to follow.
    fn step(&mut self, objects: &Objects, ends: &HashSet<Id>) -> io::Result<bool> {
        let Some(commit) = self.next.pop_front() else { return Ok(false) };
        match objects.of_commit(&commit, "parent")? {
            Some(_) | None if ends.contains(&commit) => self.whole = false,
            Some(parents) => self.next.extend(parents.into_iter().filter(|parent| self.seen.insert(*parent))),
            None => self.whole = false,
        }
        Ok(true)
    }
}
