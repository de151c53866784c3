//! What variables can look up in the workspace by its name, and how it is listed there.

use std::collections::BTreeMap;

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
