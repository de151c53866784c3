//! Short-lived keys to the folder of one model version, renewed before they expire and when
//! they are refused.
//!
//! Keys to write are only given while the version is pending, and each pair of keys opens one
//! version: what may read the source may not write the copy, so S3 and GCS cannot copy by
//! themselves. Azure can: there the source's signature stands in its address.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::domain::{Failure, ModelName, ModelVersion, Secret};
use crate::ports::{Clock, Request, Rest, RestError, World};

const NATIVE: &str = "/api/2.1/unity-catalog/temporary-model-version-credentials";
const LEGACY: &str = "/api/2.0/mlflow/unity-catalog/model-versions/generate-temporary-credentials";
/// Renewed so long before their end: a part that is on its way must still arrive.
const MARGIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Read,
    ReadWrite,
}

#[derive(Clone, Debug)]
pub enum Keys {
    Aws {
        key_id: String,
        secret: Secret,
        session: Option<Secret>,
    },
    AzureSas(Secret),
    Gcp(Secret),
    /// No keys: by links of the Files API.
    DefaultStorage,
}

/// How a bucket wants what is stored in it to be encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    S3,
    Kms(String),
}

#[derive(Clone, Debug)]
pub struct Vended {
    pub keys: Keys,
    pub encryption: Option<Encryption>,
    expires: Option<jiff::Timestamp>,
}

/// Asks for keys, and again in time.
pub struct Vendor {
    rest: Arc<dyn Rest>,
    clock: Arc<dyn Clock>,
    model: ModelName,
    version: ModelVersion,
    operation: Operation,
    current: Mutex<Option<Arc<Vended>>>,
}

impl Vendor {
    pub fn new(world: &World, model: &ModelName, version: ModelVersion, operation: Operation) -> Self {
        Self {
            rest: Arc::clone(&world.workspace),
            clock: Arc::clone(&world.clock),
            model: model.clone(),
            version,
            operation,
            current: Mutex::default(),
        }
    }

    pub async fn keys(&self) -> Result<Arc<Vended>, RestError> {
        let mut current = self.current.lock().await;
        let soon = self.clock.now().saturating_add(MARGIN).expect("a span of minutes");
        if let Some(vended) = current.as_ref().filter(|v| v.expires.is_none_or(|at| at > soon)) {
            return Ok(Arc::clone(vended));
        }
        let vended = Arc::new(read(&self.ask().await?)?);
        *current = Some(Arc::clone(&vended));
        Ok(vended)
    }

    /// These were refused: the next are others.
    pub async fn refused(&self, vended: &Arc<Vended>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|now| Arc::ptr_eq(now, vended)) {
            *current = None;
        }
    }

    pub fn doing(&self) -> String {
        format!("get keys to the files of version {} of {}", self.version, self.model)
    }

    pub fn failed(&self, error: RestError) -> Failure {
        error.into_failure(self.doing())
    }

    async fn ask(&self) -> Result<Value, RestError> {
        let (native, legacy) = match self.operation {
            Operation::Read => ("READ_MODEL_VERSION", "MODEL_VERSION_OPERATION_READ"),
            Operation::ReadWrite => ("READ_WRITE_MODEL_VERSION", "MODEL_VERSION_OPERATION_READ_WRITE"),
        };
        let ModelName { catalog, schema, name } = &self.model;
        let newer = json!({
            "catalog_name": catalog, "schema_name": schema, "model_name": name, "version": self.version,
            "operation": native,
        });
        match self.rest.call(Request::post(NATIVE, newer).repeatable()).await {
            Err(RestError::Status { error_code, .. }) if error_code == "ENDPOINT_NOT_FOUND" => {}
            answer => return answer?.json(),
        }
        let older = json!({"name": self.model.to_string(), "version": self.version.to_string(), "operation": legacy});
        let answer = self.rest.call(Request::post(LEGACY, older).repeatable()).await?.json()?;
        Ok(answer["credentials"].clone())
    }
}

fn read(answer: &Value) -> Result<Vended, RestError> {
    let text = |value: &Value, key: &str| value[key].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let missing = |what: &str| RestError::Malformed(format!("the keys have no `{what}`"));
    let aws = ["aws_temp_credentials", "r2_temp_credentials"].iter().map(|n| &answer[*n]).find(|v| v.is_object());
    let keys = if answer["storage_mode"] == "DEFAULT_STORAGE" {
        Keys::DefaultStorage
    } else if let Some(aws) = aws {
        Keys::Aws {
            key_id: text(aws, "access_key_id").ok_or_else(|| missing("access_key_id"))?,
            secret: Secret::new(text(aws, "secret_access_key").ok_or_else(|| missing("secret_access_key"))?),
            session: text(aws, "session_token").map(Secret::new),
        }
    } else if let Some(sas) = text(&answer["azure_user_delegation_sas"], "sas_token") {
        Keys::AzureSas(Secret::new(sas.trim_start_matches('?')))
    } else if let Some(token) = text(&answer["gcp_oauth_token"], "oauth_token") {
        Keys::Gcp(Secret::new(token))
    } else {
        return Err(RestError::Malformed("there are keys of no cloud that this version knows".to_owned()));
    };
    let sse = &answer["encryption_details"]["sse_encryption_details"];
    let encryption = match sse["algorithm"].as_str() {
        Some("AWS_SSE_S3") => Some(Encryption::S3),
        Some("AWS_SSE_KMS") => Some(Encryption::Kms(text(sse, "aws_kms_key_arn").unwrap_or_default())),
        _ => None,
    };
    let millis = &answer["expiration_time"];
    let millis = millis.as_i64().or_else(|| millis.as_str()?.parse().ok()).filter(|m| *m > 0);
    Ok(Vended { keys, encryption, expires: millis.and_then(|m| jiff::Timestamp::from_millisecond(m).ok()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_every_cloud_are_read() {
        let aws = json!({
            "aws_temp_credentials": {"access_key_id": "AK", "secret_access_key": "s", "session_token": ""},
            "expiration_time": "1800000000000",
            "encryption_details": {"sse_encryption_details": {"algorithm": "AWS_SSE_KMS", "aws_kms_key_arn": "arn:k"}},
        });
        let vended = read(&aws).unwrap();
        assert!(matches!(&vended.keys, Keys::Aws { key_id, session: None, .. } if key_id == "AK"));
        assert_eq!(vended.encryption, Some(Encryption::Kms("arn:k".to_owned())));
        assert_eq!(vended.expires.unwrap().as_second(), 1_800_000_000);
        let azure = read(&json!({"azure_user_delegation_sas": {"sas_token": "?sv=1&sig=x"}})).unwrap();
        assert!(matches!(&azure.keys, Keys::AzureSas(sas) if sas.expose() == "sv=1&sig=x"));
        let gcp = read(&json!({"gcp_oauth_token": {"oauth_token": "ya"}})).unwrap();
        assert!(matches!(&gcp.keys, Keys::Gcp(token) if token.expose() == "ya"));
        assert!(matches!(read(&json!({"storage_mode": "DEFAULT_STORAGE"})).unwrap().keys, Keys::DefaultStorage));
        assert!(read(&json!({"storage_mode": "CUSTOMER_HOSTED"})).is_err());
        assert!(!format!("{vended:?}").contains("\"s\""));
    }
}
