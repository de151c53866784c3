//! A token is minted only for a host that `mlops-deploy.yml` lists.
//!
//! The host in `databricks.yml` wins over the environment, so a pull request that edits it
//! would otherwise be handed the credential. Asked before any token exists.

use super::Verdict;
use crate::domain::{Diagnostic, Failure, Origin, Reason};

/// A host as a target of the bundle names it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedHost {
    pub target: String,
    pub host: String,
    pub origin: Option<Origin>,
}

const RULE: &str = "host-allowed";

/// `allowed` and the hosts are normalised: `https`, lower case, no path, no trailing slash.
pub fn verdict(named: &[NamedHost], allowed: &[String]) -> Verdict {
    let strangers: Vec<&NamedHost> = named.iter().filter(|n| !allowed.contains(&n.host)).collect();
    if strangers.is_empty() {
        return Verdict::yes(RULE, format!("every host of the bundle is one of {}", list(allowed)));
    }
    let diagnostics = strangers.iter().map(|n| finding(n)).collect();
    let who: Vec<String> = strangers.iter().map(|n| format!("`{}` of target `{}`", n.host, n.target)).collect();
    let failure = Failure::new(
        Reason::HostNotAllowed,
        format!("mint a token: {} is not an environment of mlops-deploy.yml", who.join(" and ")),
    )
    .hint(format!("allowed are {}; list the host under `environments` on the main branch first", list(allowed)))
    .about(diagnostics);
    Verdict::no(RULE, failure)
}

fn finding(named: &NamedHost) -> Diagnostic {
    Diagnostic::error(format!("host `{}` is not listed in mlops-deploy.yml", named.host))
        .path(format!("targets.{}.workspace.host", named.target))
        .at(named.origin.clone())
}

fn list(hosts: &[String]) -> String {
    let quoted: Vec<String> = hosts.iter().map(|h| format!("`{h}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}
