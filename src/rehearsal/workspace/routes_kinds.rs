//! Routes of the kinds that a model's life does not depend on: compute, dashboards, apps, alerts, secrets, older registries.

use super::api::{
    alerts, apps, clusters, dashboards, database, instance_pools, invocations, legacy_models, monitors, secrets,
    serving, tables, vector_search, warehouses,
};
use super::routes::{Routes, deletes, one, patches, posts, puts, reads};

pub(crate) fn all() -> Routes {
    Routes::new()
        .merge(cluster_routes())
        .merge(warehouse_routes())
        .merge(secret_routes())
        .merge(serving_routes())
        .merge(dashboard_routes())
        .merge(app_routes())
        .merge(registry())
        .merge(vector_search_routes())
        .merge(database_routes())
        .route("/api/2.0/alerts", reads(alerts::list).merge(posts(alerts::create)))
        .route("/api/2.0/alerts/{id}", one(alerts::get, alerts::update, alerts::trash))
        .route("/api/2.1/unity-catalog/tables", reads(tables::list).merge(posts(tables::create)))
        .route("/api/2.1/unity-catalog/tables/{name}", reads(tables::get).merge(deletes(tables::delete)))
        .route(
            "/api/2.1/unity-catalog/tables/{name}/monitor",
            reads(monitors::get)
                .merge(posts(monitors::create))
                .merge(puts(monitors::update))
                .merge(deletes(monitors::delete)),
        )
}

fn cluster_routes() -> Routes {
    let at = |name: &str| format!("/api/2.1/clusters/{name}");
    Routes::new()
        .route(&at("create"), posts(clusters::create))
        .route(&at("get"), reads(clusters::get))
        .route(&at("list"), reads(clusters::list))
        .route(&at("edit"), posts(clusters::edit))
        .route(&at("resize"), posts(clusters::resize))
        .route(&at("start"), posts(clusters::start))
        .route(&at("delete"), posts(clusters::delete))
        .route(&at("permanent-delete"), posts(clusters::permanent_delete))
        .route("/api/2.0/policies/clusters/list", reads(clusters::policies))
        .route("/api/2.0/instance-pools/create", posts(instance_pools::create))
        .route("/api/2.0/instance-pools/get", reads(instance_pools::get))
        .route("/api/2.0/instance-pools/list", reads(instance_pools::list))
        .route("/api/2.0/instance-pools/edit", posts(instance_pools::edit))
        .route("/api/2.0/instance-pools/delete", posts(instance_pools::delete))
}

fn warehouse_routes() -> Routes {
    Routes::new()
        .route("/api/2.0/sql/warehouses", reads(warehouses::list).merge(posts(warehouses::create)))
        .route("/api/2.0/sql/warehouses/{id}", reads(warehouses::get).merge(deletes(warehouses::delete)))
        .route("/api/2.0/sql/warehouses/{id}/edit", posts(warehouses::edit))
        .route("/api/2.0/sql/warehouses/{id}/start", posts(warehouses::start))
        .route("/api/2.0/sql/warehouses/{id}/stop", posts(warehouses::stop))
}

fn secret_routes() -> Routes {
    let at = |name: &str| format!("/api/2.0/secrets/{name}");
    Routes::new()
        .route(&at("scopes/create"), posts(secrets::create_scope))
        .route(&at("scopes/list"), reads(secrets::list_scopes))
        .route(&at("scopes/delete"), posts(secrets::delete_scope))
        .route(&at("put"), posts(secrets::put))
        .route(&at("get"), reads(secrets::get))
        .route(&at("list"), reads(secrets::list))
        .route(&at("delete"), posts(secrets::delete))
        .route(&at("acls/put"), posts(secrets::put_acl))
        .route(&at("acls/get"), reads(secrets::get_acl))
        .route(&at("acls/list"), reads(secrets::list_acls))
        .route(&at("acls/delete"), posts(secrets::delete_acl))
}

fn serving_routes() -> Routes {
    let at = |part: &str| format!("/api/2.0/serving-endpoints/{{name}}{part}");
    Routes::new()
        .route("/api/2.0/serving-endpoints", reads(serving::list).merge(posts(serving::create)))
        .route(&at(""), reads(serving::get).merge(deletes(serving::delete)))
        .route(&at("/config"), puts(serving::put_config))
        .route(&at("/tags"), patches(serving::patch_tags))
        .route(&at("/ai-gateway"), puts(serving::put_ai_gateway))
        .route(&at("/notifications"), patches(serving::patch_notifications))
        .route(&at("/telemetry-config"), patches(serving::patch_telemetry))
        .route(&at("/metrics"), reads(serving::metrics))
        .route(&at("/served-models/{served}/build-logs"), reads(serving::build_logs))
        .route(&at("/served-models/{served}/logs"), reads(serving::server_logs))
        .route("/serving-endpoints/{name}/invocations", posts(invocations::endpoint))
        .route("/serving-endpoints/{name}/served-models/{served}/invocations", posts(invocations::entity))
}

fn dashboard_routes() -> Routes {
    let published =
        reads(dashboards::get_published).merge(posts(dashboards::publish)).merge(deletes(dashboards::unpublish));
    Routes::new()
        .route("/api/2.0/lakeview/dashboards", reads(dashboards::list).merge(posts(dashboards::create)))
        .route("/api/2.0/lakeview/dashboards/{id}", one(dashboards::get, dashboards::update, dashboards::trash))
        .route("/api/2.0/lakeview/dashboards/{id}/published", published)
}

fn app_routes() -> Routes {
    let at = |part: &str| format!("/api/2.0/apps/{{name}}{part}");
    Routes::new()
        .route("/api/2.0/apps", reads(apps::list).merge(posts(apps::create)))
        .route(&at(""), one(apps::get, apps::update, apps::delete))
        .route(&at("/update"), reads(apps::get_update).merge(posts(apps::masked_update)))
        .route(&at("/start"), posts(apps::start))
        .route(&at("/stop"), posts(apps::stop))
        .route(&at("/deployments"), posts(apps::deploy))
        .route(&at("/deployments/{deployment}"), reads(apps::get_deployment))
}

fn vector_search_routes() -> Routes {
    let at = |part: &str| format!("/api/2.0/vector-search/{part}");
    let endpoint = reads(vector_search::get_endpoint)
        .merge(patches(vector_search::patch_endpoint))
        .merge(deletes(vector_search::delete_endpoint));
    let index = reads(vector_search::get_index).merge(deletes(vector_search::delete_index));
    Routes::new()
        .route(&at("endpoints"), reads(vector_search::list_endpoints).merge(posts(vector_search::create_endpoint)))
        .route(&at("endpoints/{name}"), endpoint)
        .route(&at("endpoints/{name}/budget-policy"), patches(vector_search::patch_budget_policy))
        .route(&at("indexes"), reads(vector_search::list_indexes).merge(posts(vector_search::create_index)))
        .route(&at("indexes/{name}"), index)
}

fn database_routes() -> Routes {
    let at = |part: &str| format!("/api/2.0/database/{part}");
    let instance = one(database::get_instance, database::update_instance, database::delete_instance);
    Routes::new()
        .route(&at("instances"), reads(database::list_instances).merge(posts(database::create_instance)))
        .route(&at("instances/{name}"), instance)
        .route(&at("instances/{name}/catalogs"), reads(database::list_catalogs))
        .route(&at("catalogs"), posts(database::create_catalog))
        .route(&at("catalogs/{name}"), reads(database::get_catalog).merge(deletes(database::delete_catalog)))
        .route(&at("synced_tables"), posts(database::create_synced))
        .route(&at("synced_tables/{name}"), reads(database::get_synced).merge(deletes(database::delete_synced)))
}

/// The model registry of the workspace, from before Unity Catalog.
fn registry() -> Routes {
    let at = |name: &str| format!("/api/2.0/mlflow/registered-models/{name}");
    Routes::new()
        .route(&at("create"), posts(legacy_models::create))
        .route(&at("update"), patches(legacy_models::update))
        .route(&at("rename"), posts(legacy_models::rename))
        .route(&at("delete"), deletes(legacy_models::delete))
        .route(&at("set-tag"), posts(legacy_models::set_tag))
        .route(&at("delete-tag"), deletes(legacy_models::delete_tag))
        .route("/api/2.0/mlflow/databricks/registered-models/get", reads(legacy_models::get))
}
