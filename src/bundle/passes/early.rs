//! Mistakes that are seen before anybody asks the workspace.

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::syntax::reference;
use crate::domain::{Diagnostic, Path, Tree};

/// `train:` with nothing behind it declares no job.
pub fn resources_have_values(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    for (kind, group) in bundle.config.get("resources").and_then(Tree::as_map).into_iter().flatten() {
        for (key, resource) in group.as_map().into_iter().flatten().filter(|(_, r)| r.is_null()) {
            let singular = kind.strip_suffix('s').unwrap_or(kind);
            let what = Diagnostic::error(format!("{singular} {key} is not defined"));
            found.push(what.path(Path::of(&["resources", kind, key])).at_tree(resource));
        }
    }
    bundle.diagnostics.extend(found);
}

const AUTH: [(&str, &str); 11] = [
    ("host", "DATABRICKS_HOST"),
    ("profile", "DATABRICKS_CONFIG_PROFILE"),
    ("auth_type", "DATABRICKS_AUTH_TYPE"),
    ("google_service_account", "DATABRICKS_GOOGLE_SERVICE_ACCOUNT"),
    ("client_id", "DATABRICKS_CLIENT_ID"),
    ("azure_workspace_resource_id", "DATABRICKS_AZURE_RESOURCE_ID"),
    ("azure_use_msi", "ARM_USE_MSI"),
    ("azure_client_id", "ARM_CLIENT_ID"),
    ("azure_tenant_id", "ARM_TENANT_ID"),
    ("azure_environment", "ARM_ENVIRONMENT"),
    ("azure_login_app_id", "DATABRICKS_AZURE_LOGIN_APP_ID"),
];

/// The workspace must be known before a reference can be resolved in it.
pub fn no_reference_in_auth(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    for (key, variable) in AUTH {
        let Some(tree) = bundle.config.find(&["workspace", key]) else { continue };
        if tree.as_str().is_some_and(reference::is_in) {
            let what = "Variable interpolation is not supported for fields that configure authentication";
            let detail = format!(
                "`workspace.{key}` must be known before anything can be looked up; \
                 set the environment variable {variable} where it differs from run to run."
            );
            found.push(Diagnostic::warning(what).path(format!("workspace.{key}")).at_tree(tree).detail(detail));
        }
    }
    bundle.diagnostics.extend(found);
}

/// The state lies in a folder of that name: a name that varies loses it.
pub fn no_reference_in_name(bundle: &mut Bundle<'_>) {
    let Some(name) = bundle.config.find(&["bundle", "name"]) else { return };
    if name.as_str().is_some_and(reference::is_in) {
        let what = "Please do not use variable interpolation in the name of your bundle. The name of your bundle\n\
                    is part of the folder in which the state of the deployment lies: \
                    another name makes another deployment, and the one before is never removed";
        let diagnostic = Diagnostic::warning(what).path("bundle.name").at_tree(name);
        bundle.report(diagnostic);
    }
}

/// Only two engines exist, and only one of them is spoken here.
pub fn engine(bundle: &mut Bundle<'_>) {
    let tree = bundle.config.find(&["bundle", "engine"]).cloned();
    match tree.as_ref().and_then(Tree::as_str) {
        Some("" | "direct") | None => {}
        Some("terraform") => bundle.refuse("bundle.engine: terraform", &tree.unwrap_or_default()),
        Some(other) => {
            let what = format!("invalid value \"{other}\" for bundle.engine (expected \"terraform\" or \"direct\")");
            bundle.report(Diagnostic::error(what).at_tree(&tree.unwrap_or_default()));
        }
    }
}

/// The old name of `bundle.cluster_id`.
pub fn compute_id(bundle: &mut Bundle<'_>) {
    let Some(old) = bundle.config.get_mut("bundle").and_then(|b| b.remove("compute_id")) else { return };
    let what = "compute_id is deprecated, please use cluster_id instead";
    let diagnostic = Diagnostic::warning(what).path("bundle.compute_id").at_tree(&old);
    bundle.report(diagnostic);
    bundle.config.set(&["bundle", "cluster_id"], old);
}

/// An empty `workspace:` is no workspace at all.
pub fn workspace_is_there(bundle: &mut Bundle<'_>) {
    if bundle.config.get("workspace").is_some_and(Tree::is_null) {
        bundle.report(Diagnostic::error("expected a map to index \"workspace.host\", found nil"));
    }
}
