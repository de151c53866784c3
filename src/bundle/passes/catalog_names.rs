//! A volume, model, pipeline, endpoint or monitor that names a schema or catalog of the bundle by text depends on it.
//!
//! The text becomes a reference: what it names is then made first, and a prefix on a schema's name
//! reaches those that lie in it. A volume's path follows from its schema as well, and may be
//! referenced before anything is deployed.

use std::collections::HashMap;

use crate::bundle::passes::bundle::Bundle;
use crate::bundle::passes::lists::by_key;
use crate::bundle::syntax::reference;
use crate::domain::{Diagnostic, Map, Node, Path, Tree};

/// The pass: text becomes a reference.
pub fn refer_to_schemas(bundle: &mut Bundle<'_>) {
    // What Python code added knows of what it added alone, and nothing in the files knows of that.
    let mut schemas: HashMap<(bool, String, String), String> = HashMap::new();
    let group = bundle.config.find(&["resources", "schemas"]).and_then(Tree::as_map);
    for (key, schema) in group.into_iter().flatten() {
        if let (Some(catalog), Some(name)) = (schema.text(&["catalog_name"]), schema.text(&["name"])) {
            let added = bundle.facts.python.added("schemas", key);
            let best = schemas.entry((added, catalog.to_owned(), name.to_owned())).or_default();
            if *best < *key {
                best.clone_from(key);
            }
        }
    }
    if schemas.is_empty() {
        return;
    }
    let facts = bundle.facts;
    for (kind, within, catalog, schema) in PLACES {
        for (key, resource) in by_key(bundle, kind) {
            let Some(place) = resource.find_mut(within) else { continue };
            let (Some(in_catalog), Some(name)) = (place.text(&[catalog]), place.text(&[schema])) else {
                continue;
            };
            let added = facts.python.added(kind, key);
            if let Some(key) = schemas.get(&(added, in_catalog.to_owned(), name.to_owned()))
                && let Some(tree) = place.get_mut(schema)
            {
                tree.node = Node::String(format!("${{resources.schemas.{key}.name}}"));
            }
        }
    }
    for (key, monitor) in by_key(bundle, "quality_monitors") {
        let added = facts.python.added("quality_monitors", key);
        let Some(tree) = monitor.get_mut("output_schema_name") else { continue };
        let Some((catalog, name)) = tree.as_str().and_then(|text| text.split_once('.')) else { continue };
        if let Some(key) = schemas.get(&(added, catalog.to_owned(), name.to_owned())) {
            tree.node = Node::String(format!("{catalog}.${{resources.schemas.{key}.name}}"));
        }
    }
}

/// The pass: the same for catalogs. It comes after schemas, which are known by the catalog that is written.
pub fn refer_to_catalogs(bundle: &mut Bundle<'_>) {
    let mut catalogs: HashMap<(bool, String), String> = HashMap::new();
    let group = bundle.config.find(&["resources", "catalogs"]).and_then(Tree::as_map);
    for (key, catalog) in group.into_iter().flatten() {
        if let Some(name) = catalog.text(&["name"]) {
            let best = catalogs.entry((bundle.facts.python.added("catalogs", key), name.to_owned())).or_default();
            if *best < *key {
                best.clone_from(key);
            }
        }
    }
    let facts = bundle.facts;
    let reference = |added: bool, name: &str| {
        let key = catalogs.get(&(added, name.to_owned()))?;
        Some(format!("${{resources.catalogs.{key}.name}}"))
    };
    let alone: (&str, &[&str], &str) = ("schemas", &[], "catalog_name");
    let places = PLACES.iter().map(|(kind, within, catalog, _)| (*kind, *within, *catalog));
    for (kind, within, catalog) in places.chain([alone]) {
        for (key, resource) in by_key(bundle, kind) {
            let Some(tree) = resource.find_mut(within).and_then(|place| place.get_mut(catalog)) else { continue };
            let known = tree.as_str().and_then(|name| reference(facts.python.added(kind, key), name));
            if let Some(known) = known {
                tree.node = Node::String(known);
            }
        }
    }
    for (key, monitor) in by_key(bundle, "quality_monitors") {
        let Some(tree) = monitor.get_mut("output_schema_name") else { continue };
        let Some((catalog, schema)) = tree.as_str().and_then(|text| text.split_once('.')) else { continue };
        if let Some(known) = reference(facts.python.added("quality_monitors", key), catalog) {
            tree.node = Node::String(format!("{known}.{schema}"));
        }
    }
}

/// Where a kind names a catalog and a schema in it, beside each other.
const PLACES: [(&str, &[&str], &str, &str); 6] = [
    ("volumes", &[], "catalog_name", "schema_name"),
    ("registered_models", &[], "catalog_name", "schema_name"),
    ("pipelines", &[], "catalog", "schema"),
    ("pipelines", &[], "catalog", "target"),
    ("model_serving_endpoints", &["config", "auto_capture_config"], "catalog_name", "schema_name"),
    ("model_serving_endpoints", &["ai_gateway", "inference_table_config"], "catalog_name", "schema_name"),
];

/// The pass: every volume's path, and the references to it.
pub fn volume_paths(bundle: &mut Bundle<'_>) {
    let mut paths: HashMap<String, String> = HashMap::new();
    let mut found = Vec::new();
    let volumes = bundle.config.find(&["resources", "volumes"]).and_then(Tree::as_map);
    for (key, volume) in volumes.into_iter().flatten() {
        if volume.get("volume_path").is_some_and(|p| !p.is_null()) {
            let at = Path::of(&["resources", "volumes", key, "volume_path"]);
            let what = format!("{at} is computed and read-only; remove it from the configuration");
            found.push(Diagnostic::error(what));
            continue;
        }
        let part = |name: &str| through(&bundle.config, volume.get(name).and_then(Tree::as_str).unwrap_or_default());
        paths
            .insert(key.clone(), format!("/Volumes/{}/{}/{}", part("catalog_name"), part("schema_name"), part("name")));
    }
    if !found.is_empty() {
        bundle.diagnostics.extend(found);
        return;
    }
    let volumes = bundle.config.find_mut(&["resources", "volumes"]).and_then(Tree::as_map_mut);
    for (key, volume) in volumes.into_iter().flat_map(Map::iter_mut) {
        if let Some(path) = paths.get(key).filter(|_| volume.as_map().is_some()) {
            volume.set(&["volume_path"], path.as_str());
        }
    }
    if let Err(name) = put_paths(&mut bundle.config, &paths) {
        bundle.report(Diagnostic::error(format!("reference does not exist: ${{{name}}}")));
    }
}

/// What a reference to another resource that stands alone leads to: one step and no further, as far as that is text.
fn through(config: &Tree, text: &str) -> String {
    let alone = reference::whole(text).filter(|one| one.name.starts_with("resources."));
    let alone = alone.and_then(|one| config.at(&one.path()));
    alone.and_then(Tree::as_str).unwrap_or(text).to_owned()
}

/// The error is the name of a reference to a volume that is not there.
fn put_paths(tree: &mut Tree, paths: &HashMap<String, String>) -> Result<(), String> {
    match &mut tree.node {
        Node::String(text) if text.contains(".volume_path}") => {
            let mut out = text.clone();
            for reference in reference::all(text).into_iter().rev() {
                let volume =
                    reference.name.strip_prefix("resources.volumes.").and_then(|r| r.strip_suffix(".volume_path"));
                if let Some(volume) = volume.filter(|v| !v.contains('.')) {
                    let path = paths.get(volume).ok_or_else(|| reference.name.to_owned())?;
                    out.replace_range(reference.range, path);
                }
            }
            *text = out;
        }
        Node::List(list) => list.iter_mut().try_for_each(|item| put_paths(item, paths))?,
        Node::Map(map) => map.values_mut().try_for_each(|value| put_paths(value, paths))?,
        _ => {}
    }
    Ok(())
}
