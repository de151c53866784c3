//! Who may do what with a job, a pipeline, an experiment: the child node `permissions`.
//!
//! The list is put whole: entries that are not written go. There is no delete: when the list
//! or its parent goes, the node is forgotten.

use super::review::Fact;
use super::{Api, Call, Find, Holds, Id, Kind, Lift, Loses, Method, Part, Prefix, Route, Sent};

pub static KIND: Kind = Kind {
    name: "permissions",
    title: "permissions",
    message: "bundle.Permissions",
    state: "bundle.Permissions",
    remote: "bundle.Permissions",
    child: None,
    renamed: &[],
    told: &[],
    prefix: Prefix::None,
    name_field: "object_id",
    api: Api {
        create: Route {
            method: Method::Put,
            path: "/api/2.0/permissions{object_id}",
            query: &[],
            body: &[Part::AccessControlList],
        },
        after_create: &[],
        folder: None,
        kept: &[],
        kept_of_read: &[],
        lingers: None,
        wait: None,
        find: Find::Again,
        id: Id::State("{object_id}"),
        read: Route { method: Method::Get, path: "/api/2.0/permissions{id}", query: &[], body: &[] },
        read_also: None,
        lift: &[Lift::AccessControlList],
        list: None,
        update: &[Call {
            route: Route {
                method: Method::Put,
                path: "/api/2.0/permissions{object_id}",
                query: &[],
                body: &[Part::AccessControlList],
            },
            when: Sent::Always,
        }],
        resize: None,
        rename: None,
        delete: None,
    },
    rules: &[],
    keyed: &[("__embed__", "group_name"), ("__embed__", "service_principal_name"), ("__embed__", "user_name")],
    hashed: &[],
    added: &[],
    active: None,
    holds: Holds::Nothing,
    loses: Loses { identity: false, data: "" },
    destroys: None,
    facts: &[Fact::Value("__embed__.*.level")],
    page: None,
};
