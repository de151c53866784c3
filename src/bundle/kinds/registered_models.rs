//! Registered models of Unity Catalog: the container, not its versions.
//!
//! Aliases are sent once and never read back: they move by training and promotion, not by
//! deployment.

use super::review::Fact;
use super::rules::{backend_default, ignore_remote, named, recreate};
use super::{
    Api, Call, Child, Entries, Find, Holds, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, grants,
};

pub static KIND: Kind = Kind {
    name: "registered_models",
    title: "registered model",
    message: "bundle.RegisteredModel",
    state: "catalog.CreateRegisteredModel",
    remote: "catalog.RegisteredModelInfo",
    child: Some(&Child {
        field: "grants",
        kind: &grants::KIND,
        about: &[("securable_type", "function"), ("full_name", "{id}")],
        entries: Entries::Written,
        levels: Levels::None,
    }),
    prefix: Prefix::Normalised,
    name_field: "name",
    api: Api {
        create: Route { method: Method::Post, path: "/api/2.1/unity-catalog/models", query: &[], body: &[Part::State] },
        find: Find::ById("{catalog_name}.{schema_name}.{name}"),
        id: Id::Reply("full_name"),
        read: Route { method: Method::Get, path: "/api/2.1/unity-catalog/models/{id}", query: &[], body: &[] },
        lift: &[Lift::All],
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.1/unity-catalog/models/{id}",
                query: &[],
                // The owner is taken at creation alone.
                body: &[Part::StateWithout(&["full_name", "owner"])],
            },
            when: Sent::Always,
        }],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.1/unity-catalog/models/{id}",
            query: &[],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        named("name", "terraform_compat"),
        named("catalog_name", "id_field"),
        named("schema_name", "id_field"),
        recreate("storage_location", "immutable"),
        ignore_remote("aliases", "input_only"),
        ignore_remote("created_at", "output_only"),
        ignore_remote("created_by", "output_only"),
        ignore_remote("updated_at", "output_only"),
        ignore_remote("updated_by", "output_only"),
        backend_default("full_name"),
        backend_default("metastore_id"),
        backend_default("owner"),
        backend_default("storage_location"),
    ],
    holds: Holds::Listed(
        Route {
            method: Method::Get,
            path: "/api/2.1/unity-catalog/models/{id}/versions",
            query: &[("max_results", "1")],
            body: &[],
        },
        "model_versions",
    ),
    loses: Loses { identity: false, data: "every version and alias of the model" },
    facts: &[Fact::Fields("", &["catalog_name", "schema_name", "name", "storage_location"])],
    page: Some("explore/data/models/{id/}"),
    ..Kind::PLAIN
};
