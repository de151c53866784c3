//! Volumes of Unity Catalog. A new name is a rename: the files stay, the id changes.

use super::review::Fact;
use super::rules::{backend_default, named, recreate, renamed, stored};
use super::{
    Api, Call, Child, Destroys, Entries, Find, Holds, Id, Kind, Levels, Lift, List, Loses, Method, Part, Prefix, Route,
    Sent, grants,
};

pub static KIND: Kind = Kind {
    name: "volumes",
    title: "volume",
    message: "bundle.Volume",
    state: "catalog.CreateVolume",
    remote: "catalog.VolumeInfo",
    child: Some(&Child {
        field: "grants",
        kind: &grants::KIND,
        about: &[("securable_type", "volume"), ("full_name", "{id}")],
        entries: Entries::Written,
        levels: Levels::None,
    }),
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.1/unity-catalog/volumes",
            query: &[],
            body: &[Part::State],
        },
        find: Find::ById("{catalog_name}.{schema_name}.{name}"),
        id: Id::Reply("full_name"),
        read: Route { method: Method::Get, path: "/api/2.1/unity-catalog/volumes/{id}", query: &[], body: &[] },
        lift: &[Lift::All],
        list: Some(List {
            path: "/api/2.1/unity-catalog/volumes",
            query: &[("catalog_name", "{catalog_name}"), ("schema_name", "{schema_name}")],
            items: "volumes",
            id: "full_name",
            page: ("page_token", "next_page_token"),
        }),
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.1/unity-catalog/volumes/{id}",
                query: &[],
                body: &[Part::Field("comment")],
            },
            when: Sent::Always,
        }],
        rename: Some(Route {
            method: Method::Patch,
            path: "/api/2.1/unity-catalog/volumes/{id}",
            query: &[],
            body: &[Part::Field("comment"), Part::FieldAs("name", "new_name")],
        }),
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.1/unity-catalog/volumes/{id}",
            query: &[],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        named("catalog_name", "id_field"),
        named("schema_name", "id_field"),
        renamed("name", "id_changes"),
        stored("storage_location"),
        backend_default("storage_location"),
        recreate("storage_location", "immutable"),
        recreate("volume_type", "immutable"),
    ],
    holds: Holds::Listed(
        Route {
            method: Method::Get,
            path: "/api/2.0/fs/directories/Volumes/{catalog_name}/{schema_name}/{name}",
            query: &[("page_size", "1")],
            body: &[],
        },
        "contents",
    ),
    loses: Loses { identity: false, data: "the files in a managed volume" },
    destroys: Some(Destroys {
        rank: 3,
        deploy: "This action will result in the deletion or recreation of the following volumes.\nFor managed \
                 volumes, the files stored in the volume are also deleted from your\ncloud tenant within 30 days. \
                 For external volumes, the metadata about the volume\nis removed from the catalog, but the \
                 underlying files are not deleted:",
        destroy: "This action will result in the deletion of the following volumes.\nFor managed volumes, the files \
                  stored in the volume are also deleted from your\ncloud tenant within 30 days. For external \
                  volumes, the metadata about the volume\nis removed from the catalog, but the underlying files \
                  are not deleted:",
    }),
    facts: &[Fact::Fields("", &["catalog_name", "schema_name", "name", "volume_type", "storage_location"])],
    page: Some("explore/data/volumes/{id/}"),
    ..Kind::PLAIN
};
