//! May we? One rule a file: facts in, a verdict out, no reading and no writing.
//!
//! A phase asks all its rules and shows every answer; the first refusal ends it.

pub mod as_packed;
pub mod as_promised;
pub mod canary_is_well;
pub mod candidate_answers;
pub mod deployed_before;
pub mod endpoint_serves;
pub mod gate;
pub mod host_allowed;
pub mod job_passed;
pub mod may_carry_on;
pub mod may_keep_books;
pub mod may_promote;
pub mod not_older;
pub mod not_older_release;
pub mod one_catalog;
pub mod one_clock;
pub mod one_owner;
pub mod plan_principal;
pub mod tests_its_version;
pub mod trained_from;
pub mod trusted_event;

use crate::domain::Failure;

/// A rule's answer.
#[derive(Debug)]
pub struct Verdict {
    pub rule: &'static str,
    /// What was found good, or why we may not.
    pub answer: Result<String, Failure>,
}

impl Verdict {
    pub fn yes(rule: &'static str, why: impl Into<String>) -> Self {
        Self { rule, answer: Ok(why.into()) }
    }

    pub fn no(rule: &'static str, failure: Failure) -> Self {
        Self { rule, answer: Err(failure) }
    }

    pub fn passed(&self) -> bool {
        self.answer.is_ok()
    }

    pub fn message(&self) -> String {
        match &self.answer {
            Ok(why) => why.clone(),
            Err(failure) => failure.to_string(),
        }
    }
}
