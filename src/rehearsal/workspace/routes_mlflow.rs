//! Routes of a model's life before it is served: experiments, runs, logged models, and the registry's two surfaces.

use super::api::experiments;
use super::api::registry::{legacy, models, tags, versions};
use super::api::tracking::{artifacts, logged_models, metrics, runs};
use super::routes::{Routes, deletes, one, patches, posts, puts, reads};

pub(crate) fn all() -> Routes {
    Routes::new().merge(tracking()).merge(logged()).merge(registry()).merge(older_registry())
}

fn tracking() -> Routes {
    let at = |rest: &str| format!("/api/2.0/mlflow/{rest}");
    Routes::new()
        .route(&at("experiments/create"), posts(experiments::create))
        .route(&at("experiments/get"), reads(experiments::get))
        .route(&at("experiments/get-by-name"), reads(experiments::get_by_name))
        .route(&at("experiments/update"), posts(experiments::update))
        .route(&at("experiments/delete"), posts(experiments::delete))
        .route(&at("experiments/restore"), posts(experiments::restore))
        .route(&at("experiments/list"), reads(experiments::search))
        .route(&at("experiments/search"), posts(experiments::search))
        .route(&at("experiments/set-experiment-tag"), posts(experiments::set_tag))
        .route(&at("runs/create"), posts(runs::create))
        .route(&at("runs/get"), reads(runs::get))
        .route(&at("runs/update"), posts(runs::update))
        .route(&at("runs/delete"), posts(runs::delete))
        .route(&at("runs/restore"), posts(runs::restore))
        .route(&at("runs/search"), posts(runs::search))
        .route(&at("runs/log-metric"), posts(runs::log_metric))
        .route(&at("runs/log-parameter"), posts(runs::log_param))
        .route(&at("runs/set-tag"), posts(runs::set_tag))
        .route(&at("runs/delete-tag"), posts(runs::delete_tag))
        .route(&at("runs/log-batch"), posts(runs::log_batch))
        .route(&at("runs/log-inputs"), posts(runs::log_inputs))
        .route(&at("runs/outputs"), posts(runs::log_outputs))
        .route(&at("runs/log-model"), posts(runs::log_model))
        .route(&at("metrics/get-history"), reads(metrics::get_history))
        .route(&at("artifacts/list"), reads(artifacts::list))
}

fn logged() -> Routes {
    let at = |rest: &str| format!("/api/2.0/mlflow/logged-models{rest}");
    Routes::new()
        .route(&at(""), posts(logged_models::create))
        .route(&at("/search"), posts(logged_models::search))
        .route(&at("/{id}"), one(logged_models::get, logged_models::finalize, logged_models::delete))
        .route(&at("/{id}/params"), posts(logged_models::log_params))
        .route(&at("/{id}/tags"), patches(logged_models::set_tags))
        .route(&at("/{id}/tags/{key}"), deletes(logged_models::delete_tag))
}

fn registry() -> Routes {
    let at = |rest: &str| format!("/api/2.1/unity-catalog/{rest}");
    let alias = reads(models::get_by_alias).merge(puts(models::set_alias)).merge(deletes(models::delete_alias));
    Routes::new()
        .route(&at("models"), reads(models::list).merge(posts(models::create)))
        .route(&at("models/{name}"), one(models::get, models::update, models::delete))
        .route(&at("models/{name}/aliases/{alias}"), alias)
        .route(&at("models/versions"), posts(versions::create))
        .route(&at("models/{name}/versions"), reads(versions::list))
        .route(&at("models/{name}/versions/{version}"), one(versions::get, versions::update, versions::delete))
        .route(&at("models/{name}/versions/{version}/finalize"), patches(versions::finalize))
        .route(&at("securable-tags/{type}/{name}"), patches(tags::of_model))
        .route(&at("subentity-tags/{type}/{name}/{version}"), patches(tags::of_version))
}

fn older_registry() -> Routes {
    let model = |rest: &str| format!("/api/2.0/mlflow/unity-catalog/registered-models{rest}");
    let version = |rest: &str| format!("/api/2.0/mlflow/unity-catalog/model-versions/{rest}");
    let alias = reads(legacy::get_by_alias).merge(posts(legacy::set_alias)).merge(deletes(legacy::delete_alias));
    Routes::new()
        .route(&model("/create"), posts(legacy::create_model))
        .route(&model("/get"), reads(legacy::get_model))
        .route(&model("/update"), patches(legacy::update_model))
        .route(&model("/delete"), deletes(legacy::delete_model))
        .route(&model("/search"), reads(legacy::search_models))
        .route(&model("/alias"), alias)
        .route(&model("/set-tag"), posts(legacy::set_model_tag))
        .route(&model("/delete-tag"), deletes(legacy::delete_model_tag))
        .route(&version("create"), posts(legacy::create_version))
        .route(&version("get"), reads(legacy::get_version))
        .route(&version("search"), reads(legacy::search_versions))
        .route(&version("update"), patches(legacy::update_version))
        .route(&version("delete"), deletes(legacy::delete_version))
        .route(&version("get-download-uri"), reads(legacy::download_uri))
        .route(&version("finalize"), posts(legacy::finalize))
        .route(&version("set-tag"), posts(legacy::set_version_tag))
        .route(&version("delete-tag"), deletes(legacy::delete_version_tag))
        .route(&version("emit-lineage"), posts(legacy::emit_lineage))
}
