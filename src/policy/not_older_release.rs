//! An older release does not replace a newer one.
//!
//! Commits say so too, where GitHub knows both. The ledger of the environment before says it
//! always: the release that came later there is the newer one.

use super::Verdict;
use crate::domain::ledger::Chain;
use crate::domain::{Failure, Reason, ReleaseId};

const RULE: &str = "not-older-release";

/// Whether `release` came before `deployed` in the chain of the environment before.
pub fn is_older(release: ReleaseId, deployed: Option<ReleaseId>, before: &Chain) -> bool {
    let place = |id: ReleaseId| before.of_release(id).map(|record| record.sequence);
    match (place(release), deployed.filter(|deployed| *deployed != release).and_then(place)) {
        (Some(ours), Some(theirs)) => ours < theirs,
        _ => false,
    }
}

pub fn verdict(release: ReleaseId, deployed: Option<ReleaseId>, before: &Chain, allow_older: bool) -> Verdict {
    let Some(now) = deployed else { return Verdict::yes(RULE, "no release is recorded as deployed") };
    if now == release {
        return Verdict::yes(RULE, format!("{} is deployed already", release.short()));
    }
    if !is_older(release, deployed, before) {
        return Verdict::yes(RULE, format!("{} is not older than {}, which is deployed", release.short(), now.short()));
    }
    let objection = format!("deploy release {}: {}, which is deployed, came after it", release.short(), now.short());
    if allow_older {
        return Verdict::yes(RULE, format!("{objection}; `allow-older` lets it pass"));
    }
    let failure = Failure::new(Reason::ReleaseOlder, objection)
        .hint("deploy the newest release, or set `allow-older: true` to go back on purpose");
    Verdict::no(RULE, failure)
}
