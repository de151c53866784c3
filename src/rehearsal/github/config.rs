//! What kind of GitHub to stand in for.

use std::net::SocketAddr;

/// Where the REST API lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// At the root of its own host, as `api.github.com`.
    DotCom,
    /// Under `/api/v3` of the server, as GitHub Enterprise Server.
    EnterpriseServer,
}

/// How the `sub` claim names the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subjects {
    /// `repo:acme/churn:…`
    Legacy,
    /// `repo:acme@4242/churn@812345678:…`, which a rename does not change.
    Immutable,
}

#[derive(Clone, Debug)]
pub struct Config {
    /// `owner/name`.
    pub repository: String,
    pub private: bool,
    pub default_branch: String,
    pub flavour: Flavour,
    pub subjects: Subjects,
    /// Replaces the whole subject: `["repository_owner", "environment"]` and so on.
    pub subject_claims: Option<Vec<String>>,
    /// The `iss` claim; the stand-in's own address when absent, so that its keys are found.
    pub issuer: Option<String>,
    /// Requests an hour, as for a job's token.
    pub rate_limit: u32,
    /// Port 0 lets the system choose.
    pub bind: SocketAddr,
    /// What clients call it, when that is not the bound address: a container sees another host.
    pub advertised: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            repository: "acme/churn".to_owned(),
            private: true,
            default_branch: "main".to_owned(),
            flavour: Flavour::DotCom,
            subjects: Subjects::Legacy,
            subject_claims: None,
            issuer: None,
            rate_limit: 1000,
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertised: None,
        }
    }
}
