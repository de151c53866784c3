//! `Transfer` over HTTP/1.1, one connection for each body on its way.
//!
//! Not HTTP/2: many streams on one connection share one congestion window, and a cloud's storage has none of it.
//! Nothing is decompressed: what is stored compressed is copied as it is stored.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};

use crate::adapters::http::{self, Fault};
use crate::ports::Identity;
use crate::ports::transfer::{Endpoints, Incoming, Outgoing, Payload, Place, Transfer, TransferError};

/// Without a byte in either direction for so long, a connection is given up.
const SILENCE: Duration = Duration::from_secs(60);

pub struct HttpTransfer {
    /// Made when it is first needed: most runs move nothing big, and reading certificates takes time.
    http: OnceLock<reqwest::Client>,
    user_agent: String,
    identity: Arc<dyn Identity>,
    endpoints: Endpoints,
}

impl HttpTransfer {
    pub fn new(user_agent: String, identity: Arc<dyn Identity>, endpoints: Endpoints) -> Self {
        Self { http: OnceLock::new(), user_agent, identity, endpoints }
    }

    fn client(&self) -> Result<&reqwest::Client, TransferError> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let builder = http::builder(&self.user_agent).http1_only().no_gzip().read_timeout(SILENCE);
        let made = builder.build().map_err(|e| TransferError::NotSent(http::cause(&e)))?;
        Ok(self.http.get_or_init(|| made))
    }
}

/// The variables by which other clients of these clouds are told of another address.
pub fn endpoints(env: &BTreeMap<String, String>) -> Endpoints {
    let first = |names: &[&str]| names.iter().find_map(|n| env.get(*n).filter(|v| !v.is_empty()).cloned());
    Endpoints {
        s3: first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL"]),
        s3_region: first(&["AWS_REGION", "AWS_DEFAULT_REGION"]),
        azure: first(&["AZURE_STORAGE_ENDPOINT"]),
        gcs: first(&["STORAGE_EMULATOR_HOST"]),
    }
}

#[async_trait]
impl Transfer for HttpTransfer {
    async fn send(&self, request: Outgoing) -> Result<Incoming, TransferError> {
        let Outgoing { method, place, headers, payload } = request;
        let method = reqwest::Method::from_bytes(method.name().as_bytes()).expect("a method's name");
        let (url, token) = match place {
            Place::Signed(url) => (url.expose().to_owned(), None),
            Place::Workspace(path) => {
                let token = self.identity.token().await.map_err(|e| TransferError::NotSent(e.to_string()))?;
                (format!("{}{path}", self.identity.host()), Some(token))
            }
        };
        let url = url::Url::parse(&url).map_err(|_| TransferError::NotSent("the address is none".to_owned()))?;
        if token.is_some() && url.origin().ascii_serialization() != self.identity.host() {
            return Err(TransferError::NotSent("the path leads to another host".to_owned()));
        }
        let mut builder = self.client()?.request(method, url);
        if let Some(token) = &token {
            builder = builder.bearer_auth(token.expose());
        }
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        builder = match payload {
            Payload::None => builder,
            Payload::Bytes(bytes) => builder.body(bytes),
            Payload::Stream(length, chunks) => {
                builder.header("Content-Length", length).body(reqwest::Body::wrap_stream(chunks))
            }
        };
        let response = builder.send().await.map_err(|e| fault(&e))?;
        let status = response.status().as_u16();
        if status == 401
            && let Some(token) = &token
        {
            self.identity.refused(token).await;
        }
        let headers = response.headers().iter();
        let headers = headers.filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()))).collect();
        // Once there is a status, a body that breaks off is a lost answer, whatever broke it.
        let body = response.bytes_stream().map_err(|e| TransferError::Lost(http::cause(&e))).boxed();
        Ok(Incoming { status, headers, body })
    }

    fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }
}

fn fault(error: &reqwest::Error) -> TransferError {
    match Fault::of(error, SILENCE) {
        Fault::NotSent(why) => TransferError::NotSent(why),
        Fault::Lost(why) => TransferError::Lost(why),
    }
}
