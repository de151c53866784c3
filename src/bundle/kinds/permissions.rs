//! Who may do what with a job, a pipeline, an experiment: the child node `permissions`.
//!
//! The list is put whole: entries that are not written go. There is no delete: when the list
//! or its parent goes, the node is forgotten.

use super::review::Fact;
use super::{Api, Call, Find, Id, Kind, Lift, Loses, Method, Part, Prefix, Route, Sent};

pub static KIND: Kind = Kind {
    name: "permissions",
    title: "permissions",
    message: "bundle.Permissions",
    state: "bundle.Permissions",
    remote: "bundle.Permissions",
    prefix: Prefix::None,
    name_field: "object_id",
    api: Api {
        create: Route {
            method: Method::Put,
            path: "/api/2.0/permissions{object_id}",
            query: &[],
            body: &[Part::AccessControlList],
        },
        find: Find::Again,
        id: Id::State("{object_id}"),
        read: Route { method: Method::Get, path: "/api/2.0/permissions{id}", query: &[], body: &[] },
        lift: &[Lift::AccessControlList],
        update: &[Call {
            route: Route {
                method: Method::Put,
                path: "/api/2.0/permissions{object_id}",
                query: &[],
                body: &[Part::AccessControlList],
            },
            when: Sent::Always,
        }],
        delete: None,
        ..Api::PLAIN
    },
    rules: &[],
    keyed: &[("__embed__", "group_name"), ("__embed__", "service_principal_name"), ("__embed__", "user_name")],
    loses: Loses { identity: false, data: "" },
    facts: &[Fact::Value("__embed__.*.level")],
    page: None,
    ..Kind::PLAIN
};
