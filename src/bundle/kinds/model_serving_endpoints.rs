//! Model serving endpoints: `/api/2.0/serving-endpoints`.
//!
//! An endpoint has no request that sets all of it: tags, gateway, configuration,
//! notifications and telemetry have one each, and only those are sent whose part differs. A
//! new configuration takes minutes, and the endpoint takes no other one meanwhile.

use super::review::Fact;
use super::rules::{backend_default, ignore, named, recreate};
use super::{
    Api, Call, Child, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, Wait,
    permissions,
};

pub static KIND: Kind = Kind {
    name: "model_serving_endpoints",
    title: "model serving endpoint",
    message: "bundle.ModelServingEndpoint",
    state: "serving.CreateServingEndpoint",
    remote: "bundle.ModelServingEndpointRemote",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/serving-endpoints/{endpoint_id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_VIEW"), run: Some("CAN_QUERY"), owner: false },
    }),
    prefix: Prefix::Normalised,
    name_field: "name",
    api: Api {
        create: Route { method: Method::Post, path: "/api/2.0/serving-endpoints", query: &[], body: &[Part::State] },
        wait: Some(Wait {
            field: "state.config_update",
            during: &["IN_PROGRESS"],
            failed: &["UPDATE_FAILED", "UPDATE_CANCELED"],
        }),
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route { method: Method::Get, path: "/api/2.0/serving-endpoints/{id}", query: &[], body: &[] },
        lift: &[
            Lift::All,
            Lift::EmptyList("config", "served_entities"),
            Lift::FieldAs("id", "endpoint_id"),
            Lift::Whole("endpoint_details"),
            Lift::ZerosUnshown,
        ],
        update: &[
            part(Method::Patch, "/api/2.0/serving-endpoints/{id}/tags", &[Part::TagChanges], "tags"),
            part(
                Method::Put,
                "/api/2.0/serving-endpoints/{id}/ai-gateway",
                &[Part::Spread("ai_gateway")],
                "ai_gateway",
            ),
            part(Method::Put, "/api/2.0/serving-endpoints/{id}/config", &[Part::Spread("config")], "config"),
            part(
                Method::Patch,
                "/api/2.0/serving-endpoints/{id}/notifications",
                &[Part::Field("email_notifications")],
                "email_notifications",
            ),
            part(
                Method::Patch,
                "/api/2.0/serving-endpoints/{id}/telemetry-config",
                &[Part::Field("telemetry_config")],
                "telemetry_config",
            ),
        ],
        delete: Some(Route { method: Method::Delete, path: "/api/2.0/serving-endpoints/{id}", query: &[], body: &[] }),
        ..Api::PLAIN
    },
    rules: &[
        ignore("budget_policy_id", "no_update_api"),
        ignore("rate_limits", "not_implemented"),
        named("name", "id_field"),
        recreate("description", "immutable"),
        recreate("route_optimized", "immutable"),
        recreate("config.auto_capture_config.catalog_name", "immutable"),
        recreate("config.auto_capture_config.schema_name", "immutable"),
        recreate("config.auto_capture_config.table_name_prefix", "immutable"),
        backend_default("config.traffic_config"),
        backend_default("config.served_entities.*.name"),
    ],
    loses: Loses { identity: true, data: "its route: callers fail until it is ready again" },
    facts: &[
        Fact::Fields("", &["name", "route_optimized"]),
        Fact::Fields(
            "config.served_entities.*",
            &[
                "entity_name",
                "entity_version",
                "workload_size",
                "workload_type",
                "scale_to_zero_enabled",
                "min_provisioned_throughput",
                "max_provisioned_throughput",
                "min_provisioned_concurrency",
                "max_provisioned_concurrency",
                "provisioned_model_units",
            ],
        ),
        Fact::Fields("config.served_entities.*.external_model", &["provider", "name"]),
        Fact::Fields(
            "config.served_models.*",
            &["model_name", "model_version", "workload_size", "workload_type", "scale_to_zero_enabled"],
        ),
        Fact::Value("config.traffic_config.routes"),
        Fact::Value("config.auto_capture_config"),
        Fact::Value("ai_gateway.inference_table_config"),
    ],
    page: Some("ml/endpoints/{id}"),
    ..Kind::PLAIN
};

const fn part(method: Method, path: &'static str, body: &'static [Part], field: &'static str) -> Call {
    Call { route: Route { method, path, query: &[], body }, when: Sent::On(field) }
}
