//! A canary judges only with requests: a candidate that was asked too seldom has shown nothing.

use super::Verdict;
use crate::domain::{Failure, Reason};

const RULE: &str = "canary-is-well";

/// What a traffic step has seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub percent: u64,
    pub seconds: u64,
    pub requests: u64,
    pub failed: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Demands {
    /// Fewer are inconclusive.
    pub requests: u64,
    /// The share of failed requests that is borne, in percent.
    pub failed_percent: f64,
    /// Whether to go on where too few came.
    pub go_on_unproven: bool,
}

pub fn verdict(candidate: &str, seen: Seen, demands: Demands) -> Verdict {
    let Seen { percent, seconds, requests, failed } = seen;
    let told = format!("`{candidate}` at {percent} %: {requests} requests in {seconds} s, {failed} failed");
    let share = if requests == 0 { 0.0 } else { 100.0 * failed as f64 / requests as f64 };
    if failed > 0 && share > demands.failed_percent {
        let message = format!("give `{candidate}` more traffic: {told}, and {} % may fail", demands.failed_percent);
        return Verdict::no(
            RULE,
            Failure::new(Reason::CanaryFailed, message).hint("the endpoint's logs say why requests failed"),
        );
    }
    if requests < demands.requests && !demands.go_on_unproven {
        let message = format!("judge `{candidate}`: {told}; fewer than {} prove nothing", demands.requests);
        return Verdict::no(
            RULE,
            Failure::new(Reason::CanaryInconclusive, message)
                .hint("run again when there is traffic, bake longer, or choose `on_few_requests: go-on`"),
        );
    }
    let unproven =
        if requests < demands.requests { " (too few to prove anything; going on is configured)" } else { "" };
    Verdict::yes(RULE, format!("{told}{unproven}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(requests: u64, failed: u64, go_on_unproven: bool) -> Verdict {
        let seen = Seen { percent: 10, seconds: 120, requests, failed };
        verdict("churn-4", seen, Demands { requests: 50, failed_percent: 1.0, go_on_unproven })
    }

    fn reason(verdict: Verdict) -> Option<Reason> {
        verdict.answer.err().map(|failure| failure.reason)
    }

    #[test]
    fn few_requests_prove_nothing_and_errors_count_however_few_there_are() {
        assert_eq!(reason(at(500, 5, false)), None);
        assert_eq!(reason(at(500, 6, false)), Some(Reason::CanaryFailed));
        assert_eq!(reason(at(49, 0, false)), Some(Reason::CanaryInconclusive));
        assert_eq!(reason(at(49, 0, true)), None);
        assert_eq!(reason(at(3, 1, true)), Some(Reason::CanaryFailed));
        assert_eq!(reason(at(0, 0, false)), Some(Reason::CanaryInconclusive));
    }
}
