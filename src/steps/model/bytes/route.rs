//! Which way leads to the files of a model version, found by asking.
//!
//! The Files API comes first: Databricks is closing the direct ways. Where a workspace does not
//! serve models by it, the keys that it hands out say where they lie.

use std::sync::Arc;

use super::azure::Azure;
use super::credentials::{Keys, Operation, Vendor};
use super::files_api::FilesApi;
use super::object_store::ObjectStore;
use super::store::Store;
use crate::domain::{Failure, ModelName, ModelVersion};
use crate::ports::{Request, RestError, World};

const ENABLED: &str =
    "/api/2.0/mlflow/unity-catalog/registered-models:is-databricks-sdk-models-artifact-repository-enabled";

/// A version whose files are opened.
#[derive(Clone, Debug)]
pub struct Access {
    pub model: ModelName,
    pub version: ModelVersion,
    /// As the registry says, such as `s3://bucket/folder`.
    pub storage_location: String,
    pub operation: Operation,
}

impl Access {
    /// `source` is the store that this one will be filled from, if it will be.
    pub async fn open(&self, world: &World, source: Option<&dyn Store>) -> Result<Arc<dyn Store>, Failure> {
        let files_api = || Arc::new(FilesApi::new(world, &self.model, self.version)) as Arc<dyn Store>;
        if files_api_serves_models(world).await? {
            return Ok(files_api());
        }
        let vendor = Vendor::new(world, &self.model, self.version, self.operation);
        let vended = match vendor.keys().await {
            Ok(vended) => vended,
            // Blocked, as announced, or not there at all; what is missing is said by the Files API then.
            Err(error) if matches!(error.status(), Some(403 | 404 | 501)) => {
                tracing::debug!("{}: {error}; by the Files API then", vendor.doing());
                return Ok(files_api());
            }
            Err(error) => return Err(vendor.failed(error)),
        };
        let transfer = Arc::clone(&world.transfer);
        Ok(match &vended.keys {
            Keys::DefaultStorage => files_api(),
            Keys::Aws { .. } | Keys::Gcp(_) => {
                Arc::new(ObjectStore::open(transfer, vendor, &self.location(world).await?).await?)
            }
            Keys::AzureSas(_) => {
                let by_link = source.is_some_and(Store::gives_links);
                Arc::new(Azure::open(transfer, vendor, &self.location(world).await?, by_link)?)
            }
        })
    }

    async fn location(&self, world: &World) -> Result<String, Failure> {
        if !self.storage_location.is_empty() {
            return Ok(self.storage_location.clone());
        }
        let doing = || format!("find out where version {} of {} is stored", self.version, self.model);
        let request = Request::get("/api/2.0/mlflow/unity-catalog/model-versions/get-download-uri")
            .query("name", self.model.to_string())
            .query("version", self.version.to_string());
        let answer = world.workspace.call(request).await.and_then(|r| r.json());
        let answer = answer.map_err(|e| e.into_failure(doing()))?;
        let missing = || RestError::Malformed("the answer has no `artifact_uri`".into()).into_failure(doing());
        Ok(answer["artifact_uri"].as_str().ok_or_else(missing)?.to_owned())
    }
}

async fn files_api_serves_models(world: &World) -> Result<bool, Failure> {
    match world.workspace.call(Request::get(ENABLED)).await.and_then(|r| r.json()) {
        Ok(answer) => Ok(answer["is_databricks_sdk_models_artifact_repository_enabled"].as_bool() == Some(true)),
        // A workspace from before the question.
        Err(error) if matches!(error.status(), Some(400 | 404 | 501)) => Ok(false),
        Err(error) => Err(error.into_failure("ask whether the Files API serves models")),
    }
}
