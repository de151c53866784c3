//! A canary judges only with requests: a candidate that was asked too seldom has shown nothing.
//!
//! A 5xx or a late answer is the candidate's own doing. A 4xx may be the caller's: there the candidate is held against
//! what the champion answered to the same callers.

use serde::Serialize;

use super::Verdict;
use crate::domain::{Failure, Reason};

const RULE: &str = "canary-is-well";

/// What a traffic step has seen of the candidate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub percent: u64,
    pub seconds: u64,
    pub requests: u64,
    pub failed: u64,
    pub client_errors: u64,
    /// Took longer than `latency` allows.
    pub slow: u64,
    pub beside: Beside,
    /// The metrics do not tell entities apart: all numbers are those of the whole endpoint.
    pub of_everything: bool,
}

/// How the champion answered meanwhile, and just before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside {
    pub requests: u64,
    pub client_errors: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Demands {
    /// Fewer are inconclusive.
    pub requests: u64,
    /// The share of failed requests that is borne, in percent.
    pub failed_percent: f64,
    /// Whether to go on where too few came.
    pub go_on_unproven: bool,
}

impl Seen {
    /// Requests of the candidate: by its share where nobody counts them apart.
    pub fn asked(&self) -> u64 {
        if self.of_everything { self.requests * self.percent / 100 } else { self.requests }
    }

    fn words(&self, candidate: &str) -> String {
        let Seen { percent, seconds, requests, failed, client_errors, slow, beside, of_everything } = *self;
        let mut words = format!("`{candidate}` at {percent} %: {requests} requests in {seconds} s");
        if of_everything {
            words.push_str(" to the whole endpoint, whose metrics do not tell entities apart");
        }
        words.push_str(&format!(", {failed} failed"));
        if slow > 0 {
            words.push_str(&format!(", {slow} took longer than `latency`"));
        }
        if client_errors > 0 {
            let Beside { requests, client_errors: theirs } = beside;
            words.push_str(&format!(", {client_errors} answered 4xx (what served before: {theirs} of {requests})"));
        }
        words
    }

    /// More 4xx than chance makes of the champion's share and what is borne: three standard deviations, and never one
    /// caller's slip alone.
    fn refuses_more(&self, borne_percent: f64) -> bool {
        let Beside { requests, client_errors } = self.beside;
        let champion = if requests == 0 { 0.0 } else { client_errors as f64 / requests as f64 };
        let share = (champion + borne_percent / 100.0).min(1.0);
        let expected = share * self.requests as f64;
        let chance = 3.0 * (expected * (1.0 - share)).sqrt();
        self.client_errors > 1 && self.client_errors as f64 > expected + chance
    }
}

pub fn verdict(candidate: &str, seen: Seen, demands: Demands) -> Verdict {
    let told = seen.words(candidate);
    let borne = demands.failed_percent;
    let too_many = |bad: u64| bad > 0 && 100.0 * bad as f64 / seen.requests.max(bad) as f64 > borne;
    let no = |message: String, hint: &str| Verdict::no(RULE, Failure::new(Reason::CanaryFailed, message).hint(hint));
    if too_many(seen.failed) || too_many(seen.slow) {
        let message = format!("give `{candidate}` more traffic: {told}, and {borne} % may fail or be late");
        return no(message, "the endpoint's logs say why requests failed");
    }
    if seen.refuses_more(borne) {
        let message = format!("give `{candidate}` more traffic: {told}, which is clearly more");
        return no(message, "it refuses what callers send: compare its signature with that of the version before");
    }
    let few = seen.asked() < demands.requests;
    if few && !demands.go_on_unproven {
        let message = format!("judge `{candidate}`: {told}; fewer than {} prove nothing", demands.requests);
        return Verdict::no(
            RULE,
            Failure::new(Reason::CanaryInconclusive, message).hint(
                "run again when there is traffic, bake longer (the workspace counts whole minutes only), or choose \
                 `on_few_requests: go-on`",
            ),
        );
    }
    let unproven = if few { " (too few to prove anything; going on is configured)" } else { "" };
    Verdict::yes(RULE, format!("{told}{unproven}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(seen: Seen, go_on_unproven: bool) -> Option<Reason> {
        let seen = Seen { percent: 10, seconds: 120, ..seen };
        let verdict = verdict("churn-4", seen, Demands { requests: 50, failed_percent: 1.0, go_on_unproven });
        verdict.answer.err().map(|failure| failure.reason)
    }

    fn at(requests: u64, failed: u64, go_on_unproven: bool) -> Option<Reason> {
        judged(Seen { requests, failed, ..Seen::default() }, go_on_unproven)
    }

    #[test]
    fn few_requests_prove_nothing_and_errors_count_however_few_there_are() {
        assert_eq!(at(500, 5, false), None);
        assert_eq!(at(500, 6, false), Some(Reason::CanaryFailed));
        assert_eq!(at(49, 0, false), Some(Reason::CanaryInconclusive));
        assert_eq!(at(49, 0, true), None);
        assert_eq!(at(3, 1, true), Some(Reason::CanaryFailed));
        assert_eq!(at(0, 0, false), Some(Reason::CanaryInconclusive));
    }

    #[test]
    fn callers_mistakes_are_no_fault_as_long_as_the_champion_meets_them_too() {
        let with = |client_errors, theirs| {
            let beside = Beside { requests: 1000, client_errors: theirs };
            judged(Seen { requests: 100, client_errors, beside, ..Seen::default() }, false)
        };
        assert_eq!(with(100, 0), Some(Reason::CanaryFailed));
        assert_eq!(with(12, 100), None);
        assert_eq!(with(30, 100), Some(Reason::CanaryFailed));
        assert_eq!(with(1, 0), None);
        let alone = Seen { requests: 60, client_errors: 60, ..Seen::default() };
        assert_eq!(judged(alone, true), Some(Reason::CanaryFailed));
    }

    #[test]
    fn late_answers_are_borne_like_failed_ones() {
        assert_eq!(judged(Seen { requests: 500, slow: 5, ..Seen::default() }, false), None);
        assert_eq!(judged(Seen { requests: 500, slow: 6, ..Seen::default() }, false), Some(Reason::CanaryFailed));
    }

    #[test]
    fn of_an_endpoint_that_is_counted_as_a_whole_the_candidate_has_its_share() {
        let seen = Seen { requests: 499, of_everything: true, ..Seen::default() };
        assert_eq!(judged(seen, false), Some(Reason::CanaryInconclusive));
        assert_eq!(judged(Seen { requests: 500, ..seen }, false), None);
    }
}
