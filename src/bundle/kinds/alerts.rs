//! SQL alerts: `/api/2.0/alerts`. A delete by the API only trashes; a bundle purges.

use super::review::Fact;
use super::rules::output_only;
use super::{
    Api, Call, Child, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, permissions,
};

pub static KIND: Kind = Kind {
    name: "alerts",
    title: "alert",
    message: "bundle.Alert",
    state: "sql.AlertV2",
    remote: "sql.AlertV2",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/alertsv2/{id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_READ"), run: Some("CAN_RUN"), owner: false },
    }),
    prefix: Prefix::Verbatim,
    name_field: "display_name",
    api: Api {
        create: Route { method: Method::Post, path: "/api/2.0/alerts", query: &[], body: &[Part::State] },
        folder: Some("parent_path"),
        find: Find::Again,
        id: Id::Reply("id"),
        read: Route { method: Method::Get, path: "/api/2.0/alerts/{id}", query: &[], body: &[] },
        lift: &[Lift::All],
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.0/alerts/{id}",
                query: &[("update_mask", "*")],
                body: &[Part::State],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.0/alerts/{id}",
            query: &[("purge", "true")],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        output_only("create_time"),
        output_only("effective_run_as"),
        output_only("id"),
        output_only("lifecycle_state"),
        output_only("owner_user_name"),
        output_only("update_time"),
        output_only("evaluation.last_evaluated_at"),
        output_only("evaluation.state"),
    ],
    loses: Loses { identity: true, data: "its evaluation history" },
    facts: &[Fact::Value("schedule"), Fact::Value("run_as"), Fact::Fields("", &["warehouse_id"])],
    page: Some("sql/alerts-v2/{id}"),
    ..Kind::PLAIN
};
