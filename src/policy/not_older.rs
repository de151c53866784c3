//! An older commit does not replace a newer one.
//!
//! Re-running last week's workflow would otherwise wipe this week's jobs without a word.

use super::Verdict;
use crate::domain::{Failure, Reason};

/// How the commit to deploy relates to the deployed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Age {
    /// Nothing is deployed, or its commit was not recorded.
    First,
    Same,
    Newer,
    Older,
    /// Each has commits that the other lacks.
    Diverged,
    /// Nobody could say, and why.
    Unknown(String),
}

const RULE: &str = "not-older";

pub fn verdict(age: &Age, deployed: &str, commit: &str, allow_older: bool) -> Verdict {
    let (deployed, commit) = (short(deployed), short(commit));
    let objection = match age {
        Age::First => return Verdict::yes(RULE, "no commit is recorded as deployed"),
        Age::Same => return Verdict::yes(RULE, format!("{commit} is deployed already")),
        Age::Newer => return Verdict::yes(RULE, format!("{commit} is newer than {deployed}, which is deployed")),
        Age::Unknown(why) => {
            let found = format!("not known whether {commit} is newer than {deployed}, which is deployed: {why}");
            return Verdict::yes(RULE, found);
        }
        Age::Older => format!("deploy {commit}: {deployed}, which is deployed, is newer"),
        Age::Diverged => format!("deploy {commit}: it lacks commits of {deployed}, which is deployed"),
    };
    if allow_older {
        return Verdict::yes(RULE, format!("{objection}; `allow-older` lets it pass"));
    }
    let failure = Failure::new(Reason::OlderThanDeployed, objection)
        .hint("deploy the newest commit, or set `allow-older: true` to go back on purpose");
    Verdict::no(RULE, failure)
}

pub fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}
