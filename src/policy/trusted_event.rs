//! Somebody else's code gets neither a credential nor a shell.

use super::Verdict;
use crate::domain::{Failure, Reason};

/// How far the event that started us is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The repository's own branches.
    Ours,
    /// A pull request of the repository: its commands run sandboxed and before any token exists.
    PullRequest,
    /// A fork's or Dependabot's pull request: only what needs no credential.
    Foreign,
    /// `pull_request_target`, `issue_comment`, `workflow_run` of another repository: our
    /// credentials beside somebody else's code.
    Dangerous,
}

const RULE: &str = "trusted-event";

/// For a stage that writes, or needs a credential.
pub fn verdict(event: &str, trust: Trust) -> Verdict {
    match trust {
        Trust::Ours => Verdict::yes(RULE, format!("`{event}` carries the repository's own code")),
        Trust::PullRequest => Verdict::yes(RULE, format!("`{event}` carries code under review: it gets no credential")),
        Trust::Foreign | Trust::Dangerous => Verdict::no(
            RULE,
            Failure::new(
                Reason::UntrustedEvent,
                format!("run for `{event}`: it may carry somebody else's code beside our credentials"),
            )
            .hint("deploy on `push` to a protected branch, or on `workflow_dispatch`"),
        ),
    }
}

/// For a stage that deploys: a pull request never does.
pub fn deploy_verdict(event: &str, trust: Trust) -> Verdict {
    if trust == Trust::PullRequest {
        let failure = Failure::new(Reason::UntrustedEvent, format!("deploy for `{event}`: the code is not merged yet"));
        return Verdict::no(
            RULE,
            failure.hint("deploy on `push` to a protected branch; `validate` is for pull requests"),
        );
    }
    verdict(event, trust)
}
