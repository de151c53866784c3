//! Pipelines: `/api/2.0/pipelines`.

use super::review::{CLUSTER, Fact};
use super::rules::{backend_default, ignore_remote, recreate};
use super::{
    Active, Api, Call, Child, Destroys, Entries, Find, Id, Kind, Levels, Lift, List, Loses, Method, Part, Prefix,
    Route, Seen, Sent, permissions,
};

pub static KIND: Kind = Kind {
    name: "pipelines",
    title: "pipeline",
    message: "bundle.Pipeline",
    state: "bundle.PipelineState",
    remote: "bundle.PipelineRemote",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/pipelines/{id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_VIEW"), run: Some("CAN_RUN"), owner: true },
    }),
    prefix: Prefix::Verbatim,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/pipelines",
            query: &[],
            body: &[Part::StateWithout(&["cascade_on_destroy"])],
        },
        find: Find::ByList {
            list: List {
                path: "/api/2.0/pipelines",
                query: &[("filter", "name LIKE '{name}'")],
                items: "statuses",
                id: "pipeline_id",
                page: ("page_token", "next_page_token"),
            },
            matches: ("spec.deployment.metadata_file_path", "deployment.metadata_file_path"),
        },
        id: Id::Reply("pipeline_id"),
        read: Route { method: Method::Get, path: "/api/2.0/pipelines/{id}", query: &[], body: &[] },
        lift: &[Lift::Object("spec"), Lift::All],
        // The list answers without the specification, so it cannot stand for a read each.
        update: &[Call {
            route: Route {
                method: Method::Put,
                path: "/api/2.0/pipelines/{id}",
                query: &[],
                body: &[Part::StateWithout(&["cascade_on_destroy"])],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.0/pipelines/{id}",
            query: &[("cascade", "{cascade_on_destroy}")],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        ignore_remote("run_as", "input_only"),
        ignore_remote("allow_duplicate_names", "input_only"),
        backend_default("storage"),
        recreate("storage", "immutable"),
        recreate("gateway_definition.connection_id", "immutable"),
        recreate("gateway_definition.connection_name", "immutable"),
        recreate("gateway_definition.gateway_storage_catalog", "immutable"),
        recreate("gateway_definition.gateway_storage_schema", "immutable"),
        recreate("ingestion_definition.connection_name", "immutable"),
        recreate("ingestion_definition.ingest_from_uc_foreign_catalog", "immutable"),
        recreate("ingestion_definition.ingestion_gateway_id", "immutable"),
        backend_default("clusters.*.driver_node_type_id"),
        backend_default("clusters.*.enable_local_disk_encryption"),
        backend_default("clusters.*.node_type_id"),
    ],
    active: Some(Active {
        route: Route { method: Method::Get, path: "/api/2.0/pipelines/{id}", query: &[], body: &[] },
        seen: Seen::StateBeside("state", &["IDLE", "FAILED", "DELETED"]),
    }),
    loses: Loses { identity: true, data: "its tables and checkpoints, unless they are kept elsewhere" },
    destroys: Some(Destroys {
        rank: 2,
        deploy: "This action will result in the deletion or recreation of the following Lakeflow Spark Declarative \
                 Pipelines along with the\nStreaming Tables (STs) and Materialized Views (MVs) managed by them. \
                 Recreating the pipelines will\nrestore the defined STs and MVs through full refresh. Note that \
                 recreation is necessary when pipeline\nproperties such as the 'catalog' or 'storage' are changed:",
        destroy: "This action will result in the deletion of the following Lakeflow Spark Declarative Pipelines \
                  along with the\nStreaming Tables (STs) and Materialized Views (MVs) managed by them. Set \
                  'cascade_on_destroy: false' on a pipeline to retain datasets on pipeline deletion:",
    }),
    facts: &[
        Fact::Fields("", &["continuous", "serverless", "development", "edition", "photon"]),
        Fact::Fields("", &["catalog", "schema", "target", "storage"]),
        Fact::Value("run_as"),
        Fact::Fields("clusters.*", CLUSTER),
        Fact::Count("libraries"),
    ],
    page: Some("pipelines/{id}"),
    ..Kind::PLAIN
};
