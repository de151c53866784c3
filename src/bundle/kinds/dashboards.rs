//! AI/BI dashboards: `/api/2.0/lakeview/dashboards`, draft and publication.
//!
//! The workspace writes a dashboard's document anew, so that it cannot be compared with what
//! was sent; its `etag`, kept from the last answer, says whether somebody edited it since.

use super::review::Fact;
use super::rules::{ignore_remote, mark, output_only, recreate};
use super::{
    Api, Call, Child, Destroys, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent,
    permissions,
};

const QUERY: &[(&str, &str)] = &[("dataset_catalog", "{dataset_catalog}"), ("dataset_schema", "{dataset_schema}")];
const BODY: &[Part] = &[
    Part::Field("display_name"),
    Part::Field("parent_path"),
    Part::Text("serialized_dashboard"),
    Part::Field("warehouse_id"),
];
const PUBLISH: Call = Call {
    route: Route {
        method: Method::Post,
        path: "/api/2.0/lakeview/dashboards/{id}/published",
        query: &[],
        body: &[Part::Field("embed_credentials"), Part::Field("warehouse_id")],
    },
    when: Sent::Always,
};

pub static KIND: Kind = Kind {
    name: "dashboards",
    title: "dashboard",
    message: "bundle.Dashboard",
    state: "bundle.DashboardState",
    remote: "bundle.DashboardState",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/dashboards/{id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_READ"), run: None, owner: false },
    }),
    prefix: Prefix::Verbatim,
    name_field: "display_name",
    api: Api {
        create: Route { method: Method::Post, path: "/api/2.0/lakeview/dashboards", query: QUERY, body: BODY },
        after_create: &[PUBLISH],
        folder: Some("parent_path"),
        kept: &["etag"],
        find: Find::Again,
        id: Id::Reply("dashboard_id"),
        read: Route { method: Method::Get, path: "/api/2.0/lakeview/dashboards/{id}", query: &[], body: &[] },
        read_also: Some((
            "published",
            Route { method: Method::Get, path: "/api/2.0/lakeview/dashboards/{id}/published", query: &[], body: &[] },
        )),
        lift: &[Lift::Dashboard],
        update: &[
            Call {
                route: Route {
                    method: Method::Patch,
                    path: "/api/2.0/lakeview/dashboards/{id}",
                    query: QUERY,
                    body: BODY,
                },
                when: Sent::Always,
            },
            PUBLISH,
        ],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.0/lakeview/dashboards/{id}",
            query: &[],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        output_only("create_time"),
        output_only("dashboard_id"),
        output_only("lifecycle_state"),
        output_only("path"),
        output_only("update_time"),
        mark("etag", "custom"),
        ignore_remote("serialized_dashboard", "etag_based"),
        ignore_remote("dataset_catalog", "input_only"),
        ignore_remote("dataset_schema", "input_only"),
        recreate("parent_path", "spec:immutable"),
    ],
    hashed: &["serialized_dashboard"],
    added: &[("published", true)],
    loses: Loses { identity: true, data: "" },
    destroys: Some(Destroys {
        rank: 4,
        deploy: "This action will result in the deletion or recreation of the following dashboards.\nThis will \
                 result in changed IDs and permanent URLs of the dashboards that will be recreated:",
        destroy: "This action will result in the deletion of the following dashboards:",
    }),
    facts: &[Fact::Fields(
        "",
        &["parent_path", "warehouse_id", "embed_credentials", "dataset_catalog", "dataset_schema"],
    )],
    page: Some("dashboardsv3/{id}/published"),
    ..Kind::PLAIN
};
