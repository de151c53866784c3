//! What lies in the workspace after a deployment is what the plan promised.
//!
//! A 200 to a write is not enough: platforms roll back silently, and a second identity may
//! have written meanwhile. The facts are read afresh, after the last write.

use super::Verdict;
use crate::domain::{Failure, Reason};

/// One promise and what a fresh read found.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// Such as: job `train` is paused.
    pub what: String,
    pub expected: String,
    pub found: String,
}

impl Promise {
    pub fn kept(&self) -> bool {
        self.expected == self.found
    }
}

const RULE: &str = "as-promised";

pub fn verdict(promises: &[Promise]) -> Verdict {
    let broken: Vec<&Promise> = promises.iter().filter(|p| !p.kept()).collect();
    if broken.is_empty() {
        return Verdict::yes(RULE, format!("{} facts read afresh are as planned", promises.len()));
    }
    let mut message = format!("verify the deployment: {} of {} facts differ", broken.len(), promises.len());
    for promise in broken {
        message.push_str(&format!("\n  {}: expected {}, found {}", promise.what, promise.expected, promise.found));
    }
    let hint = "somebody or something changed it during the deployment; run again, and look at the audit log";
    Verdict::no(RULE, Failure::new(Reason::VerifyFailed, message).hint(hint))
}
