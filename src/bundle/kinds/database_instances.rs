//! Database instances: `/api/2.0/database/instances`.
//!
//! What is asked for comes back under another name, `effective_…`; the field itself is for the asking alone.

use super::review::Fact;
use super::rules::{input_only, named, output_only, recreate};
use super::{
    Api, Call, Child, Destroys, Entries, Find, Holds, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent,
    Wait, permissions,
};

pub static KIND: Kind = Kind {
    name: "database_instances",
    title: "database instance",
    message: "bundle.DatabaseInstance",
    state: "database.DatabaseInstance",
    remote: "database.DatabaseInstance",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/database-instances/{id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_USE"), run: None, owner: false },
    }),
    told: &[
        ("effective_custom_tags", "custom_tags"),
        ("effective_enable_pg_native_login", "enable_pg_native_login"),
        ("effective_enable_readable_secondaries", "enable_readable_secondaries"),
        ("effective_node_count", "node_count"),
        ("effective_retention_window_in_days", "retention_window_in_days"),
        ("effective_stopped", "stopped"),
        ("effective_usage_policy_id", "usage_policy_id"),
    ],
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route { method: Method::Post, path: "/api/2.0/database/instances", query: &[], body: &[Part::State] },
        wait: Some(Wait { field: "state", during: &["STARTING", "UPDATING"], failed: &["DELETING"] }),
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route { method: Method::Get, path: "/api/2.0/database/instances/{id}", query: &[], body: &[] },
        lift: &[Lift::All],
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.0/database/instances/{id}",
                query: &[("update_mask", "*")],
                body: &[Part::StateWithout(&["uid"]), Part::Id("uid")],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.0/database/instances/{id}",
            query: &[("purge", "true")],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        named("name", "id_field"),
        output_only("child_instance_refs"),
        output_only("creation_time"),
        output_only("creator"),
        output_only("effective_capacity"),
        output_only("effective_custom_tags"),
        output_only("effective_enable_pg_native_login"),
        output_only("effective_enable_readable_secondaries"),
        output_only("effective_node_count"),
        output_only("effective_retention_window_in_days"),
        output_only("effective_stopped"),
        output_only("effective_usage_policy_id"),
        output_only("parent_instance_ref.effective_lsn"),
        output_only("parent_instance_ref.uid"),
        output_only("pg_version"),
        output_only("read_only_dns"),
        output_only("read_write_dns"),
        output_only("state"),
        output_only("uid"),
        input_only("custom_tags"),
        input_only("enable_pg_native_login"),
        input_only("enable_readable_secondaries"),
        input_only("node_count"),
        input_only("parent_instance_ref.lsn"),
        input_only("retention_window_in_days"),
        input_only("stopped"),
        input_only("usage_policy_id"),
        recreate("parent_instance_ref", "spec:immutable"),
    ],
    holds: Holds::Listed(
        Route { method: Method::Get, path: "/api/2.0/database/instances/{name}/catalogs", query: &[], body: &[] },
        "database_catalogs",
    ),
    loses: Loses { identity: true, data: "every database in it" },
    destroys: Some(Destroys {
        rank: 8,
        deploy: "This action will result in the deletion or recreation of the following Lakebase database instances.\n\
                 All data stored in them will be permanently lost:",
        destroy: "This action will result in the deletion of the following Lakebase database instances.\n\
                  All data stored in them will be permanently lost:",
    }),
    facts: &[
        Fact::Fields(
            "",
            &[
                "name",
                "capacity",
                "node_count",
                "enable_readable_secondaries",
                "enable_pg_native_login",
                "retention_window_in_days",
                "stopped",
                "usage_policy_id",
            ],
        ),
        Fact::Fields("parent_instance_ref", &["name", "branch_time", "lsn"]),
    ],
    page: Some("compute/database-instances/{id}"),
    ..Kind::PLAIN
};
