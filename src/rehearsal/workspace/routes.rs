//! The table of routes. What is not here answers 501.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, get, post};
use serde_json::json;

use super::api::{
    catalog, external_locations, files, grants, imports, jobs, model_credentials, people, permissions, pipelines, runs,
    workspace_files,
};
use super::config::Identity;
use super::control::admin;
use super::identity::exchange;
use super::links;
use super::serve::{Handler, Server, api, unknown};

pub(crate) type Routes = Router<Arc<Server>>;
pub(crate) type Methods = MethodRouter<Arc<Server>>;

pub(crate) fn all() -> Routes {
    Router::new()
        .merge(entrance())
        .merge(workspace())
        .merge(files())
        .merge(job_routes("/api/2.2/jobs"))
        .merge(job_routes("/api/2.1/jobs"))
        .merge(pipeline_routes())
        .merge(unity_catalog())
        .merge(access())
        .merge(super::routes_mlflow::all())
        .merge(super::routes_kinds::all())
        .merge(admin())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
}

/// An API function as something axum can route to.
fn on(method: MethodFilter, handler: Handler) -> Methods {
    axum::routing::on(method, move |State(server): State<Arc<Server>>, request: Request| async move {
        api(handler, server, request).await
    })
}

pub(crate) fn reads(handler: Handler) -> Methods {
    on(MethodFilter::GET, handler)
}

pub(crate) fn posts(handler: Handler) -> Methods {
    on(MethodFilter::POST, handler)
}

pub(crate) fn puts(handler: Handler) -> Methods {
    on(MethodFilter::PUT, handler)
}

pub(crate) fn patches(handler: Handler) -> Methods {
    on(MethodFilter::PATCH, handler)
}

pub(crate) fn deletes(handler: Handler) -> Methods {
    on(MethodFilter::DELETE, handler)
}

/// What is asked before there is a token, and who one is.
fn entrance() -> Routes {
    Router::new()
        .route("/.well-known/databricks-config", get(host_metadata))
        .route("/oidc/.well-known/oauth-authorization-server", get(authorization_server))
        .route("/oidc/.well-known/openid-configuration", get(authorization_server))
        .route("/oidc/v1/token", post(token))
        .route("/api/2.0/preview/scim/v2/Me", reads(people::me))
        .route("/api/2.0/preview/scim/v2/ServicePrincipals", reads(people::list_service_principals))
        .route("/api/2.0/preview/scim/v2/Users", reads(people::list_users))
        .route("/telemetry-ext", posts(people::telemetry))
}

async fn host_metadata(State(server): State<Arc<Server>>) -> Response {
    let (account, audiences) = match &server.config.identity {
        Identity::Federated(federation) => (federation.account_id.as_str(), vec![federation.account_id.as_str()]),
        // No workspace id: which one it is depends on the token, and there is none here.
        Identity::PerToken => {
            let at = format!("{}/oidc", server.url);
            return axum::Json(json!({"oidc_endpoint": at, "cloud": "AWS", "host_type": "WORKSPACE"})).into_response();
        }
    };
    let workspace = server.with_store("workspace", |s, _| s.workspace_id.to_string());
    axum::Json(json!({
        "oidc_endpoint": format!("{}/oidc", server.url), "account_id": account, "workspace_id": workspace, "cloud": "AWS",
        "host_type": "WORKSPACE", "token_federation_default_oidc_audiences": audiences,
    }))
    .into_response()
}

/// An older workspace knows nothing of host metadata; clients tolerate that.
fn unknown_host() -> Response {
    (StatusCode::NOT_FOUND, axum::Json(json!({"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found"})))
        .into_response()
}

async fn authorization_server(State(server): State<Arc<Server>>) -> Response {
    let at = format!("{}/oidc", server.url);
    axum::Json(json!({
        "issuer": at, "token_endpoint": format!("{at}/v1/token"), "authorization_endpoint": format!("{at}/v1/authorize"),
        "grant_types_supported": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
        "scopes_supported": ["all-apis"], "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
    }))
    .into_response()
}

async fn token(State(server): State<Arc<Server>>, Form(form): Form<HashMap<String, String>>) -> Response {
    let Identity::Federated(federation) = &server.config.identity else { return unknown_host() };
    let now = server.clock.now();
    match exchange(federation, &form, now).await {
        Ok(issued) => {
            let seconds = (issued.expires - now) / 1000;
            let answer = json!({"access_token": issued.token, "token_type": "Bearer", "expires_in": seconds, "scope": "all-apis"});
            server.issued().push(issued);
            ([(header::CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response()
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(error.body())).into_response()
        }
    }
}

fn workspace() -> Routes {
    Router::new()
        .route("/api/2.0/workspace/get-status", reads(workspace_files::get_status))
        .route("/api/2.0/workspace/list", reads(workspace_files::list))
        .route("/api/2.0/workspace/mkdirs", posts(workspace_files::mkdirs))
        .route("/api/2.0/workspace/delete", posts(workspace_files::delete))
        .route("/api/2.0/workspace/export", reads(workspace_files::export))
        .route("/api/2.0/workspace/import", posts(imports::import))
        .route("/api/2.0/workspace-files/import-file/{*path}", posts(imports::import_file))
        .route("/api/2.0/workspace-files/{*path}", reads(workspace_files::read))
}

fn files() -> Routes {
    Router::new()
        .route(
            "/api/2.0/fs/files/{*path}",
            reads(files::objects::get)
                .merge(puts(files::objects::put))
                .merge(posts(files::uploads::act))
                .merge(deletes(files::objects::delete)),
        )
        .route(
            "/api/2.0/fs/directories/{*path}",
            reads(files::directories::list)
                .merge(puts(files::directories::put))
                .merge(deletes(files::directories::delete)),
        )
        .route(
            "/api/2.0/mlflow/unity-catalog/registered-models:is-databricks-sdk-models-artifact-repository-enabled",
            reads(model_credentials::files_api_enabled),
        )
        .route(
            "/api/2.0/mlflow/unity-catalog/model-versions/generate-temporary-credentials",
            posts(model_credentials::legacy),
        )
        .route("/api/2.1/unity-catalog/temporary-model-version-credentials", posts(model_credentials::native))
        .route("/api/2.0/fs/create-download-url", posts(files::urls::download))
        .route("/api/2.0/fs/create-upload-url", posts(files::urls::upload))
        .route("/api/2.0/fs/create-upload-part-urls", posts(files::uploads::part_urls))
        .route(&format!("{}/{{*path}}", links::PREFIX), get(links::follow).put(links::follow))
}

fn job_routes(at: &str) -> Routes {
    let under = |name: &str| format!("{at}/{name}");
    Router::new()
        .route(&under("create"), posts(jobs::create))
        .route(&under("get"), reads(jobs::get))
        .route(&under("list"), reads(jobs::list))
        .route(&under("update"), posts(jobs::update))
        .route(&under("reset"), posts(jobs::reset))
        .route(&under("delete"), posts(jobs::delete))
        .route(&under("run-now"), posts(runs::run_now))
        .route(&under("runs/get"), reads(runs::get))
        .route(&under("runs/list"), reads(runs::list))
        .route(&under("runs/get-output"), reads(runs::get_output))
        .route(&under("runs/cancel"), posts(runs::cancel))
        .route(&under("runs/cancel-all"), posts(runs::cancel_all))
        .route(&under("runs/delete"), posts(runs::delete))
}

fn pipeline_routes() -> Routes {
    Router::new()
        .route("/api/2.0/pipelines", reads(pipelines::list).merge(posts(pipelines::create)))
        .route(
            "/api/2.0/pipelines/{id}",
            reads(pipelines::get).merge(puts(pipelines::update)).merge(deletes(pipelines::delete)),
        )
        .route("/api/2.0/pipelines/{id}/updates", reads(pipelines::list_updates).merge(posts(pipelines::start_update)))
        .route("/api/2.0/pipelines/{id}/updates/{update}", reads(pipelines::get_update))
        .route("/api/2.0/pipelines/{id}/events", reads(pipelines::events))
        .route("/api/2.0/pipelines/{id}/stop", posts(pipelines::stop))
}

/// Read, change and remove one thing by name.
pub(crate) fn one(read: Handler, change: Handler, remove: Handler) -> Methods {
    reads(read).merge(patches(change)).merge(deletes(remove))
}

fn unity_catalog() -> Routes {
    let at = |rest: &str| format!("/api/2.1/unity-catalog/{rest}");
    Router::new()
        .route(&at("current-metastore-assignment"), reads(people::current_metastore))
        .route(&at("metastore_summary"), reads(people::metastore_summary))
        .route(&at("metastores"), reads(people::metastores))
        .route(&at("catalogs"), reads(catalog::list_catalogs).merge(posts(catalog::create_catalog)))
        .route(&at("catalogs/{name}"), one(catalog::get_catalog, catalog::update_catalog, catalog::delete_catalog))
        .route(&at("external-locations"), reads(external_locations::list).merge(posts(external_locations::create)))
        .route(
            &at("external-locations/{name}"),
            one(external_locations::get, external_locations::update, external_locations::delete),
        )
        .route(&at("schemas"), reads(catalog::list_schemas).merge(posts(catalog::create_schema)))
        .route(&at("schemas/{name}"), one(catalog::get_schema, catalog::update_schema, catalog::delete_schema))
        .route(&at("volumes"), reads(catalog::list_volumes).merge(posts(catalog::create_volume)))
        .route(&at("volumes/{name}"), one(catalog::get_volume, catalog::update_volume, catalog::delete_volume))
        .route(&at("permissions/{type}/{name}"), reads(grants::get).merge(patches(grants::patch)))
        .route(&at("effective-permissions/{type}/{name}"), reads(grants::effective))
}

fn access() -> Routes {
    let list = || reads(permissions::get).merge(puts(permissions::put)).merge(patches(permissions::patch));
    Router::new()
        .route("/api/2.0/permissions/{type}/{id}", list())
        // The name that warehouses had first; both are answered.
        .route("/api/2.0/permissions/sql/{type}/{id}", list())
        .route("/api/2.0/permissions/{type}/{id}/permissionLevels", reads(permissions::levels))
}
