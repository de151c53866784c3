//! Synced tables: a table of the catalog kept in a database too, `/api/2.0/database/synced_tables`. Nothing of one can be
//! changed.

use super::review::Fact;
use super::rules::{input_only, named, output_only, recreate};
use super::{Api, Destroys, Find, Id, Kind, Lift, Loses, Method, Part, Prefix, Route};

pub static KIND: Kind = Kind {
    name: "synced_database_tables",
    title: "synced table",
    message: "bundle.SyncedDatabaseTable",
    state: "database.SyncedDatabaseTable",
    remote: "database.SyncedDatabaseTable",
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/database/synced_tables",
            query: &[],
            body: &[Part::State],
        },
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route { method: Method::Get, path: "/api/2.0/database/synced_tables/{id}", query: &[], body: &[] },
        lift: &[Lift::All],
        update: &[],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.0/database/synced_tables/{id}",
            query: &[],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        named("name", "id_field"),
        output_only("data_synchronization_status"),
        output_only("effective_database_instance_name"),
        output_only("effective_logical_database_name"),
        output_only("unity_catalog_provisioning_state"),
        input_only("database_instance_name"),
        input_only("logical_database_name"),
        input_only("spec.accelerated_sync"),
        input_only("spec.create_database_objects_if_missing"),
        input_only("spec.existing_pipeline_id"),
        input_only("spec.new_pipeline_spec"),
        recreate("data_synchronization_status", "immutable"),
        recreate("database_instance_name", "immutable"),
        recreate("effective_database_instance_name", "immutable"),
        recreate("effective_logical_database_name", "immutable"),
        recreate("logical_database_name", "immutable"),
        recreate("spec", "immutable"),
        recreate("unity_catalog_provisioning_state", "immutable"),
    ],
    loses: Loses { identity: false, data: "the copy in the database; the source table stays" },
    destroys: Some(Destroys {
        rank: 7,
        deploy: "This action will result in the deletion or recreation of the following synced database tables.\n\
                 The synced data in the destination database will be lost (the source table is preserved):",
        destroy: "This action will result in the deletion of the following synced database tables.\n\
                  The synced data in the destination database will be lost (the source table is preserved):",
    }),
    facts: &[
        Fact::Fields("", &["name", "database_instance_name", "logical_database_name"]),
        Fact::Fields("spec", &["source_table_full_name", "scheduling_policy", "primary_key_columns", "timeseries_key"]),
        Fact::Fields("spec.new_pipeline_spec", &["storage_catalog", "storage_schema", "budget_policy_id"]),
    ],
    page: Some("explore/data/{name}"),
    ..Kind::PLAIN
};
