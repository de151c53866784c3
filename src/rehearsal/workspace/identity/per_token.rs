//! One workspace per bearer token, for suites that run many cases at once on one server.

use super::{Principal, numeric_id};

/// Tokens that begin like this stand for a service principal.
const SERVICE_PRINCIPAL: &str = "dbapi1";

/// The same user in every such workspace: cases differ by what they deploy, not by who they are.
pub(crate) fn principal_of(token: &str) -> Principal {
    if token.starts_with(SERVICE_PRINCIPAL) {
        let application_id = "5c1f0b3e-7d24-4c58-9a06-2f9d8e71b640";
        return Principal::deployer(application_id, "deploy-principal");
    }
    let user_name = "tester@databricks.com";
    Principal {
        user_name: user_name.into(),
        display_name: "Test User".into(),
        id: numeric_id(user_name),
        groups: vec![],
        rules: vec![],
    }
}
