//! Catalogs of Unity Catalog. A new name is a rename: what lies in it stays, the id changes.

use super::review::Fact;
use super::rules::{recreate, renamed};
use super::{
    Api, Call, Child, Entries, Find, Holds, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, grants,
};

pub static KIND: Kind = Kind {
    name: "catalogs",
    title: "catalog",
    message: "bundle.Catalog",
    state: "catalog.CreateCatalog",
    remote: "catalog.CatalogInfo",
    child: Some(&Child {
        field: "grants",
        kind: &grants::KIND,
        about: &[("securable_type", "catalog"), ("full_name", "{id}")],
        entries: Entries::Written,
        levels: Levels::None,
    }),
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.1/unity-catalog/catalogs",
            query: &[],
            body: &[Part::State],
        },
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route { method: Method::Get, path: "/api/2.1/unity-catalog/catalogs/{id}", query: &[], body: &[] },
        lift: &[Lift::All],
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.1/unity-catalog/catalogs/{id}",
                query: &[],
                body: &[Part::StateWithout(FIXED)],
            },
            when: Sent::Always,
        }],
        rename: Some(Route {
            method: Method::Patch,
            path: "/api/2.1/unity-catalog/catalogs/{id}",
            query: &[],
            body: &[Part::StateWithout(FIXED), Part::FieldAs("name", "new_name")],
        }),
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.1/unity-catalog/catalogs/{id}",
            query: &[("force", "true")],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        renamed("name", "id_changes"),
        recreate("connection_name", "immutable"),
        recreate("provider_name", "immutable"),
        recreate("share_name", "immutable"),
        recreate("storage_root", "immutable"),
    ],
    holds: Holds::Refused(Route {
        method: Method::Delete,
        path: "/api/2.1/unity-catalog/catalogs/{id}",
        query: &[],
        body: &[],
    }),
    loses: Loses { identity: false, data: "everything in the catalog: schemas, tables, volumes, models, grants" },
    facts: &[
        Fact::Fields("", &["name", "storage_root", "connection_name", "provider_name", "share_name"]),
        Fact::Value("custom_max_retention_hours"),
    ],
    page: Some("explore/data/{id/}"),
    ..Kind::PLAIN
};

/// What the request that changes a catalog does not know.
const FIXED: &[&str] = &["connection_name", "name", "provider_name", "share_name", "storage_root"];
