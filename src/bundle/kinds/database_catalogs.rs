//! Database catalogs: a database of an instance as a catalog, `/api/2.0/database/catalogs`. Nothing of one can be changed.

use super::review::Fact;
use super::rules::{input_only, named, output_only, recreate};
use super::{Api, Find, Id, Kind, Lift, Loses, Method, Part, Prefix, Route};

pub static KIND: Kind = Kind {
    name: "database_catalogs",
    title: "database catalog",
    message: "bundle.DatabaseCatalog",
    state: "database.DatabaseCatalog",
    remote: "database.DatabaseCatalog",
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route { method: Method::Post, path: "/api/2.0/database/catalogs", query: &[], body: &[Part::State] },
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route { method: Method::Get, path: "/api/2.0/database/catalogs/{id}", query: &[], body: &[] },
        lift: &[Lift::All],
        update: &[],
        delete: Some(Route { method: Method::Delete, path: "/api/2.0/database/catalogs/{id}", query: &[], body: &[] }),
        ..Api::PLAIN
    },
    rules: &[
        named("name", "id_field"),
        input_only("create_database_if_not_exists"),
        output_only("uid"),
        recreate("create_database_if_not_exists", "immutable"),
        recreate("database_instance_name", "immutable"),
        recreate("database_name", "immutable"),
        recreate("uid", "immutable"),
    ],
    loses: Loses { identity: false, data: "its grants; the database stays" },
    facts: &[Fact::Fields("", &["name", "database_instance_name", "database_name", "create_database_if_not_exists"])],
    page: Some("explore/data/{name}"),
    ..Kind::PLAIN
};
