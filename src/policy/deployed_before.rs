//! A release is deployed only where the environment before has it in its ledger.
//!
//! The ledger of the tier before is the evidence: only that tier's principal can write it. A
//! deployment that GitHub shows as green is not: anybody with a token of the job can say so.

use super::Verdict;
use crate::domain::ledger::{Chain, Record};
use crate::domain::{Failure, Reason, ReleaseId};

const RULE: &str = "deployed-before";

/// `chain` is absent where the environment before keeps no ledger.
pub fn verdict(release: ReleaseId, environment: &str, chain: Option<&Chain>) -> Verdict {
    let short = release.short();
    let Some(chain) = chain else {
        let message =
            format!("deploy release {short}: `{environment}` keeps no ledger, so nobody knows that it succeeded there");
        let failure = Failure::new(Reason::NotDeployedBefore, message);
        return Verdict::no(
            RULE,
            failure
                .hint(format!("set `environments.{environment}.records` in mlops-deploy.yml, and deploy there again")),
        );
    };
    match chain.of_release(release) {
        Some(Record { sequence, at, .. }) => {
            Verdict::yes(RULE, format!("{short} succeeded in `{environment}`: record {sequence} of {at}"))
        }
        None => {
            let message = format!(
                "deploy release {short}: none of the {} records of `{environment}` has it",
                chain.records().len()
            );
            Verdict::no(
                RULE,
                Failure::new(Reason::NotDeployedBefore, message).hint(format!(
                    "deploy it to `{environment}` first, and take the id from that job's output `release`"
                )),
            )
        }
    }
}
