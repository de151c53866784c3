//! A validation job tests the version that its run is about: it declares the parameter that says which.
//!
//! A job that declares none is started without it, and would find some model or other: what an alias or a folder has by
//! then. Nobody would notice.

use crate::domain::{Diagnostic, Tree};

pub const PARAMETER: &str = "model_version";

/// `validated` are the model's key, and the key of a job that validates it in this target.
pub fn findings(config: &Tree, validated: &[(&str, &str)]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (model, key) in validated {
        let Some(job) = config.find(&["resources", "jobs", key]) else { continue };
        let parameters = job.get("parameters").and_then(Tree::as_list).unwrap_or_default();
        if parameters.iter().all(|parameter| parameter.text(&["name"]) != Some(PARAMETER)) {
            found.push(objection(model, key).at_tree(job));
        }
    }
    found
}

pub fn objection(model: &str, job: &str) -> Diagnostic {
    let summary = format!(
        "job `{job}` validates `models.{model}` and declares no parameter `{PARAMETER}`: it cannot know which version to test"
    );
    Diagnostic::error(summary).detail(
        "Declare `parameters: [{name: model_name, default: ''}, {name: model_version, default: ''}]`, hand them to its task \
         as `{{job.parameters.model_name}}` and `{{job.parameters.model_version}}`, and let it load that version and log what \
         it measures on the version's run.",
    )
}
