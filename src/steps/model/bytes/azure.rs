//! A version's folder in Azure's storage, opened by a signature (SAS) that stands in each address.
//!
//! Between two folders of this cloud nothing passes through us: a block is put from an address,
//! and the source's has its own signature in it. The answer comes when the block is copied,
//! unlike that of a blob copy, which only says that one has begun.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;

use super::credentials::{Keys, Vended, Vendor};
use super::store::{BytesError, FileEntry, Store, Upload, Way, judged};
use crate::domain::{Failure, Reason, Secret};
use crate::ports::transfer::{Chunks, Incoming, Outgoing, Payload, Place};
use crate::ports::{Method, Transfer};
use crate::steps::bundle::workspace_files::escape;

/// Of the storage's interface.
const VERSION: (&str, &str) = ("x-ms-version", "2023-11-03");
/// What a block put from an address holds; the service would take four times as much.
const BLOCK: u64 = 64 << 20;

pub struct Azure {
    inner: Arc<Inner>,
    /// The source lies in this cloud as well, and has not been refused to it.
    by_link: AtomicBool,
}

struct Inner {
    transfer: Arc<dyn Transfer>,
    vendor: Vendor,
    /// `https://account.blob.core.windows.net/container`, and the same of the other interface.
    blob: String,
    dfs: String,
    folder: String,
}

impl Azure {
    /// `abfss://container@account.dfs.core.windows.net/folder`.
    pub fn open(transfer: Arc<dyn Transfer>, vendor: Vendor, location: &str, by_link: bool) -> Result<Self, Failure> {
        let bad = || {
            Failure::new(Reason::MalformedReply, format!("open the storage of {location}"))
                .because("it is not written as abfss://container@account/folder")
        };
        let url = url::Url::parse(location).map_err(|_| bad())?;
        let (container, host) = (url.username(), url.host_str().ok_or_else(bad)?);
        let folder = url.path().trim_matches('/').to_owned();
        if container.is_empty() || folder.is_empty() {
            return Err(bad());
        }
        let (blob, dfs) = match &transfer.endpoints().azure {
            Some(at) => (format!("{at}/{container}"), format!("{at}/{container}")),
            None => (
                format!("https://{}/{container}", host.replacen(".dfs.", ".blob.", 1)),
                format!("https://{}/{container}", host.replacen(".blob.", ".dfs.", 1)),
            ),
        };
        Ok(Self { inner: Arc::new(Inner { transfer, vendor, blob, dfs, folder }), by_link: AtomicBool::new(by_link) })
    }

    fn is_by_link(&self) -> bool {
        self.by_link.load(Ordering::Relaxed)
    }
}

impl Inner {
    async fn sas(&self) -> Result<(Arc<Vended>, Secret), BytesError> {
        let vended = self.vendor.keys().await.map_err(|e| self.vendor.failed(e))?;
        match &vended.keys {
            Keys::AzureSas(sas) => Ok((Arc::clone(&vended), sas.clone())),
            _ => Err(Failure::new(Reason::MalformedReply, self.vendor.doing())
                .because("the keys are of another cloud than the storage")
                .into()),
        }
    }

    fn blob(&self, path: &str) -> String {
        format!("{}/{}", self.blob, escape(&format!("{}/{path}", self.folder)))
    }

    async fn send(
        &self,
        method: Method,
        at: &str,
        query: &str,
        headers: Vec<(&str, String)>,
        payload: Payload,
        doing: impl Fn() -> String,
    ) -> Result<Incoming, BytesError> {
        let (vended, sas) = self.sas().await?;
        let and = if query.is_empty() { "" } else { "&" };
        let place = Place::Signed(Secret::new(format!("{at}?{query}{and}{}", sas.expose())));
        let mut outgoing = Outgoing::new(method, place).header(VERSION.0, VERSION.1).payload(payload);
        for (name, value) in headers {
            outgoing = outgoing.header(name, value);
        }
        let answer = judged(doing, self.transfer.send(outgoing).await).await;
        if matches!(answer, Err(BytesError::Again(_))) {
            self.vendor.refused(&vended).await;
        }
        answer
    }

    async fn page(&self, token: &str) -> Result<(Value, String), BytesError> {
        let doing = || format!("list the files below {}", self.folder);
        let mut query = format!("resource=filesystem&recursive=true&directory={}", encoded(&self.folder));
        if !token.is_empty() {
            query.push_str(&format!("&continuation={}", encoded(token)));
        }
        let mut incoming = self.send(Method::Get, &self.dfs, &query, vec![], Payload::None, doing).await?;
        let next = incoming.header("x-ms-continuation").unwrap_or_default().to_owned();
        let mut all = Vec::new();
        while let Some(chunk) = incoming.body.next().await {
            let chunk =
                chunk.map_err(|e| BytesError::Again(Failure::new(Reason::WorkspaceUnreachable, doing()).because(e)))?;
            all.extend_from_slice(&chunk);
        }
        let answer = serde_json::from_slice(&all);
        let answer = answer.map_err(|e| Failure::new(Reason::MalformedReply, doing()).because(e))?;
        Ok((answer, next))
    }
}

/// A value in a query, slashes included.
fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[async_trait]
impl Store for Azure {
    fn route(&self) -> &str {
        if self.is_by_link() { "Azure's storage, which fetches by itself" } else { "Azure's storage" }
    }

    async fn list(&self) -> Result<Vec<FileEntry>, Failure> {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let mut page = self.inner.page(&token).await;
            if matches!(page, Err(BytesError::Again(_))) {
                page = self.inner.page(&token).await;
            }
            let (answer, next) = match page.map_err(BytesError::into_failure) {
                Ok(page) => page,
                // An empty version has no folder yet.
                Err(failure) if failure.reason == Reason::NotFound && found.is_empty() => return Ok(found),
                Err(failure) => return Err(failure),
            };
            let root = format!("{}/", self.inner.folder);
            for item in answer["paths"].as_array().into_iter().flatten() {
                if item["isDirectory"] == "true" || item["isDirectory"] == true {
                    continue;
                }
                let path = item["name"].as_str().and_then(|n| n.strip_prefix(&root));
                let length = &item["contentLength"];
                let size = length.as_u64().or_else(|| length.as_str()?.parse().ok());
                if let (Some(path), Some(size)) = (path, size) {
                    found.push(FileEntry { path: path.to_owned(), size });
                }
            }
            if next.is_empty() {
                found.sort();
                return Ok(found);
            }
            token = next;
        }
    }

    async fn read(&self, file: &FileEntry, range: Range<u64>) -> Result<Chunks, BytesError> {
        let headers = vec![("Range", format!("bytes={}-{}", range.start, range.end - 1))];
        let doing = || format!("read {}", file.path);
        let at = self.inner.blob(&file.path);
        Ok(self.inner.send(Method::Get, &at, "", headers, Payload::None, doing).await?.body)
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), BytesError> {
        let headers = vec![("x-ms-blob-type", "BlockBlob".to_owned())];
        let doing = || format!("write {path}");
        let at = self.inner.blob(path);
        self.inner.send(Method::Put, &at, "", headers, Payload::Bytes(bytes), doing).await.map(drop)
    }

    async fn begin(&self, file: &FileEntry) -> Result<Arc<dyn Upload>, BytesError> {
        let by_link = self.is_by_link();
        let part = if by_link { BLOCK } else { 5 << 20 };
        let blocks = std::sync::Mutex::default();
        Ok(Arc::new(Blocks { inner: Arc::clone(&self.inner), path: file.path.clone(), by_link, part, blocks }))
    }

    async fn remove(&self, path: &str) -> Result<(), Failure> {
        let at = self.inner.blob(path);
        let removed =
            self.inner.send(Method::Delete, &at, "", vec![], Payload::None, || format!("delete {path}")).await;
        removed.map(drop).map_err(BytesError::into_failure)
    }

    async fn link(&self, file: &FileEntry) -> Option<Secret> {
        let (_, sas) = self.inner.sas().await.ok()?;
        Some(Secret::new(format!("{}?{}", self.inner.blob(&file.path), sas.expose())))
    }

    fn gives_links(&self) -> bool {
        true
    }

    /// A firewall around the source lets us in and not the other account, and an emulator does not know the call.
    fn gives_up_links(&self) -> bool {
        self.by_link.swap(false, Ordering::Relaxed)
    }
}

struct Blocks {
    inner: Arc<Inner>,
    path: String,
    by_link: bool,
    part: u64,
    blocks: std::sync::Mutex<std::collections::BTreeSet<u64>>,
}

impl Blocks {
    /// Names of one length, as the service demands.
    fn id(number: u64) -> String {
        base64::engine::general_purpose::STANDARD.encode(format!("{number:010}"))
    }

    fn have(&self, number: u64) {
        self.blocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(number);
    }
}

#[async_trait]
impl Upload for Blocks {
    fn way(&self) -> Way {
        match self.by_link {
            true => Way::Link { part: self.part },
            false => Way::Parts { least: self.part, most_parts: 50_000 },
        }
    }

    async fn part(&self, number: u64, bytes: Bytes) -> Result<(), BytesError> {
        let query = format!("comp=block&blockid={}", encoded(&Self::id(number)));
        let doing = || format!("write part {number} of {}", self.path);
        let at = self.inner.blob(&self.path);
        self.inner.send(Method::Put, &at, &query, vec![], Payload::Bytes(bytes), doing).await?;
        self.have(number);
        Ok(())
    }

    async fn stream(&self, _: u64, _: Chunks) -> Result<(), BytesError> {
        Err(Failure::new(Reason::Internal, "upload in one piece: this upload is in parts").into())
    }

    async fn part_from(&self, number: u64, link: &Secret, range: Range<u64>) -> Result<(), BytesError> {
        let query = format!("comp=block&blockid={}", encoded(&Self::id(number)));
        let headers = vec![
            ("x-ms-copy-source", link.expose().to_owned()),
            ("x-ms-source-range", format!("bytes={}-{}", range.start, range.end - 1)),
            ("Content-Length", "0".to_owned()),
        ];
        let doing = || format!("copy part {number} of {}", self.path);
        let at = self.inner.blob(&self.path);
        self.inner.send(Method::Put, &at, &query, headers, Payload::None, doing).await?;
        self.have(number);
        Ok(())
    }

    async fn finish(&self) -> Result<(), BytesError> {
        let blocks: String = {
            let blocks = self.blocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            blocks.iter().map(|n| format!("<Latest>{}</Latest>", Self::id(*n))).collect()
        };
        let list = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{blocks}</BlockList>");
        let doing = || format!("complete the upload of {}", self.path);
        let at = self.inner.blob(&self.path);
        let payload = Payload::Bytes(list.into());
        self.inner.send(Method::Put, &at, "comp=blocklist", vec![], payload, doing).await.map(drop)
    }

    /// Blocks that were never put together are forgotten after a week.
    async fn abort(&self) {}
}
