//! Somebody else's code gets neither a credential nor a shell.
//!
//! Asked by stages that write. A stage that only reads does its offline part instead of
//! refusing, so that a fork's pull request still gets a verdict.

use super::Verdict;
use crate::domain::{Failure, Reason};

const RULE: &str = "trusted-event";

/// `objection` says why the event's code is not trusted with a deployment, if it is not.
pub fn verdict(event: &str, objection: Option<&str>) -> Verdict {
    let Some(objection) = objection else {
        return Verdict::yes(RULE, format!("`{event}` carries the repository's own code"));
    };
    let failure = Failure::new(Reason::UntrustedEvent, format!("deploy for `{event}`: {objection}"));
    Verdict::no(RULE, failure.hint("deploy on `push` to a protected branch, or on `workflow_dispatch`"))
}
