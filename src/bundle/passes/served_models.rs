//! `served_models`, the old name of an endpoint's `served_entities`.

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::lists::resources;
use crate::domain::{Diagnostic, Tree};

/// The pass: the new name is what is printed and sent.
pub fn rename(bundle: &mut Bundle<'_>) {
    let mut found = Vec::new();
    for endpoint in resources(bundle, "model_serving_endpoints") {
        let place = endpoint.clone();
        let Some(config) = endpoint.get_mut("config") else { continue };
        let has = |config: &Tree, key: &str| config.get(key).and_then(Tree::as_list).is_some_and(|l| !l.is_empty());
        if !has(config, "served_models") {
            continue;
        }
        if has(config, "served_entities") {
            let why = "An endpoint names what it serves once: as served_entities.";
            found.push(
                Diagnostic::error("Cannot use both served_models and served_entities").at_tree(&place).detail(why),
            );
            continue;
        }
        let Some(mut models) = config.remove("served_models") else { continue };
        let why = "What was called served_models is called served_entities now.";
        found.push(Diagnostic::warning("Using served_models is deprecated").at_tree(&models).detail(why));
        for model in models.as_list_mut().into_iter().flatten() {
            for (old, new) in [("model_name", "entity_name"), ("model_version", "entity_version")] {
                if let Some(value) = model.remove(old) {
                    model.set(&[new], value);
                }
            }
        }
        config.set(&["served_entities"], models);
    }
    bundle.diagnostics.extend(found);
}
