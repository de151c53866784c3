//! An update of an endpoint has ended with what was meant.

use super::Verdict;
use crate::domain::{Failure, Reason};

const RULE: &str = "endpoint-serves";

/// How an update ended, as its outcome tells.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    pub endpoint: String,
    /// Such as `candidate`, `10 %`.
    pub step: String,
    pub meant: String,
    /// `as-meant`, `otherwise`, `failed`, `goes-on`, `gone`.
    pub update: String,
    pub serves: String,
    /// The last lines of a build that failed.
    pub log: String,
}

pub fn verdict(ended: &Ended) -> Verdict {
    let Ended { endpoint, step, meant, update, serves, log } = ended;
    let refuse = |reason, message: String, hint: &str| Verdict::no(RULE, Failure::new(reason, message).hint(hint));
    match update.as_str() {
        "as-meant" => Verdict::yes(RULE, format!("endpoint `{endpoint}` serves {serves}")),
        "failed" => {
            let log = if log.is_empty() { String::new() } else { format!(":\n  {}", log.replace('\n', "\n  ")) };
            let message = format!("update endpoint `{endpoint}` ({step}): the workspace could not build it{log}");
            refuse(
                Reason::EndpointFailed,
                message,
                "what served before serves on; look at the build log of the endpoint",
            )
        }
        "goes-on" => {
            let message =
                format!("update endpoint `{endpoint}` ({step}): it still goes on after the time that it may take");
            let hint =
                "look at its build in the workspace; give it more time with `build` under `serve`, then run again";
            refuse(Reason::EndpointFailed, message, hint)
        }
        _ => {
            let message = format!("update endpoint `{endpoint}` ({step}): it serves {serves}, not {meant}");
            refuse(
                Reason::EndpointChanged,
                message,
                "somebody else updates this endpoint; a bundle that has it, perhaps",
            )
        }
    }
}
