//! What `mode: development` and `mode: production` mean, and what they forbid.
//!
//! A mode is nothing but presets and checks: development fills the presets that nobody set
//! and wants every path and prefix to say whose copy it is; production wants one copy for all.

use crate::bundle::passes::bundle::Bundle;
use crate::domain::{Diagnostic, Tree};

/// The pass that fills presets.
pub fn development(bundle: &mut Bundle<'_>) {
    let mode = bundle.config.text(&["bundle", "mode"]).unwrap_or_default().to_owned();
    if !["", "development", "production"].contains(&mode.as_str()) {
        let what =
            format!("unsupported value '{mode}' specified for 'mode': must be either 'development' or 'production'");
        return bundle.report(Diagnostic::error(what));
    }
    if mode != "development" {
        return;
    }
    let short = bundle.config.text(&["workspace", "current_user", "short_name"]).unwrap_or(SHORT_NAME).to_owned();
    let dev_tag = bundle.cloud().value(&short);
    let config = &mut bundle.config;
    if config.find(&["bundle", "deployment", "lock", "enabled"]).is_none_or(Tree::is_null) {
        config.set(&["bundle", "deployment", "lock", "enabled"], false);
    }
    let unset = |config: &Tree, key: &str| match config.find(&["presets", key]) {
        None => true,
        Some(tree) => tree.is_null() || tree.as_str() == Some("") || tree.as_int() == Some(0),
    };
    if unset(config, "name_prefix") {
        config.set(&["presets", "name_prefix"], format!("[dev {short}] "));
    }
    if config.find(&["presets", "tags", "dev"]).is_none() {
        config.set(&["presets", "tags", "dev"], dev_tag);
    }
    if unset(config, "jobs_max_concurrent_runs") {
        config.set(&["presets", "jobs_max_concurrent_runs"], 4i64);
    }
    if unset(config, "trigger_pause_status") {
        config.set(&["presets", "trigger_pause_status"], "PAUSED");
    }
    if config.find(&["presets", "pipelines_development"]).is_none_or(Tree::is_null) {
        config.set(&["presets", "pipelines_development"], true);
    }
}

const SHORT_NAME: &str = "${workspace.current_user.short_name}";

/// Two people's copies must never be one.
fn development_is_unique(bundle: &mut Bundle<'_>) {
    let config = &bundle.config;
    let short = config.text(&["workspace", "current_user", "short_name"]).unwrap_or(SHORT_NAME);
    let user = config.text(&["workspace", "current_user", "userName"]);
    let Some(user) = user.map(str::to_owned) else { return };
    let mut found = Vec::new();
    if let Some(status) = config.find(&["presets", "trigger_pause_status"]).filter(|s| s.as_str() == Some("UNPAUSED")) {
        let what = "target with 'mode: development' cannot set trigger pause status to UNPAUSED by default";
        found.push(Diagnostic::error(what).at_tree(status));
    } else if let Some(prefix) = config.find(&["presets", "name_prefix"])
        && !says_who(prefix.as_str().unwrap_or_default(), short, &user)
    {
        let what = "prefix should contain the current username or ${workspace.current_user.short_name} \
                    to ensure uniqueness when using 'mode: development'";
        found.push(Diagnostic::error(what).at_tree(prefix));
    }
    if found.is_empty() {
        for key in ["root_path", "file_path", "resource_path", "artifact_path", "state_path"] {
            let path = config.text(&["workspace", key]).unwrap_or_default();
            if path.is_empty() || says_who(path, short, &user) {
                continue;
            }
            let what = match key {
                "artifact_path" if path.starts_with("/Volumes/") => {
                    "artifact_path should contain the current username or ${workspace.current_user.short_name} \
                     to ensure uniqueness when using 'mode: development'"
                        .to_owned()
                }
                _ => format!(
                    "{key} must start with '~/' or contain the current username \
                     to ensure uniqueness when using 'mode: development'"
                ),
            };
            found.push(Diagnostic::error(what));
            break;
        }
    }
    bundle.diagnostics.extend(found);
}

fn says_who(text: &str, short: &str, user: &str) -> bool {
    text.contains(user) || text.contains(short)
}

/// The pass that comes after paths: what each mode forbids.
pub fn check(bundle: &mut Bundle<'_>) {
    match bundle.config.text(&["bundle", "mode"]) {
        Some("development") => development_is_unique(bundle),
        Some("production") => production_is_one(bundle),
        _ => {}
    }
}

/// One copy for all, at a place that does not depend on who deploys.
fn production_is_one(bundle: &mut Bundle<'_>) {
    let config = &bundle.config;
    let pipelines = config.find(&["resources", "pipelines"]).and_then(Tree::as_map);
    let developing = |pipeline: &Tree| pipeline.get("development").and_then(Tree::as_bool) == Some(true);
    if let Some(pipeline) = pipelines.into_iter().flat_map(|map| map.values()).find(|p| developing(p)) {
        let what = "target with 'mode: production' cannot include a pipeline with 'development: true'";
        let mut diagnostic = Diagnostic::error(what);
        diagnostic.place = pipeline.get("development").and_then(Tree::origin).or(pipeline.origin()).cloned();
        return bundle.report(diagnostic);
    }
    if bundle.root_path_given {
        return;
    }
    let user = config.text(&["workspace", "current_user", "userName"]).unwrap_or("<user>");
    let advice = format!(
        "A common practice is to use a username or principal name in this path, i.e. use\n\n  \
         root_path: /Workspace/Users/{user}/.bundle/${{bundle.name}}/${{bundle.target}}"
    );
    let runs_as = |job: &Tree| job.get("run_as").is_some_and(|r| !r.is_null());
    let jobs = config.find(&["resources", "jobs"]).and_then(Tree::as_map);
    let all_run_as_somebody = jobs.is_none_or(|jobs| jobs.values().all(runs_as));
    let by_principal = bundle.facts.user.as_ref().is_some_and(crate::bundle::facts::User::is_service_principal);
    let diagnostic = if all_run_as_somebody || by_principal {
        Diagnostic::recommendation(
            "target with 'mode: production' should set 'workspace.root_path' to make sure only one copy is deployed",
        )
    } else {
        Diagnostic::error(
            "target with 'mode: production' must set 'workspace.root_path' to make sure only one copy is deployed",
        )
    };
    bundle.report(diagnostic.detail(advice));
}
