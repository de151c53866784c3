//! Variables whose value is the id of something in the workspace, found by its name.
//!
//! Only the workspace knows it, and this engine asks nobody: what it needs to know is told in
//! `Resolved::lookups`, and the bundle is resolved again once the answers are among the facts.
//! Without them, offline, the variable stays a reference.

use std::collections::BTreeMap;

use crate::bundle::reference;
use crate::bundle::resolve::Bundle;
use crate::domain::{Diagnostic, Tree};

/// What is looked for: the kind as the bundle calls it, and the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lookup {
    pub kind: &'static Kind,
    pub name: String,
}

/// The ids that were found; in words what is wrong where there is not exactly one.
pub type Found = BTreeMap<Lookup, Result<String, String>>;

/// How a kind is listed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The field of `lookup`.
    pub field: &'static str,
    pub path: &'static str,
    pub query: &'static [(&'static str, &'static str)],
    /// The list in the answer, and in each item the name and the id, as dotted paths.
    pub items: &'static str,
    pub name: &'static str,
    pub id: &'static str,
    /// What a message calls one of these.
    pub title: &'static str,
}

/// The kinds that can be looked up, by name.
pub static KINDS: [Kind; 11] = [
    kind("alert", "/api/2.0/sql/alerts", "results", "display_name", "id", "ListAlertsResponseAlert"),
    Kind {
        query: &[("filter_by.cluster_sources", "API"), ("filter_by.cluster_sources", "UI")],
        ..kind("cluster", "/api/2.1/clusters/list", "clusters", "cluster_name", "cluster_id", "cluster")
    },
    kind("cluster_policy", "/api/2.0/policies/clusters/list", "policies", "name", "policy_id", "Policy"),
    kind(
        "instance_pool",
        "/api/2.0/instance-pools/list",
        "instance_pools",
        "instance_pool_name",
        "instance_pool_id",
        "InstancePoolAndStats",
    ),
    kind("job", "/api/2.2/jobs/list", "jobs", "settings.name", "job_id", "BaseJob"),
    kind("metastore", "/api/2.1/unity-catalog/metastores", "metastores", "name", "metastore_id", "metastore"),
    kind(
        "notification_destination",
        "/api/2.0/notification-destinations",
        "results",
        "display_name",
        "id",
        "ListNotificationDestinationsResult",
    ),
    kind("pipeline", "/api/2.0/pipelines", "statuses", "name", "pipeline_id", "PipelineStateInfo"),
    kind("query", "/api/2.0/sql/queries", "results", "display_name", "id", "ListQueryObjectsResponseQuery"),
    kind(
        "service_principal",
        "/api/2.0/preview/scim/v2/ServicePrincipals",
        "Resources",
        "displayName",
        "applicationId",
        "service principal",
    ),
    kind("warehouse", "/api/2.0/sql/warehouses", "warehouses", "name", "id", "EndpointInfo"),
];

const fn kind(
    field: &'static str,
    path: &'static str,
    items: &'static str,
    name: &'static str,
    id: &'static str,
    title: &'static str,
) -> Kind {
    Kind { field, path, query: &[], items, name, id, title }
}

/// The pass: before references to variables are resolved.
pub fn resolve(bundle: &mut Bundle<'_>) {
    let config = bundle.config.clone();
    for (name, variable) in config.get("variables").and_then(Tree::as_map).into_iter().flatten() {
        let Some(lookup) = variable.get("lookup").filter(|lookup| !lookup.is_null()) else { continue };
        if variable.get("value").is_some_and(|value| !value.is_null()) {
            continue;
        }
        match value(bundle, lookup, name, &config) {
            Ok(Some(value)) => bundle.config.set(&["variables", name, "value"], value),
            Ok(None) => {}
            Err(what) => return bundle.report(Diagnostic::error(what)),
        }
    }
}

fn value(bundle: &mut Bundle<'_>, lookup: &Tree, variable: &str, config: &Tree) -> Result<Option<String>, String> {
    let fields: Vec<(&String, &str)> = lookup
        .as_map()
        .into_iter()
        .flatten()
        .filter_map(|(field, name)| Some((field, name.as_str().filter(|name| !name.is_empty())?)))
        .collect();
    let [(field, name)] = fields[..] else {
        let what = if fields.is_empty() {
            "no valid lookup fields provided"
        } else {
            "exactly one lookup field must be provided"
        };
        return Err(format!("failed to resolve , err: {what}"));
    };
    let (Some(kind), Some(name)) = (KINDS.iter().find(|kind| kind.field == field), plain(name, config, 0)) else {
        bundle.refuse(format!("variables.{variable}.lookup.{field}"), lookup);
        return Ok(None);
    };
    let wanted = Lookup { kind, name };
    let word = field.replace('_', "-");
    match bundle.facts.lookups.get(&wanted) {
        Some(Ok(id)) => Ok(Some(id.clone())),
        Some(Err(why)) => Err(format!("failed to resolve {word}: {}, err: {why}", wanted.name)),
        None => {
            let left = format!("${{lookup.{field}.{}}}", wanted.name);
            bundle.lookups.push(wanted);
            Ok(Some(left))
        }
    }
}

/// How many references may lead to one another in a name.
const DEEPEST: usize = 10;

/// A name with what it refers to: variables, and the bundle's and the workspace's own fields.
/// None where another lookup or anything that is not a text stands in it.
fn plain(name: &str, config: &Tree, depth: usize) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    let mut out = name.to_owned();
    for reference in reference::all(name).into_iter().rev() {
        let path: Vec<&str> = reference.name.split('.').collect();
        let value = match path[..] {
            ["var", variable] => {
                let variable = config.find(&["variables", variable])?;
                if variable.get("lookup").is_some_and(|lookup| !lookup.is_null()) {
                    return None;
                }
                variable.get("value")?.as_str()?
            }
            ["bundle" | "workspace", ..] => config.text(&path)?,
            // What only a deployment knows stays as it is written.
            _ => continue,
        };
        out.replace_range(reference.range, &plain(value, config, depth + 1)?);
    }
    Some(out)
}
