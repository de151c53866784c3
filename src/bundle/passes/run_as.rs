//! Whose identity jobs, pipelines and alerts run with.

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::lists::resources;
use crate::domain::{Diagnostic, Tree};

/// The pass: `run_as` of the bundle goes to everything of these kinds that has none.
pub fn apply(bundle: &mut Bundle<'_>) {
    let Some(run_as) = bundle.config.get("run_as").filter(|r| !r.is_null()).cloned() else { return };
    let identity = ["user_name", "service_principal_name"].map(|key| run_as.text(&[key]).is_some());
    let wrong = match identity {
        [true, true] => "run_as section cannot specify both user_name and service_principal_name",
        [false, false] => {
            "run_as section must specify exactly one identity. \
             Neither service_principal_name nor user_name is specified"
        }
        _ => "",
    };
    if !wrong.is_empty() {
        return bundle.report(Diagnostic::error(wrong).at_tree(&run_as));
    }
    let found = cannot_run_as(bundle, &run_as);
    if !found.is_empty() {
        return bundle.diagnostics.extend(found);
    }
    for kind in ["jobs", "pipelines", "alerts"] {
        for resource in resources(bundle, kind).filter(|r| r.as_map().is_some()) {
            if resource.get("run_as").is_none_or(Tree::is_null) {
                resource.set(&["run_as"], run_as.clone());
            }
        }
    }
}

/// Kinds that always run as whoever made them.
const AS_OWNER: [&str; 3] = ["apps", "model_serving_endpoints", "quality_monitors"];

/// What would not run as somebody else than whoever deploys.
fn cannot_run_as(bundle: &Bundle<'_>, run_as: &Tree) -> Vec<Diagnostic> {
    let Some(me) = bundle.config.text(&["workspace", "current_user", "userName"]) else { return Vec::new() };
    let wanted = ["user_name", "service_principal_name"].into_iter().find_map(|key| run_as.text(&[key]));
    let Some(wanted) = wanted.filter(|wanted| *wanted != me) else { return Vec::new() };
    let say = |what: &str, place: &Tree| {
        let summary = format!(
            "{what} do not support a setting a run_as user that is different from the owner.\n\
             Current identity: {me}. Run as identity: {wanted}.\n\
             Deploy as that identity, or keep such resources in a bundle of their own"
        );
        Diagnostic::error(summary).at_tree(place)
    };
    let group =
        |kind: &str| bundle.config.find(&["resources", kind]).filter(|g| g.as_map().is_some_and(|g| !g.is_empty()));
    let mut found: Vec<Diagnostic> = AS_OWNER.iter().filter_map(|kind| Some(say(kind, group(kind)?))).collect();
    for dashboard in group("dashboards").and_then(Tree::as_map).into_iter().flat_map(|group| group.values()) {
        if let Some(embeds) = dashboard.get("embed_credentials").filter(|e| e.as_bool() == Some(true)) {
            found.push(say("dashboards with embed_credentials set to true", embeds));
        }
    }
    found
}
