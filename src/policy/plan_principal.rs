//! A pull request reads with a principal that can only read.
//!
//! A deploy principal that trusts pull requests lets every collaborator write to the
//! workspace without review. `plan: same` says that a team accepts this.

use super::Verdict;
use crate::domain::{Failure, Reason};

/// What an environment says about its principal for plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanPrincipal {
    /// One of its own.
    Own,
    /// `plan: same`, written down.
    Same,
    Missing,
}

const RULE: &str = "plan-principal";

pub fn verdict(environment: &str, principal: PlanPrincipal) -> Verdict {
    match principal {
        PlanPrincipal::Own => Verdict::yes(RULE, "the plan is read by a principal of its own"),
        PlanPrincipal::Same => Verdict::yes(RULE, "`plan: same`: the plan is read by the deploy principal"),
        PlanPrincipal::Missing => Verdict::no(
            RULE,
            Failure::new(
                Reason::PlanPrincipalMissing,
                format!("plan `{environment}` for a pull request: it names no principal for plans"),
            )
            .hint(format!(
                "add `plan: {{client_id: …}}` with a read-only principal to environment `{environment}`, or `plan: same`"
            )),
        ),
    }
}
