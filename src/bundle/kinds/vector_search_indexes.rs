//! Vector search indexes: `/api/2.0/vector-search/indexes`.
//!
//! Nothing of an index can be changed. It hangs on one endpoint, and not on one of the same name that somebody made
//! since: which one that was is saved with its state, and another one makes it anew.

use super::review::Fact;
use super::rules::{backend_default, bound, ignore_remote, named, recreate};
use super::{
    Api, Child, Destroys, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Wait, grants,
};

pub static KIND: Kind = Kind {
    name: "vector_search_indexes",
    title: "vector search index",
    message: "bundle.VectorSearchIndex",
    state: "bundle.VectorSearchIndexState",
    remote: "bundle.VectorSearchIndexRemote",
    child: Some(&Child {
        field: "grants",
        kind: &grants::KIND,
        about: &[("securable_type", "table"), ("full_name", "{id}")],
        entries: Entries::Written,
        levels: Levels::None,
    }),
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/vector-search/indexes",
            query: &[],
            body: &[Part::StateWithout(&["endpoint_uuid"])],
        },
        kept_of_read: &["endpoint_uuid"],
        lingers: Some("pending deletion"),
        wait: Some(Wait { field: "status.ready", during: &["false"], failed: &[] }),
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route { method: Method::Get, path: "/api/2.0/vector-search/indexes/{id}", query: &[], body: &[] },
        read_also: Some((
            "endpoint",
            Route {
                method: Method::Get,
                path: "/api/2.0/vector-search/endpoints/{endpoint_name}",
                query: &[],
                body: &[],
            },
        )),
        lift: &[Lift::All, Lift::FieldAs("endpoint.id", "endpoint_uuid")],
        update: &[],
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.0/vector-search/indexes/{id}",
            query: &[],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        bound("endpoint_uuid", "state-only field", "endpoint replaced out-of-band"),
        ignore_remote("direct_access_index_spec.schema_json", "normalized_by_backend"),
        backend_default("index_subtype"),
        named("name", "id_field"),
        recreate("delta_sync_index_spec", "immutable"),
        recreate("direct_access_index_spec", "immutable"),
        recreate("endpoint_name", "immutable"),
        recreate("index_subtype", "immutable"),
        recreate("index_type", "immutable"),
        recreate("primary_key", "immutable"),
    ],
    loses: Loses { identity: false, data: "its vectors: those of a source table are embedded again, others are gone" },
    destroys: Some(Destroys {
        rank: 6,
        deploy: "This action will result in the deletion or recreation of the following Vector Search indexes.\n\
                 Recreating a Delta Sync index re-runs the full embedding pipeline; recreating a Direct Access\n\
                 index drops all upserted vectors. Both can be expensive to rebuild:",
        destroy: "This action will result in the deletion of the following Vector Search indexes.\n\
                  For Delta Sync indexes, the source Delta Table is preserved but the embedding pipeline is removed.\n\
                  For Direct Access indexes, all upserted vectors are permanently lost:",
    }),
    facts: &[
        Fact::Fields("", &["name", "endpoint_name", "index_type", "index_subtype", "primary_key"]),
        Fact::Fields("delta_sync_index_spec", &["source_table", "pipeline_type", "embedding_writeback_table"]),
        Fact::Fields("delta_sync_index_spec.embedding_source_columns.*", &["name", "embedding_model_endpoint_name"]),
        Fact::Fields("direct_access_index_spec.embedding_vector_columns.*", &["name", "embedding_dimension"]),
    ],
    page: Some("explore/data/{name/3}"),
    ..Kind::PLAIN
};
