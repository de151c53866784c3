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
    /// The host of the environment that the target belongs to, where it belongs to one: a
    /// `prod` target that names the host of `dev` is as wrong as one that names a stranger's.
    pub expected: Option<String>,
    pub origin: Option<Origin>,
}

impl NamedHost {
    fn is_right(&self, allowed: &[String]) -> bool {
        match &self.expected {
            Some(expected) => self.host == *expected,
            None => allowed.contains(&self.host),
        }
    }
}

const RULE: &str = "host-allowed";

/// `allowed` and the hosts are normalised: `https`, lower case, no path, no trailing slash.
pub fn verdict(named: &[NamedHost], allowed: &[String]) -> Verdict {
    let strangers: Vec<&NamedHost> = named.iter().filter(|n| !n.is_right(allowed)).collect();
    if strangers.is_empty() {
        return Verdict::yes(RULE, format!("every host of the bundle is one of {}", list(allowed)));
    }
    let diagnostics = strangers.iter().map(|n| finding(n)).collect();
    let who: Vec<String> = strangers.iter().map(|n| format!("`{}` of target `{}`", n.host, n.target)).collect();
    let failure = Failure::new(
        Reason::HostNotAllowed,
        format!("mint a token: {} is not what mlops-deploy.yml has for it", who.join(" and ")),
    )
    .hint(format!("allowed are {}; list the host under `environments` on the main branch first", list(allowed)))
    .about(diagnostics);
    Verdict::no(RULE, failure)
}

fn finding(named: &NamedHost) -> Diagnostic {
    let summary = match &named.expected {
        Some(expected) => format!("host `{}` is not `{expected}`, the host of this environment", named.host),
        None => format!("host `{}` is not listed in mlops-deploy.yml", named.host),
    };
    Diagnostic::error(summary).path(format!("targets.{}.workspace.host", named.target)).at(named.origin.clone())
}

fn list(hosts: &[String]) -> String {
    let quoted: Vec<String> = hosts.iter().map(|h| format!("`{h}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}
