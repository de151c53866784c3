//! Privileges on a catalog object: the child node `grants`.
//!
//! Sent as changes: each principal gets its list and loses everything else, and a principal
//! that is no longer written loses everything. There is no delete.

use super::review::Fact;
use super::{Api, Call, Find, Holds, Id, Kind, Lift, Loses, Method, Part, Prefix, Route, Sent};

pub static KIND: Kind = Kind {
    name: "grants",
    title: "grants",
    message: "bundle.Grants",
    state: "bundle.Grants",
    remote: "bundle.Grants",
    child: None,
    renamed: &[],
    told: &[],
    prefix: Prefix::None,
    name_field: "full_name",
    api: Api {
        create: Route {
            method: Method::Patch,
            path: "/api/2.1/unity-catalog/permissions/{securable_type}/{full_name}",
            query: &[],
            body: &[Part::GrantChanges],
        },
        after_create: &[],
        folder: None,
        kept: &[],
        kept_of_read: &[],
        lingers: None,
        wait: None,
        find: Find::Again,
        id: Id::State("{securable_type}/{full_name}"),
        read: Route { method: Method::Get, path: "/api/2.1/unity-catalog/permissions/{id}", query: &[], body: &[] },
        read_also: None,
        lift: &[Lift::PrivilegeAssignments],
        list: None,
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.1/unity-catalog/permissions/{securable_type}/{full_name}",
                query: &[],
                body: &[Part::GrantChanges],
            },
            when: Sent::Always,
        }],
        resize: None,
        rename: None,
        delete: None,
    },
    rules: &[],
    keyed: &[("__embed__", "principal")],
    hashed: &[],
    added: &[],
    active: None,
    holds: Holds::Nothing,
    loses: Loses { identity: false, data: "" },
    destroys: None,
    facts: &[Fact::Value("__embed__.*.privileges")],
    page: None,
};
