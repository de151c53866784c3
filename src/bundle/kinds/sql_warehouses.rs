//! SQL warehouses: `/api/2.0/sql/warehouses`.

use super::review::Fact;
use super::rules::{backend_default, ignore_remote, remote_only};
use super::{
    Api, Call, Child, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, Wait,
    permissions,
};

pub static KIND: Kind = Kind {
    name: "sql_warehouses",
    title: "SQL warehouse",
    message: "bundle.SqlWarehouse",
    state: "bundle.SqlWarehouseState",
    remote: "bundle.SqlWarehouseRemote",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/sql/warehouses/{id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_VIEW"), run: Some("CAN_MONITOR"), owner: true },
    }),
    prefix: Prefix::Verbatim,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/sql/warehouses",
            query: &[],
            body: &[Part::StateWithout(&["lifecycle"])],
        },
        after_create: &[Call { route: Route::bare("/api/2.0/sql/warehouses/{id}/stop"), when: Sent::Started(false) }],
        wait: Some(Wait { field: "state", during: &["STARTING", "STOPPING"], failed: &["DELETED"] }),
        find: Find::Again,
        id: Id::Reply("id"),
        read: Route { method: Method::Get, path: "/api/2.0/sql/warehouses/{id}", query: &[], body: &[] },
        lift: &[Lift::All, Lift::Started("state", &["STARTING", "RUNNING"])],
        update: &[
            Call {
                route: Route {
                    method: Method::Post,
                    path: "/api/2.0/sql/warehouses/{id}/edit",
                    query: &[],
                    body: &[Part::StateWithout(&["lifecycle"])],
                },
                when: Sent::Beside(&["lifecycle", "lifecycle.started"]),
            },
            Call { route: Route::bare("/api/2.0/sql/warehouses/{id}/start"), when: Sent::Started(true) },
            Call { route: Route::bare("/api/2.0/sql/warehouses/{id}/stop"), when: Sent::StartedIs(false) },
        ],
        delete: Some(Route { method: Method::Delete, path: "/api/2.0/sql/warehouses/{id}", query: &[], body: &[] }),
        ..Api::PLAIN
    },
    rules: &[
        ignore_remote("creator_name", "output_only"),
        remote_only("min_num_clusters", "managed"),
        remote_only("warehouse_type", "managed"),
        backend_default("lifecycle"),
    ],
    loses: Loses { identity: true, data: "" },
    facts: &[Fact::Fields(
        "",
        &[
            "warehouse_type",
            "cluster_size",
            "min_num_clusters",
            "max_num_clusters",
            "auto_stop_mins",
            "enable_serverless_compute",
            "spot_instance_policy",
        ],
    )],
    page: Some("sql/warehouses/{id}"),
    ..Kind::PLAIN
};
