//! Who sends a request, and what that principal may do.

mod federation;
mod per_token;

pub use federation::{Federation, Policy};
pub(crate) use federation::{Issued, exchange};
pub(crate) use per_token::principal_of;

use axum::http::Method;

/// A user or a service principal of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// An email address, or a service principal's application id.
    pub user_name: String,
    pub display_name: String,
    /// The numeric id of the SCIM API.
    pub id: String,
    /// Beside `users`, which everybody is in.
    pub groups: Vec<String>,
    /// The first rule that names a request decides; a request that no rule names is allowed.
    pub rules: Vec<Rule>,
}

/// What a principal may not do, or may do in spite of a later rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub allow: bool,
    /// Whether only writes are meant.
    pub writes_only: bool,
    /// Start of the path (`/api/2.0/fs/files/Volumes/prod/`); empty for every path.
    pub path: String,
}

impl Principal {
    /// May do everything.
    pub fn deployer(application_id: &str, display_name: &str) -> Self {
        Self {
            user_name: application_id.into(),
            display_name: display_name.into(),
            id: numeric_id(application_id),
            groups: vec![],
            rules: vec![],
        }
    }

    /// May only read: the principal of a plan.
    pub fn reader(application_id: &str, display_name: &str) -> Self {
        let rule = Rule { allow: false, writes_only: true, path: String::new() };
        Self { rules: vec![rule], ..Self::deployer(application_id, display_name) }
    }

    /// Adds a rule in front of the others.
    #[must_use]
    pub fn with(mut self, rule: Rule) -> Self {
        self.rules.insert(0, rule);
        self
    }

    #[must_use]
    pub fn member_of(mut self, group: &str) -> Self {
        self.groups.push(group.to_owned());
        self
    }

    pub fn is_service_principal(&self) -> bool {
        !self.user_name.contains('@')
    }

    /// The principal of a plan.
    pub(crate) fn only_reads(&self) -> bool {
        self.rules.iter().any(|rule| !rule.allow && rule.writes_only && rule.path.is_empty())
    }

    pub(crate) fn may(&self, method: &Method, path: &str) -> bool {
        let write = is_write(method, path);
        let rule = self.rules.iter().find(|r| (write || !r.writes_only) && path.starts_with(&r.path));
        rule.is_none_or(|r| r.allow)
    }
}

/// A few reads are POST because their filter did not fit into a query.
fn is_write(method: &Method, path: &str) -> bool {
    let reading = method == Method::GET || method == Method::HEAD;
    !(reading || path.ends_with("/search") || path == "/telemetry-ext" || path == "/api/2.1/clusters/events")
}

/// Stable, so that two starts of a stand-in agree about who is who.
fn numeric_id(name: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(name.as_bytes());
    let n = u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"));
    (1_000_000_000_000_000 + n % 8_000_000_000_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_may_search_but_not_create() {
        let reader = Principal::reader("0b2e", "plan");
        assert!(reader.may(&Method::GET, "/api/2.2/jobs/get"));
        assert!(reader.may(&Method::POST, "/api/2.0/mlflow/experiments/search"));
        assert!(!reader.may(&Method::POST, "/api/2.2/jobs/create"));
    }

    #[test]
    fn an_earlier_rule_wins() {
        let ledger = "/api/2.0/fs/files/Volumes/prod/";
        let staging =
            Principal::deployer("9a77", "staging").with(Rule { allow: false, writes_only: true, path: ledger.into() });
        assert!(!staging.may(&Method::PUT, "/api/2.0/fs/files/Volumes/prod/ops/ledger/1"));
        assert!(staging.may(&Method::GET, "/api/2.0/fs/files/Volumes/prod/ops/ledger/1"));
        assert!(staging.may(&Method::PUT, "/api/2.0/fs/files/Volumes/staging/ops/ledger/1"));
    }
}
