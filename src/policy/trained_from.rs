//! A model was trained from the commit that is deployed.
//!
//! A run that does not say so proves nothing: its code may be anybody's notebook.

use super::Verdict;
use crate::domain::{Failure, Reason};

const RULE: &str = "trained-from";

/// The run's tags that may name the commit, in order of trust.
pub const TAGS: [&str; 2] = ["git_sha", "mlflow.source.git.commit"];

/// `found` is what the run says, `wanted` the release's commit.
pub fn verdict(model: &str, found: Option<&str>, wanted: &str) -> Verdict {
    let refuse = |why: String| {
        let failure = Failure::new(Reason::OtherCommit, format!("take the version of `{model}`: {why}"));
        let hint = "pass `git_sha` as a parameter of the training job and set it as a tag of the run";
        Verdict::no(RULE, failure.hint(hint))
    };
    match found.filter(|sha| !sha.is_empty()) {
        None => refuse(format!("its run has no tag `{}`", TAGS[0])),
        Some(_) if wanted.is_empty() => refuse("no commit of ours is known to compare with".to_owned()),
        Some(sha) if sha == wanted => Verdict::yes(RULE, format!("`{model}` was trained from {sha}")),
        Some(sha) => refuse(format!("it was trained from {sha}, the release is of {wanted}")),
    }
}
