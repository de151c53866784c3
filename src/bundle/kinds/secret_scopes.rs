//! Secret scopes: `/api/2.0/secrets/scopes`.
//!
//! The request names every field otherwise than the answer and the configuration do. A scope
//! is found in the list of all, and nothing of it can be changed.

use super::review::Fact;
use super::rules::{backend_default, recreate};
use super::{Api, Child, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, secret_acls};

pub static KIND: Kind = Kind {
    name: "secret_scopes",
    title: "secret scope",
    message: "bundle.SecretScope",
    state: "workspace.CreateScope",
    remote: "workspace.SecretScope",
    child: Some(&Child {
        field: "permissions",
        kind: &secret_acls::KIND,
        about: &[("scope_name", "{name}")],
        entries: Entries::Acls,
        levels: Levels::Of { manage: "MANAGE", view: Some("READ"), run: None, owner: false },
    }),
    renamed: &[
        ("name", "scope"),
        ("backend_type", "scope_backend_type"),
        ("keyvault_metadata", "backend_azure_keyvault"),
    ],
    prefix: Prefix::None,
    name_field: "scope",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/secrets/scopes/create",
            query: &[],
            body: &[Part::State],
        },
        find: Find::ById("{scope}"),
        id: Id::State("{scope}"),
        read: Route { method: Method::Get, path: "/api/2.0/secrets/scopes/list", query: &[], body: &[] },
        lift: &[Lift::Item { list: "scopes", key: "name" }],
        update: &[],
        delete: Some(Route {
            method: Method::Post,
            path: "/api/2.0/secrets/scopes/delete",
            query: &[],
            body: &[Part::Id("scope")],
        }),
        ..Api::PLAIN
    },
    rules: &[
        recreate("scope", "id_field"),
        backend_default("scope_backend_type"),
        recreate("scope_backend_type", "immutable"),
        recreate("backend_azure_keyvault", "immutable"),
        recreate("initial_manage_principal", "immutable"),
    ],
    loses: Loses { identity: false, data: "every secret in the scope" },
    facts: &[Fact::Fields("", &["scope", "scope_backend_type", "initial_manage_principal"])],
    page: None,
    ..Kind::PLAIN
};
