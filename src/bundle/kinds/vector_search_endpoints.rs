//! Vector search endpoints: `/api/2.0/vector-search/endpoints`.
//!
//! The name is the id; permissions go by another one, which only the workspace knows. An endpoint has no request that
//! sets all of it: queries per second and budget policy have one each, the usage policy is taken at creation alone.

use super::review::Fact;
use super::rules::{ignore_remote, named, recreate};
use super::{
    Api, Call, Child, Entries, Find, Holds, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, Wait,
    permissions,
};

pub static KIND: Kind = Kind {
    name: "vector_search_endpoints",
    title: "vector search endpoint",
    message: "bundle.VectorSearchEndpoint",
    state: "vectorsearch.CreateEndpoint",
    remote: "bundle.VectorSearchEndpointRemote",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/vector-search-endpoints/{endpoint_uuid}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_USE"), run: None, owner: false },
    }),
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/vector-search/endpoints",
            query: &[],
            body: &[Part::State],
        },
        wait: Some(Wait { field: "endpoint_status.state", during: &["PROVISIONING"], failed: &["OFFLINE", "DELETED"] }),
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route { method: Method::Get, path: "/api/2.0/vector-search/endpoints/{id}", query: &[], body: &[] },
        lift: &[
            Lift::All,
            Lift::FieldAs("id", "endpoint_uuid"),
            Lift::FieldAs("scaling_info.requested_target_qps", "target_qps"),
        ],
        update: &[
            Call {
                route: Route {
                    method: Method::Patch,
                    path: "/api/2.0/vector-search/endpoints/{id}/budget-policy",
                    query: &[],
                    body: &[Part::Field("budget_policy_id"), Part::EmptyText("budget_policy_id")],
                },
                when: Sent::On("budget_policy_id"),
            },
            Call {
                route: Route {
                    method: Method::Patch,
                    path: "/api/2.0/vector-search/endpoints/{id}",
                    query: &[],
                    body: &[Part::NonZero("target_qps")],
                },
                when: Sent::On("target_qps"),
            },
        ],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.0/vector-search/endpoints/{id}",
            query: &[],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        ignore_remote("budget_policy_id", "effective_vs_requested"),
        named("name", "id_field"),
        recreate("endpoint_type", "immutable"),
    ],
    holds: Holds::Listed(
        Route {
            method: Method::Get,
            path: "/api/2.0/vector-search/indexes",
            query: &[("endpoint_name", "{name}")],
            body: &[],
        },
        "vector_indexes",
    ),
    loses: Loses { identity: true, data: "its route: queries of its indexes fail until they are built again" },
    facts: &[Fact::Fields("", &["name", "endpoint_type", "target_qps", "budget_policy_id", "usage_policy_id"])],
    page: Some("compute/vector-search/{name}"),
    ..Kind::PLAIN
};
