//! Whose identity jobs and pipelines run with.

use crate::bundle::lists::resources;
use crate::bundle::resolve::Bundle;
use crate::domain::{Diagnostic, Tree};

/// The pass: `run_as` of the bundle goes to every job and pipeline that has none.
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
    for kind in ["jobs", "pipelines"] {
        for resource in resources(bundle, kind).filter(|r| r.as_map().is_some()) {
            if resource.get("run_as").is_none_or(Tree::is_null) {
                resource.set(&["run_as"], run_as.clone());
            }
        }
    }
}
