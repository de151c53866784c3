//! A version's folder in a bucket of S3, or of Google's storage, which speaks the same language.
//!
//! Requests are made and signed by `rusty-s3`, which does no I/O of its own. Keys expire in the
//! middle of a copy: each request takes those that are good now.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use rusty_s3::actions::{CreateMultipartUpload, ListObjectsV2};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};

use super::credentials::{Encryption, Keys, Vended, Vendor};
use super::store::{BytesError, FileEntry, Store, Upload, Way, judged};
use crate::domain::{Failure, Reason, Secret};
use crate::ports::transfer::{Chunks, Outgoing, Payload, Place};
use crate::ports::{Method, Transfer};

/// How long a signature is good; it is used at once.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);
const GOOGLE: &str = "https://storage.googleapis.com";

pub struct ObjectStore {
    inner: Arc<Inner>,
}

struct Inner {
    transfer: Arc<dyn Transfer>,
    vendor: Vendor,
    bucket: Bucket,
    /// The version's folder, without slashes around it.
    prefix: String,
    name: &'static str,
}

impl ObjectStore {
    /// `s3://bucket/folder` or `gs://bucket/folder`.
    pub async fn open(transfer: Arc<dyn Transfer>, vendor: Vendor, location: &str) -> Result<Self, Failure> {
        let doing = || format!("open the storage of {location}");
        let bad = |why: &str| Failure::new(Reason::MalformedReply, doing()).because(why.to_owned());
        let url = url::Url::parse(location).map_err(|_| bad("it is not an address"))?;
        let bucket = url.host_str().ok_or_else(|| bad("it names no bucket"))?.to_owned();
        let prefix = url.path().trim_matches('/').to_owned();
        let endpoints = transfer.endpoints().clone();
        let (name, endpoint, style, region) = match url.scheme() {
            "gs" => {
                let at = endpoints.gcs.unwrap_or_else(|| GOOGLE.to_owned());
                ("Google's storage", at, UrlStyle::Path, "auto".to_owned())
            }
            "s3" | "s3a" | "s3n" | "r2" => match endpoints.s3 {
                Some(at) => {
                    let region = endpoints.s3_region.unwrap_or_else(|| "us-east-1".to_owned());
                    ("S3", at, UrlStyle::Path, region)
                }
                None => {
                    let region = region_of(transfer.as_ref(), &bucket, &doing).await?;
                    ("S3", format!("https://s3.{region}.amazonaws.com"), style_of(&bucket), region)
                }
            },
            other => return Err(bad(&format!("`{other}` is no storage that this version knows"))),
        };
        let endpoint = url::Url::parse(&endpoint).map_err(|_| bad("its endpoint is not an address"))?;
        let bucket = Bucket::new(endpoint, style, bucket, region).map_err(|e| bad(&e.to_string()))?;
        Ok(Self { inner: Arc::new(Inner { transfer, vendor, bucket, prefix, name }) })
    }
}

/// A dot in its name does not go with the certificate of `*.s3...`.
fn style_of(bucket: &str) -> UrlStyle {
    if bucket.contains('.') { UrlStyle::Path } else { UrlStyle::VirtualHost }
}

/// S3 tells a bucket's region to anybody, also in a refusal.
async fn region_of(transfer: &dyn Transfer, bucket: &str, doing: &impl Fn() -> String) -> Result<String, Failure> {
    let place = Place::Signed(Secret::new(format!("https://s3.amazonaws.com/{bucket}")));
    let answer = transfer.send(Outgoing::new(Method::Head, place)).await;
    let answer = answer.map_err(|e| {
        Failure::new(Reason::WorkspaceUnreachable, doing())
            .because(e)
            .hint("the runner must reach the storage behind the workspace, not only the workspace")
    })?;
    let region = answer.header("x-amz-bucket-region").map(str::to_owned);
    region.ok_or_else(|| {
        Failure::new(Reason::NotFound, doing())
            .because(format!("S3 does not say in which region it is ({})", answer.status))
            .hint("set AWS_REGION and AWS_ENDPOINT_URL_S3 where the bucket is reached by an endpoint of your own")
    })
}

/// One request's keys, in the form in which it is signed.
struct Now {
    vended: Arc<Vended>,
    signer: Option<Credentials>,
    bearer: Option<Secret>,
}

impl Inner {
    async fn now(&self) -> Result<Now, BytesError> {
        let vended = self.vendor.keys().await.map_err(|e| self.vendor.failed(e))?;
        let (signer, bearer) = match &vended.keys {
            Keys::Aws { key_id, secret, session: Some(session) } => {
                (Some(Credentials::new_with_token(key_id, secret.expose(), session.expose())), None)
            }
            Keys::Aws { key_id, secret, session: None } => (Some(Credentials::new(key_id, secret.expose())), None),
            Keys::Gcp(token) => (None, Some(token.clone())),
            Keys::AzureSas(_) | Keys::DefaultStorage => {
                let failure = Failure::new(Reason::MalformedReply, self.vendor.doing());
                return Err(failure.because("the keys are of another cloud than the storage").into());
            }
        };
        Ok(Now { vended, signer, bearer })
    }

    fn key(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }

    async fn send<'a>(
        &self,
        now: &'a Now,
        method: Method,
        mut action: impl S3Action<'a>,
        headers: Vec<(&'static str, String)>,
        payload: Payload,
        doing: impl Fn() -> String,
    ) -> Result<crate::ports::transfer::Incoming, BytesError> {
        // A header of S3's own must be signed.
        for (name, value) in headers.iter().filter(|(name, _)| name.starts_with("x-amz-")) {
            action.headers_mut().insert(*name, value.clone());
        }
        let mut outgoing = Outgoing::new(method, Place::Signed(Secret::new(action.sign(SIGNED_FOR).to_string())));
        for (name, value) in headers {
            outgoing = outgoing.header(name, value);
        }
        if let Some(token) = &now.bearer {
            outgoing = outgoing.header("Authorization", format!("Bearer {}", token.expose()));
        }
        let answer = judged(doing, self.transfer.send(outgoing.payload(payload)).await).await;
        if matches!(answer, Err(BytesError::Again(_))) {
            self.vendor.refused(&now.vended).await;
        }
        answer
    }

    /// What a bucket wants said of everything that is stored in it.
    fn encryption(&self, vended: &Vended) -> Vec<(&'static str, String)> {
        match &vended.encryption {
            None => vec![],
            Some(Encryption::S3) => vec![("x-amz-server-side-encryption", "AES256".to_owned())],
            Some(Encryption::Kms(arn)) => {
                let mut headers = vec![("x-amz-server-side-encryption", "aws:kms".to_owned())];
                if !arn.is_empty() {
                    headers.push(("x-amz-server-side-encryption-aws-kms-key-id", arn.clone()));
                }
                headers
            }
        }
    }

    async fn page(&self, token: Option<&str>) -> Result<rusty_s3::actions::ListObjectsV2Response, BytesError> {
        let doing = || format!("list the files below {}", self.prefix);
        let now = self.now().await?;
        let mut action = self.bucket.list_objects_v2(now.signer.as_ref());
        action.with_prefix(format!("{}/", self.prefix));
        if let Some(token) = token {
            action.with_continuation_token(token);
        }
        let incoming = self.send(&now, Method::Get, action, vec![], Payload::None, doing).await?;
        let text = text(incoming.body, &doing).await?;
        ListObjectsV2::parse_response(&text)
            .map_err(|e| Failure::new(Reason::MalformedReply, doing()).because(e.to_string()).into())
    }
}

/// A short answer, whole.
async fn text(mut body: Chunks, doing: &impl Fn() -> String) -> Result<String, BytesError> {
    let mut all = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk =
            chunk.map_err(|e| BytesError::Again(Failure::new(Reason::WorkspaceUnreachable, doing()).because(e)))?;
        all.extend_from_slice(&chunk);
    }
    String::from_utf8(all).map_err(|e| Failure::new(Reason::MalformedReply, doing()).because(e).into())
}

#[async_trait]
impl Store for ObjectStore {
    fn route(&self) -> &str {
        self.inner.name
    }

    async fn list(&self) -> Result<Vec<FileEntry>, Failure> {
        let inner = &self.inner;
        let (mut found, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut page = inner.page(token.as_deref()).await;
            if matches!(page, Err(BytesError::Again(_))) {
                page = inner.page(token.as_deref()).await;
            }
            let page = page.map_err(BytesError::into_failure)?;
            let root = format!("{}/", inner.prefix);
            // What ends in a slash is a folder that somebody made visible.
            let files = page.contents.iter().filter(|c| !c.key.ends_with('/'));
            for content in files {
                let (Some(path), Some(size)) = (content.key.strip_prefix(&root), content.size) else {
                    let failure =
                        Failure::new(Reason::MalformedReply, format!("list the files below {}", inner.prefix));
                    return Err(failure.because(format!("`{}` has no size or lies elsewhere", content.key)));
                };
                found.push(FileEntry { path: path.to_owned(), size });
            }
            match page.next_continuation_token.map(|t| t.to_string()).filter(|t| !t.is_empty()) {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        found.sort();
        Ok(found)
    }

    async fn read(&self, file: &FileEntry, range: Range<u64>) -> Result<Chunks, BytesError> {
        let inner = &self.inner;
        let (now, key) = (inner.now().await?, inner.key(&file.path));
        let action = inner.bucket.get_object(now.signer.as_ref(), &key);
        let headers = vec![("Range", format!("bytes={}-{}", range.start, range.end - 1))];
        let doing = || format!("read {key}");
        Ok(inner.send(&now, Method::Get, action, headers, Payload::None, doing).await?.body)
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), BytesError> {
        let inner = &self.inner;
        let (now, key) = (inner.now().await?, inner.key(path));
        let action = inner.bucket.put_object(now.signer.as_ref(), &key);
        let headers = inner.encryption(&now.vended);
        let doing = || format!("write {key}");
        inner.send(&now, Method::Put, action, headers, Payload::Bytes(bytes), doing).await.map(drop)
    }

    async fn begin(&self, file: &FileEntry) -> Result<Arc<dyn Upload>, BytesError> {
        let inner = &self.inner;
        let (now, key) = (inner.now().await?, inner.key(&file.path));
        let doing = || format!("begin the upload of {key}");
        let action = inner.bucket.create_multipart_upload(now.signer.as_ref(), &key);
        let headers = inner.encryption(&now.vended);
        let incoming = inner.send(&now, Method::Post, action, headers, Payload::None, doing).await?;
        let answer = text(incoming.body, &doing).await?;
        let created = CreateMultipartUpload::parse_response(&answer)
            .map_err(|e| Failure::new(Reason::MalformedReply, doing()).because(e.to_string()))?;
        let upload = created.upload_id().to_owned();
        let etags = Mutex::default();
        Ok(Arc::new(Multipart { inner: Arc::clone(inner), key, upload, etags }))
    }

    async fn remove(&self, path: &str) -> Result<(), Failure> {
        let inner = &self.inner;
        let key = inner.key(path);
        let removed = async {
            let now = inner.now().await?;
            let action = inner.bucket.delete_object(now.signer.as_ref(), &key);
            inner.send(&now, Method::Delete, action, vec![], Payload::None, || format!("delete {key}")).await
        };
        removed.await.map(drop).map_err(BytesError::into_failure)
    }
}

struct Multipart {
    inner: Arc<Inner>,
    key: String,
    upload: String,
    etags: Mutex<std::collections::BTreeMap<u64, String>>,
}

#[async_trait]
impl Upload for Multipart {
    fn way(&self) -> Way {
        Way::Parts { least: 5 << 20, most_parts: 10_000 }
    }

    async fn part(&self, number: u64, bytes: Bytes) -> Result<(), BytesError> {
        let inner = &self.inner;
        let now = inner.now().await?;
        let doing = || format!("write part {number} of {}", self.key);
        let n = u16::try_from(number).map_err(|e| Failure::new(Reason::Internal, doing()).because(e))?;
        let action = inner.bucket.upload_part(now.signer.as_ref(), &self.key, n, &self.upload);
        let incoming = inner.send(&now, Method::Put, action, vec![], Payload::Bytes(bytes), doing).await?;
        let etag = incoming.header("etag").unwrap_or_default().to_owned();
        self.etags.lock().unwrap_or_else(PoisonError::into_inner).insert(number, etag);
        Ok(())
    }

    async fn stream(&self, _: u64, _: Chunks) -> Result<(), BytesError> {
        Err(Failure::new(Reason::Internal, "upload in one piece: this upload is in parts").into())
    }

    async fn finish(&self) -> Result<(), BytesError> {
        let inner = &self.inner;
        let now = inner.now().await?;
        let doing = || format!("complete the upload of {}", self.key);
        let etags: Vec<String> = self.etags.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let etags = || etags.iter().map(String::as_str);
        let signed = inner.bucket.complete_multipart_upload(now.signer.as_ref(), &self.key, &self.upload, etags());
        let body = inner.bucket.complete_multipart_upload(now.signer.as_ref(), &self.key, &self.upload, etags()).body();
        let headers = vec![("Content-Type", "application/xml".to_owned())];
        let payload = Payload::Bytes(Bytes::from(body));
        let incoming = inner.send(&now, Method::Post, signed, headers, payload, doing).await?;
        // A status of 200 may hold an error: S3 begins to answer before it has put the parts together.
        let answer = text(incoming.body, &doing).await?;
        match answer.contains("<Error>") {
            true => Err(BytesError::Again(Failure::new(Reason::WorkspaceError, doing()).because("S3 could not"))),
            false => Ok(()),
        }
    }

    async fn abort(&self) {
        let inner = &self.inner;
        let Ok(now) = inner.now().await else { return };
        let action = inner.bucket.abort_multipart_upload(now.signer.as_ref(), &self.key, &self.upload);
        let doing = || format!("abort the upload of {}", self.key);
        if let Err(error) = inner.send(&now, Method::Delete, action, vec![], Payload::None, doing).await {
            tracing::debug!("{}", error.into_failure());
        }
    }
}
