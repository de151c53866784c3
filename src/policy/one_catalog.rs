//! What an environment makes lies in its catalog.

use crate::domain::{Diagnostic, Tree};

/// `config` is the target of an environment that has `catalog`. Models whose keys are in `shared` are those of all
/// environments: their catalog is nobody's own.
pub fn findings(config: &Tree, environment: &str, catalog: &str, shared: &[&str]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for kind in ["schemas", "volumes", "registered_models"] {
        for (key, resource) in config.find(&["resources", kind]).and_then(Tree::as_map).into_iter().flatten() {
            let Some(named) = resource.get("catalog_name") else { continue };
            let Some(text) = named.as_str().filter(|text| *text != catalog && !text.contains("${")) else { continue };
            if kind == "registered_models" && shared.contains(&key.as_str()) {
                continue;
            }
            let summary = format!("`{kind}.{key}` lies in catalog `{text}`, and `{environment}` has `{catalog}`");
            let detail = format!(
                "Everything that `{environment}` makes lies in the catalog that mlops-deploy.yml gives it. Name that one \
                 here, or take `catalog` out of `environments.{environment}`."
            );
            found.push(Diagnostic::error(summary).detail(detail).at_tree(named));
        }
    }
    found
}
