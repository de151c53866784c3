//! Schemas of Unity Catalog. A schema's id is its full name, so a new name is a new schema.

use super::review::Fact;
use super::rules::{named, recreate, stored};
use super::{
    Api, Call, Child, Destroys, Entries, Find, Holds, Id, Kind, Levels, Lift, List, Loses, Method, Part, Prefix, Route,
    Sent, grants,
};

pub static KIND: Kind = Kind {
    name: "schemas",
    title: "schema",
    message: "bundle.Schema",
    state: "catalog.CreateSchema",
    remote: "catalog.SchemaInfo",
    child: Some(&Child {
        field: "grants",
        kind: &grants::KIND,
        about: &[("securable_type", "schema"), ("full_name", "{id}")],
        entries: Entries::Written,
        levels: Levels::None,
    }),
    prefix: Prefix::Normalised,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.1/unity-catalog/schemas",
            query: &[],
            body: &[Part::State],
        },
        find: Find::ById("{catalog_name}.{name}"),
        id: Id::Reply("full_name"),
        read: Route { method: Method::Get, path: "/api/2.1/unity-catalog/schemas/{id}", query: &[], body: &[] },
        lift: &[Lift::All],
        list: Some(List {
            path: "/api/2.1/unity-catalog/schemas",
            query: &[("catalog_name", "{catalog_name}")],
            items: "schemas",
            id: "full_name",
            page: ("page_token", "next_page_token"),
        }),
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.1/unity-catalog/schemas/{id}",
                query: &[],
                body: &[Part::Field("comment"), Part::Field("custom_max_retention_hours"), Part::Field("properties")],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.1/unity-catalog/schemas/{id}",
            query: &[("force", "true")],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        named("name", "id_field"),
        named("catalog_name", "id_field"),
        stored("storage_root"),
        recreate("storage_root", "immutable"),
    ],
    holds: Holds::Refused(Route {
        method: Method::Delete,
        path: "/api/2.1/unity-catalog/schemas/{id}",
        query: &[],
        body: &[],
    }),
    loses: Loses { identity: false, data: "everything in the schema: tables, volumes, models, grants" },
    destroys: Some(Destroys {
        rank: 1,
        deploy: "This action will result in the deletion or recreation of the following UC schemas. Any underlying \
                 data may be lost:",
        destroy: "This action will result in the deletion of the following UC schemas. Any underlying data may be \
                  lost:",
    }),
    facts: &[Fact::Fields("", &["catalog_name", "name", "storage_root"])],
    page: Some("explore/data/{id/}"),
    ..Kind::PLAIN
};
