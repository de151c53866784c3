//! A served version has one owner: what a promotion moves, the bundle does not pin.
//!
//! To a deployment of the bundle a promoted version is drift, and the next one would put the old one back.

use crate::domain::{Diagnostic, Tree};

/// `promoted` are the endpoints that promotions move: the model's key, and the endpoint's name. `config` is the target that
/// is promoted to.
pub fn findings(config: &Tree, promoted: &[(&str, &str)]) -> Vec<Diagnostic> {
    let endpoints = config.find(&["resources", "model_serving_endpoints"]).and_then(Tree::as_map);
    let mut found = Vec::new();
    for (key, endpoint) in endpoints.into_iter().flatten() {
        let name = endpoint.text(&["name"]).unwrap_or_default();
        let Some((model, _)) = promoted.iter().find(|(_, promoted)| *promoted == name) else { continue };
        let entities = endpoint.find(&["config", "served_entities"]).and_then(Tree::as_list).unwrap_or_default();
        for version in entities.iter().filter_map(|entity| entity.get("entity_version")) {
            let summary = format!("endpoint `{name}` has two owners: this version, and `models.{model}.serve`");
            let detail = format!(
                "A promotion moves the endpoint to the version that was tested; the next deployment of the bundle would \
                 put this one back. Take `model_serving_endpoints.{key}` out of the bundle, or `serve` out of the \
                 configuration."
            );
            found.push(Diagnostic::error(summary).detail(detail).at_tree(version));
        }
    }
    found
}
