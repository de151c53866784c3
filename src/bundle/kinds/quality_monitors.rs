//! Quality monitors of tables: `/api/2.1/unity-catalog/tables/{table}/monitor`.
//!
//! A table has one monitor, and its name is the id.

use super::review::Fact;
use super::rules::{named, recreate};
use super::{Api, Call, Find, Id, Kind, Lift, Loses, Method, Part, Prefix, Route, Sent, Wait};

pub static KIND: Kind = Kind {
    name: "quality_monitors",
    title: "quality monitor",
    message: "bundle.QualityMonitor",
    state: "catalog.CreateMonitor",
    remote: "catalog.MonitorInfo",
    prefix: Prefix::None,
    name_field: "table_name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.1/unity-catalog/tables/{table_name}/monitor",
            query: &[],
            body: &[Part::StateWithout(&["table_name"])],
        },
        wait: Some(Wait {
            field: "status",
            during: &["MONITOR_STATUS_PENDING"],
            failed: &["MONITOR_STATUS_ERROR", "MONITOR_STATUS_FAILED"],
        }),
        find: Find::ById("{table_name}"),
        id: Id::State("{table_name}"),
        read: Route { method: Method::Get, path: "/api/2.1/unity-catalog/tables/{id}/monitor", query: &[], body: &[] },
        lift: &[Lift::All],
        update: &[Call {
            route: Route {
                method: Method::Put,
                path: "/api/2.1/unity-catalog/tables/{id}/monitor",
                query: &[],
                body: &[Part::StateWithout(&["assets_dir", "skip_builtin_dashboard", "table_name", "warehouse_id"])],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.1/unity-catalog/tables/{id}/monitor",
            query: &[],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[recreate("assets_dir", "immutable"), named("table_name", "id_field")],
    loses: Loses { identity: false, data: "its past metrics, with the tables they lie in" },
    facts: &[Fact::Fields("", &["table_name", "output_schema_name", "warehouse_id"]), Fact::Value("schedule")],
    page: Some("explore/data/{table_name/}"),
    ..Kind::PLAIN
};
