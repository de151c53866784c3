//! What an environment makes lies in its catalog.

use crate::domain::{Diagnostic, Tree};

/// `config` is the target of an environment that has `catalog`. Models whose keys are in `shared` are those of all
/// environments: their catalog is nobody's own.
pub fn findings(config: &Tree, environment: &str, catalog: &str, shared: &[&str]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (kind, field) in NAMING_IT {
        for (key, resource) in config.find(&["resources", kind]).and_then(Tree::as_map).into_iter().flatten() {
            let Some(named) = resource.get(field) else { continue };
            let Some(text) = named.as_str().and_then(|text| of(config, text)) else { continue };
            if text == catalog || text.contains("${") {
                continue;
            }
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

/// The catalog that a full name begins with, also where that is one of the bundle's own.
fn of<'t>(config: &'t Tree, name: &'t str) -> Option<&'t str> {
    let own = name.strip_prefix("${resources.catalogs.").and_then(|rest| rest.split_once('}')?.0.split_once('.'));
    match own {
        Some((key, "name" | "id" | "full_name")) => config.text(&["resources", "catalogs", key, "name"]),
        _ => name.split('.').next(),
    }
}

/// Where a kind names its catalog, alone or as the first part of a full name.
const NAMING_IT: [(&str, &str); 5] = [
    ("schemas", "catalog_name"),
    ("volumes", "catalog_name"),
    ("registered_models", "catalog_name"),
    ("vector_search_indexes", "name"),
    ("synced_database_tables", "name"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn named(kind: &str, field: &str, name: &str) -> Vec<String> {
        let mut config = Tree::map();
        config.set(&["resources", "catalogs", "own", "name"], "other");
        config.set(&["resources", kind, "it", field], name);
        findings(&config, "dev", "dev", &[]).into_iter().map(|found| found.summary).collect()
    }

    #[test]
    fn what_lies_elsewhere_is_found_also_by_a_full_name_or_through_a_catalog_of_the_bundle() {
        for (kind, field, name) in [
            ("schemas", "catalog_name", "other"),
            ("schemas", "catalog_name", "${resources.catalogs.own.name}"),
            ("vector_search_indexes", "name", "other.s.index"),
            ("vector_search_indexes", "name", "${resources.catalogs.own.id}.s.index"),
        ] {
            let found = named(kind, field, name);
            assert_eq!(found, [format!("`{kind}.it` lies in catalog `other`, and `dev` has `dev`")], "{name}");
        }
        for name in ["dev.s.index", "${resources.schemas.s.id}.index"] {
            assert_eq!(named("vector_search_indexes", "name", name), [""; 0]);
        }
    }
}
