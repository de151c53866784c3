//! How clients come to the files of a model version: by the Files API, by links, or with keys for one folder.

use serde_json::{Value, json};

use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::config::{Bucket, ModelFiles};

/// `GET .../registered-models:is-databricks-sdk-models-artifact-repository-enabled`.
pub(crate) fn files_api_enabled(call: &mut Call) -> Answer {
    let enabled = *call.model_files == ModelFiles::FilesApi;
    Reply::json(json!({"is_databricks_sdk_models_artifact_repository_enabled": enabled}))
}

/// `POST /api/2.1/unity-catalog/temporary-model-version-credentials`: a flat answer.
pub(crate) fn native(call: &mut Call) -> Answer {
    let names = ["catalog_name", "schema_name", "model_name"].map(|n| call.required(n));
    let [catalog, schema, model] = names;
    let name = format!("{}.{}.{}", catalog?, schema?, model?);
    let writes = match call.required("operation")?.as_str() {
        "READ_MODEL_VERSION" => false,
        "READ_WRITE_MODEL_VERSION" => true,
        other => return Err(Refusal::invalid(format!("Unknown operation: {other}"))),
    };
    Reply::json(credentials(call, &name, writes)?)
}

/// `POST .../model-versions/generate-temporary-credentials`: the same, wrapped.
pub(crate) fn legacy(call: &mut Call) -> Answer {
    let name = call.required("name")?;
    let writes = match call.required("operation")?.as_str() {
        "MODEL_VERSION_OPERATION_READ" => false,
        "MODEL_VERSION_OPERATION_READ_WRITE" => true,
        other => return Err(Refusal::invalid(format!("Unknown operation: {other}"))),
    };
    Reply::json(json!({"credentials": credentials(call, &name, writes)?}))
}

fn credentials(call: &Call, name: &str, writes: bool) -> Result<Value, Refusal> {
    let version = call.required("version")?;
    let found = call.store.get("model_versions", &format!("{name}/{version}"));
    let found = found.ok_or_else(|| Refusal::missing(format!("Model version '{name}/{version}' does not exist.")))?;
    let status = found["status"].as_str().unwrap_or_default();
    let allowed = match writes {
        true => status == "PENDING_REGISTRATION",
        false => status == "PENDING_REGISTRATION" || status == "READY",
    };
    if !allowed {
        let kind = if writes { "write" } else { "read" };
        let message = format!("Model version '{name}/{version}' is {status}: there are no credentials to {kind} it");
        return Err(Refusal::new(400, "INVALID_STATE", message));
    }
    match call.model_files {
        ModelFiles::FilesApi => Err(Refusal::denied(
            "Temporary credentials for model versions are not available in this workspace. Use the Files API.",
        )),
        ModelFiles::Presigned => Ok(json!({"storage_mode": "DEFAULT_STORAGE"})),
        ModelFiles::S3(bucket) => Ok(keys(bucket, call.now)),
        // Clients whose clock is right renew them at once: they are about to expire.
        ModelFiles::Azure { signature } => Ok(json!({
            "azure_user_delegation_sas": {"sas_token": signature}, "expiration_time": call.now + 1000,
            "storage_mode": "CUSTOMER_HOSTED",
        })),
        ModelFiles::Google { token } => Ok(json!({
            "gcp_oauth_token": {"oauth_token": token}, "expiration_time": call.now + 1000,
            "storage_mode": "CUSTOMER_HOSTED",
        })),
    }
}

fn keys(bucket: &Bucket, now: i64) -> Value {
    let seconds = i64::try_from(bucket.seconds).unwrap_or(i64::MAX / 1000);
    let mut doc = json!({
        "aws_temp_credentials": {
            "access_key_id": bucket.access_key, "secret_access_key": bucket.secret_key, "session_token": "",
        },
        "expiration_time": now + seconds * 1000,
        "storage_mode": "CUSTOMER_HOSTED",
    });
    if let Some(arn) = &bucket.kms_key {
        doc["encryption_details"] =
            json!({"sse_encryption_details": {"algorithm": "AWS_SSE_KMS", "aws_kms_key_arn": arn}});
    }
    doc
}
