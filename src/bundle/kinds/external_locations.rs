//! External locations of Unity Catalog. A new name is a rename, and the place can be moved; what lies there is not the
//! catalog's.

use super::review::Fact;
use super::rules::{output_only, recreate, renamed};
use super::{
    Api, Call, Child, Entries, Find, Holds, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, grants,
};

pub static KIND: Kind = Kind {
    name: "external_locations",
    title: "external location",
    message: "bundle.ExternalLocation",
    state: "catalog.CreateExternalLocation",
    remote: "catalog.ExternalLocationInfo",
    child: Some(&Child {
        field: "grants",
        kind: &grants::KIND,
        about: &[("securable_type", "external_location"), ("full_name", "{id}")],
        entries: Entries::Written,
        levels: Levels::None,
    }),
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.1/unity-catalog/external-locations",
            query: &[],
            body: &[Part::State],
        },
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route {
            method: Method::Get,
            path: "/api/2.1/unity-catalog/external-locations/{id}",
            query: &[],
            body: &[],
        },
        lift: &[Lift::All],
        update: &[Call {
            route: Route {
                method: Method::Patch,
                path: "/api/2.1/unity-catalog/external-locations/{id}",
                query: &[],
                body: &[Part::StateWithout(&["name"])],
            },
            when: Sent::Always,
        }],
        rename: Some(Route {
            method: Method::Patch,
            path: "/api/2.1/unity-catalog/external-locations/{id}",
            query: &[],
            body: &[Part::StateWithout(&["name"]), Part::FieldAs("name", "new_name")],
        }),
        delete: Some(Route {
            method: Method::Delete,
            path: "/api/2.1/unity-catalog/external-locations/{id}",
            query: &[("force", "true")],
            body: &[],
        }),
        ..Api::PLAIN
    },
    rules: &[
        renamed("name", "id_changes"),
        output_only("effective_enable_file_events"),
        output_only("effective_file_event_queue"),
        recreate("credential_name", "immutable"),
        recreate("encryption_details", "immutable"),
        recreate("file_event_queue", "immutable"),
    ],
    holds: Holds::Refused(Route {
        method: Method::Delete,
        path: "/api/2.1/unity-catalog/external-locations/{id}",
        query: &[],
        body: &[],
    }),
    loses: Loses { identity: false, data: "its grants; external tables and volumes there can no longer be read" },
    facts: &[Fact::Fields("", &["name", "url", "credential_name", "read_only", "fallback", "skip_validation"])],
    page: None,
    ..Kind::PLAIN
};
