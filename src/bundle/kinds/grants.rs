//! Privileges on a catalog object: the child node `grants`.
//!
//! Sent as changes: each principal gets its list and loses everything else, and a principal
//! that is no longer written loses everything. There is no delete.

use super::review::Fact;
use super::{Api, Call, Find, Id, Kind, Lift, Loses, Method, Part, Prefix, Route, Sent};

pub static KIND: Kind = Kind {
    name: "grants",
    title: "grants",
    message: "bundle.Grants",
    state: "bundle.Grants",
    remote: "bundle.Grants",
    prefix: Prefix::None,
    name_field: "full_name",
    api: Api {
        create: Route {
            method: Method::Patch,
            path: "/api/2.1/unity-catalog/permissions/{securable_type}/{full_name}",
            query: &[],
            body: &[Part::GrantChanges],
        },
        find: Find::Again,
        id: Id::State("{securable_type}/{full_name}"),
        read: Route { method: Method::Get, path: "/api/2.1/unity-catalog/permissions/{id}", query: &[], body: &[] },
        lift: &[Lift::PrivilegeAssignments],
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.1/unity-catalog/permissions/{securable_type}/{full_name}",
                query: &[],
                body: &[Part::GrantChanges],
            },
            when: Sent::Always,
        }],
        delete: None,
        ..Api::PLAIN
    },
    rules: &[],
    keyed: &[("__embed__", "principal")],
    loses: Loses { identity: false, data: "" },
    facts: &[Fact::Value("__embed__.*.privileges")],
    page: None,
    ..Kind::PLAIN
};
