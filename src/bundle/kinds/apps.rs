//! Databricks Apps: `/api/2.0/apps`. The definition; code gets there by a run, not by a
//! deployment of the bundle.

use super::rules::{backend_default, ignore_remote, not_remote, recreate};
use super::{
    Api, Call, Child, Entries, Find, Holds, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent,
    permissions,
};

/// What the app itself says, not the API.
const OWN: &[&str] = &["config", "git_source", "lifecycle", "source_code_path"];

pub static KIND: Kind = Kind {
    name: "apps",
    title: "app",
    message: "bundle.App",
    state: "bundle.AppState",
    remote: "bundle.AppRemote",
    child: Some(&Child {
        field: "permissions",
        kind: &permissions::KIND,
        about: &[("object_id", "/apps/{id}")],
        entries: Entries::Written,
        levels: Levels::Of { manage: "CAN_MANAGE", view: Some("CAN_USE"), run: None, owner: false },
    }),
    renamed: &[],
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/apps",
            query: &[("no_compute", "true")],
            body: &[Part::StateWithout(OWN)],
        },
        after_create: &[],
        folder: None,
        kept: &[],
        wait: None,
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route { method: Method::Get, path: "/api/2.0/apps/{id}", query: &[], body: &[] },
        read_also: None,
        lift: &[Lift::All, Lift::Started("compute_status.state", &["ACTIVE", "STARTING", "UPDATING"])],
        list: None,
        update: &[Call {
            route: Route {
                method: Method::Post,
                path: "/api/2.0/apps/{id}/update",
                query: &[],
                body: &[Part::StateWithoutAs("app", OWN), Part::Fixed("update_mask", UPDATED)],
            },
            when: Sent::Always,
        }],
        resize: None,
        rename: None,
        delete: Some(Route { method: Method::Delete, path: "/api/2.0/apps/{id}", query: &[], body: &[] }),
    },
    rules: &[
        recreate("name", "id_field"),
        not_remote("source_code_path", "no active deployment"),
        ignore_remote("active_deployment", "spec:output_only"),
        ignore_remote("app_status", "spec:output_only"),
        ignore_remote("compute_status", "spec:output_only"),
        ignore_remote("create_time", "spec:output_only"),
        ignore_remote("creator", "spec:output_only"),
        ignore_remote("effective_budget_policy_id", "spec:output_only"),
        ignore_remote("effective_usage_policy_id", "spec:output_only"),
        ignore_remote("effective_user_api_scopes", "spec:output_only"),
        ignore_remote("id", "spec:output_only"),
        ignore_remote("oauth2_app_client_id", "spec:output_only"),
        ignore_remote("oauth2_app_integration_id", "spec:output_only"),
        ignore_remote("pending_deployment", "spec:output_only"),
        ignore_remote("service_principal_client_id", "spec:output_only"),
        ignore_remote("service_principal_id", "spec:output_only"),
        ignore_remote("service_principal_name", "spec:output_only"),
        ignore_remote("thumbnail_url", "spec:output_only"),
        ignore_remote("update_time", "spec:output_only"),
        ignore_remote("updater", "spec:output_only"),
        ignore_remote("url", "spec:output_only"),
        backend_default("compute_size"),
        backend_default("forward_user_access_token"),
        backend_default("lifecycle"),
    ],
    keyed: &[],
    hashed: &[],
    added: &[],
    active: None,
    holds: Holds::Nothing,
    loses: Loses { identity: true, data: "its address and service principal" },
    destroys: None,
    page: None,
};

const UPDATED: &str = "description,budget_policy_id,usage_policy_id,resources,user_api_scopes,\
                       forward_user_access_token,compute_size,compute_min_instances,compute_max_instances,\
                       git_repository,telemetry_export_destinations";
