//! The settings of bundle and workspace that a reference may name although nobody set them.
//!
//! `${bundle.git.branch}` outside a repository is an empty text and not a mistake, while
//! `${bundle.brunch}` is one: so the known settings are listed with what they are when unset.

use crate::domain::{Map, Node, Path, Step};

#[derive(Clone, Copy)]
enum Unset {
    Text,
    No,
    List,
    Map,
}

const SETTINGS: &[(&str, Unset)] = &[
    ("bundle", Unset::Map),
    ("bundle.name", Unset::Text),
    ("bundle.uuid", Unset::Text),
    ("bundle.cluster_id", Unset::Text),
    ("bundle.compute_id", Unset::Text),
    ("bundle.databricks_cli_version", Unset::Text),
    ("bundle.engine", Unset::Text),
    ("bundle.mode", Unset::Text),
    ("bundle.target", Unset::Text),
    ("bundle.environment", Unset::Text),
    ("bundle.git", Unset::Map),
    ("bundle.git.branch", Unset::Text),
    ("bundle.git.actual_branch", Unset::Text),
    ("bundle.git.commit", Unset::Text),
    ("bundle.git.origin_url", Unset::Text),
    ("bundle.git.bundle_root_path", Unset::Text),
    ("bundle.deployment", Unset::Map),
    ("bundle.deployment.fail_on_active_runs", Unset::No),
    ("bundle.deployment.lock", Unset::Map),
    ("bundle.deployment.lock.enabled", Unset::No),
    ("bundle.deployment.lock.force", Unset::No),
    ("workspace", Unset::Map),
    ("workspace.host", Unset::Text),
    ("workspace.profile", Unset::Text),
    ("workspace.auth_type", Unset::Text),
    ("workspace.account_id", Unset::Text),
    ("workspace.workspace_id", Unset::Text),
    ("workspace.client_id", Unset::Text),
    ("workspace.google_service_account", Unset::Text),
    ("workspace.azure_workspace_resource_id", Unset::Text),
    ("workspace.azure_client_id", Unset::Text),
    ("workspace.azure_tenant_id", Unset::Text),
    ("workspace.azure_environment", Unset::Text),
    ("workspace.azure_login_app_id", Unset::Text),
    ("workspace.azure_use_msi", Unset::No),
    ("workspace.root_path", Unset::Text),
    ("workspace.file_path", Unset::Text),
    ("workspace.artifact_path", Unset::Text),
    ("workspace.state_path", Unset::Text),
    ("workspace.resource_path", Unset::Text),
    ("workspace.current_user", Unset::Map),
    ("workspace.current_user.userName", Unset::Text),
    ("workspace.current_user.id", Unset::Text),
    ("workspace.current_user.short_name", Unset::Text),
    ("workspace.current_user.domain_friendly_name", Unset::Text),
    ("workspace.current_user.displayName", Unset::Text),
    ("workspace.current_user.externalId", Unset::Text),
    ("workspace.current_user.active", Unset::No),
    ("workspace.current_user.name", Unset::Map),
    ("workspace.current_user.name.givenName", Unset::Text),
    ("workspace.current_user.name.familyName", Unset::Text),
    ("workspace.current_user.emails", Unset::List),
    ("workspace.current_user.entitlements", Unset::List),
    ("workspace.current_user.groups", Unset::List),
    ("workspace.current_user.roles", Unset::List),
    ("workspace.current_user.schemas", Unset::List),
];

/// What a declared variable has besides its value.
const OF_VARIABLE: &[(&str, Unset)] = &[("description", Unset::Text), ("type", Unset::Text), ("lookup", Unset::Map)];

/// The value of a setting that exists and is not set; none when there is no such setting.
pub fn unset(path: &Path) -> Option<Node> {
    let found = match path.steps() {
        [Step::Key(section), Step::Key(_), Step::Key(key)] if &**section == "variables" => {
            OF_VARIABLE.iter().find(|(name, _)| *name == &**key)
        }
        _ => {
            let text = path.to_string();
            SETTINGS.iter().find(|(name, _)| *name == text)
        }
    };
    found.map(|(_, unset)| match unset {
        Unset::Text => Node::from(""),
        Unset::No => Node::Bool(false),
        Unset::List => Node::List(Vec::new()),
        Unset::Map => Node::Map(Map::new()),
    })
}
