//! Who may do what in a secret scope: the child node `permissions` of secret scopes.
//!
//! One request for each principal; there is none that sets the list.

use super::review::Fact;
use super::rules::update_id;
use super::{Api, Call, Find, Id, Kind, Lift, Loses, Method, Part, Prefix, Route, Sent};

const PUT: Route = Route {
    method: Method::Post,
    path: "/api/2.0/secrets/acls/put",
    query: &[],
    body: &[Part::Field("permission"), Part::Field("principal"), Part::FieldAs("scope_name", "scope")],
};

pub static KIND: Kind = Kind {
    name: "secret_acls",
    title: "access list of a secret scope",
    message: "bundle.SecretAcls",
    state: "bundle.SecretAcls",
    remote: "bundle.SecretAcls",
    prefix: Prefix::None,
    name_field: "scope_name",
    api: Api {
        create: PUT,
        find: Find::Again,
        id: Id::State("{scope_name}"),
        read: Route { method: Method::Get, path: "/api/2.0/secrets/acls/list", query: &[("scope", "{id}")], body: &[] },
        lift: &[Lift::ScopeAcls],
        update: &[
            Call { route: PUT, when: Sent::EachChanged("acls") },
            Call {
                route: Route {
                    method: Method::Post,
                    path: "/api/2.0/secrets/acls/delete",
                    query: &[],
                    body: &[Part::Field("principal"), Part::FieldAs("scope_name", "scope")],
                },
                when: Sent::EachGone("acls"),
            },
        ],
        delete: None,
        ..Api::PLAIN
    },
    rules: &[update_id("scope_name", "id_changes")],
    keyed: &[("acls", "principal")],
    loses: Loses { identity: false, data: "" },
    facts: &[Fact::Value("acls.*.permission")],
    page: None,
    ..Kind::PLAIN
};
