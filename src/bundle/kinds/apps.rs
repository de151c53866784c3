//! Databricks Apps: `/api/2.0/apps`. The definition; code, its command and its environment get there by a run, not by a
//! deployment of the bundle, and are compared with what runs.

use super::review::Fact;
use super::rules::{backend_default, ignore_remote, named, output_only, remote_only, without};
use super::{
    Api, Call, Child, Entries, Find, Id, Kind, Levels, Lift, Loses, Method, Part, Prefix, Route, Sent, permissions,
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
    prefix: Prefix::None,
    name_field: "name",
    api: Api {
        create: Route {
            method: Method::Post,
            path: "/api/2.0/apps",
            query: &[("no_compute", "true")],
            body: &[Part::StateWithout(OWN)],
        },
        find: Find::ById("{name}"),
        id: Id::Reply("name"),
        read: Route { method: Method::Get, path: "/api/2.0/apps/{id}", query: &[], body: &[] },
        lift: &[Lift::All, Lift::Deployment, Lift::StartedUnless("compute_status", &["ERROR", "STOPPED"])],
        update: &[
            Call {
                route: Route {
                    method: Method::Post,
                    path: "/api/2.0/apps/{id}/update",
                    query: &[],
                    body: &[Part::StateWithoutAs("app", OWN), Part::Fixed("update_mask", UPDATED)],
                },
                when: Sent::Beside(&["config", "git_source", "lifecycle", "lifecycle.started", "source_code_path"]),
            },
            // A bundle that starts an app is refused; what was stopped may have to be taken back.
            Call { route: Route::bare("/api/2.0/apps/{id}/start"), when: Sent::Started(true) },
            Call { route: Route::bare("/api/2.0/apps/{id}/stop"), when: Sent::Started(false) },
        ],
        delete: Some(Route { method: Method::Delete, path: "/api/2.0/apps/{id}", query: &[], body: &[] }),
        ..Api::PLAIN
    },
    rules: &[
        named("name", "id_field"),
        without("active_deployment", "config", "no active deployment"),
        without("active_deployment", "source_code_path", "no active deployment"),
        without("active_deployment", "git_source", "no active deployment"),
        ignore_remote("git_source", "spec:input_only"),
        ignore_remote("source_code_path", "spec:input_only"),
        output_only("active_deployment"),
        output_only("app_status"),
        output_only("compute_status"),
        output_only("create_time"),
        output_only("creator"),
        output_only("default_git_source"),
        output_only("default_source_code_path"),
        output_only("effective_budget_policy_id"),
        output_only("effective_usage_policy_id"),
        output_only("effective_user_api_scopes"),
        output_only("id"),
        output_only("oauth2_app_client_id"),
        output_only("oauth2_app_integration_id"),
        output_only("pending_deployment"),
        output_only("service_principal_client_id"),
        output_only("service_principal_id"),
        output_only("service_principal_name"),
        output_only("thumbnail_url"),
        output_only("update_time"),
        output_only("updater"),
        output_only("url"),
        remote_only("space", "managed"),
        backend_default("compute_size"),
        backend_default("forward_user_access_token"),
        backend_default("lifecycle"),
    ],
    loses: Loses { identity: true, data: "its address and service principal" },
    facts: &[
        Fact::Fields(
            "",
            &["name", "compute_size", "compute_min_instances", "compute_max_instances", "source_code_path"],
        ),
        Fact::Value("user_api_scopes"),
        Fact::Value("resources"),
    ],
    page: None,
    ..Kind::PLAIN
};

const UPDATED: &str = "description,budget_policy_id,usage_policy_id,resources,user_api_scopes,\
                       forward_user_access_token,compute_size,compute_min_instances,compute_max_instances,\
                       git_repository,telemetry_export_destinations";
