//! A version's files under `/Models` of the Files API.
//!
//! Listing and small writes go to the workspace. Big bodies go by links, straight to the
//! storage behind it; where a workspace makes no links, or the storage takes no uploads in
//! parts, they go through the workspace or in one piece. Links live for an hour at most and
//! are made anew when one is refused.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};

use super::store::{BytesError, FileEntry, Store, Upload, Way, judged};
use crate::domain::{Failure, ModelName, ModelVersion, Secret};
use crate::ports::transfer::{Chunks, Outgoing, Payload, Place};
use crate::ports::{Clock, Method, Request, Rest, RestError, Transfer, World};
use crate::steps::bundle::workspace_files::escape;

const FILES: &str = "/api/2.0/fs/files";
const DIRECTORIES: &str = "/api/2.0/fs/directories";
const LINK_LIFE: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);
/// Links for so many parts are asked for at a time.
const BATCH: u64 = 8;

pub struct FilesApi {
    rest: Arc<dyn Rest>,
    transfer: Arc<dyn Transfer>,
    clock: Arc<dyn Clock>,
    root: String,
    links: Mutex<HashMap<String, Link>>,
    /// The workspace makes no links: bodies go through it.
    without_links: AtomicBool,
}

/// An address good for a while, and headers that must go along.
#[derive(Clone)]
struct Link {
    url: Secret,
    headers: Vec<(String, String)>,
}

impl Link {
    fn read(answer: &Value) -> Option<Self> {
        let url = Secret::new(answer["url"].as_str().filter(|u| !u.is_empty())?);
        let headers = answer["headers"].as_array().into_iter().flatten();
        let headers = headers.filter_map(|h| Some((h["name"].as_str()?.to_owned(), h["value"].as_str()?.to_owned())));
        Some(Self { url, headers: headers.collect() })
    }

    fn outgoing(&self, method: Method) -> Outgoing {
        let mut outgoing = Outgoing::new(method, Place::Signed(self.url.clone()));
        outgoing.headers.clone_from(&self.headers);
        outgoing
    }
}

impl FilesApi {
    pub fn new(world: &World, model: &ModelName, version: ModelVersion) -> Self {
        let ModelName { catalog, schema, name } = model;
        Self {
            rest: Arc::clone(&world.workspace),
            transfer: Arc::clone(&world.transfer),
            clock: Arc::clone(&world.clock),
            root: format!("/Models/{catalog}/{schema}/{name}/{version}"),
            links: Mutex::default(),
            without_links: AtomicBool::new(false),
        }
    }

    fn full(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    fn file(&self, path: &str) -> String {
        format!("{FILES}{}", escape(&self.full(path)))
    }

    async fn folder(&self, path: &str) -> Result<(Vec<FileEntry>, Vec<String>), RestError> {
        let (mut files, mut folders, mut token) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let mut request = Request::get(format!("{DIRECTORIES}{}", escape(path))).query("page_size", "1000");
            if let Some(token) = &token {
                request = request.query("page_token", token);
            }
            let answer = self.rest.call(request).await?.json()?;
            for item in answer["contents"].as_array().into_iter().flatten() {
                let listed = item["path"].as_str().unwrap_or_default();
                if item["is_directory"].as_bool() == Some(true) {
                    folders.push(listed.trim_end_matches('/').to_owned());
                    continue;
                }
                let below = listed.strip_prefix(&self.root).and_then(|rest| rest.strip_prefix('/'));
                let size = item["file_size"].as_u64().or_else(|| item["file_size"].as_str()?.parse().ok());
                let (Some(path), Some(size)) = (below, size) else {
                    return Err(RestError::Malformed(format!("`{listed}` has no size or lies elsewhere")));
                };
                files.push(FileEntry { path: path.to_owned(), size });
            }
            match answer["next_page_token"].as_str().filter(|t| !t.is_empty()) {
                Some(next) if token.as_deref() != Some(next) => token = Some(next.to_owned()),
                Some(_) => return Err(RestError::Malformed("a page names itself as the next".to_owned())),
                None => return Ok((files, folders)),
            }
        }
    }

    fn expires(&self) -> String {
        let then = self.clock.now().saturating_add(LINK_LIFE).expect("a span of minutes");
        then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// A link to read a file; `None` where the workspace makes none.
    async fn link_to(&self, path: &str) -> Result<Option<Link>, Failure> {
        if self.without_links.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if let Some(link) = self.locked().get(path) {
            return Ok(Some(link.clone()));
        }
        let request = Request::new(Method::Post, "/api/2.0/fs/create-download-url").repeatable();
        let request = request.query("path", self.full(path)).query("expire_time", self.expires());
        let answer = match self.rest.call(request).await {
            Ok(reply) => reply.json().map_err(|e| e.into_failure(format!("make a link to {path}")))?,
            Err(error) if makes_no_links(&error) => {
                tracing::info!("the workspace makes no links to its storage; files go through it");
                self.without_links.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            Err(error) => return Err(error.into_failure(format!("make a link to {path}"))),
        };
        let link = Link::read(&answer);
        let link = link.ok_or_else(|| {
            RestError::Malformed("the answer has no `url`".into()).into_failure(format!("make a link to {path}"))
        })?;
        self.locked().insert(path.to_owned(), link.clone());
        Ok(Some(link))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The route is not there, or not for this kind of storage.
fn makes_no_links(error: &RestError) -> bool {
    let code = matches!(error, RestError::Status { error_code, .. }
        if matches!(error_code.as_str(), "ENDPOINT_NOT_FOUND" | "NOT_IMPLEMENTED" | "FEATURE_DISABLED"));
    code || matches!(error.status(), Some(405 | 501))
}

#[async_trait]
impl Store for FilesApi {
    fn route(&self) -> &str {
        "the Files API"
    }

    async fn list(&self) -> Result<Vec<FileEntry>, Failure> {
        let (mut found, mut folders) = (Vec::new(), vec![self.root.clone()]);
        while !folders.is_empty() {
            let listings = folders.iter().map(|folder| self.folder(folder));
            let listings = futures::stream::iter(listings.collect::<Vec<_>>()).buffer_unordered(8);
            let listings: Vec<_> = listings.collect().await;
            folders.clear();
            for listing in listings {
                let (files, deeper) = match listing {
                    Ok(listing) => listing,
                    // An empty version has no folder yet.
                    Err(error) if error.is_not_found() && found.is_empty() => continue,
                    Err(error) => return Err(error.into_failure(format!("list the files of {}", self.root))),
                };
                found.extend(files);
                folders.extend(deeper);
            }
        }
        found.sort();
        Ok(found)
    }

    async fn read(&self, file: &FileEntry, range: Range<u64>) -> Result<Chunks, BytesError> {
        let link = self.link_to(&file.path).await?;
        let outgoing = match &link {
            Some(link) => link.outgoing(Method::Get),
            None => Outgoing::new(Method::Get, Place::Workspace(self.file(&file.path))),
        };
        // The header goes along for a whole file too: that a server heeds it shows in the answer.
        let outgoing = outgoing.header("Range", format!("bytes={}-{}", range.start, range.end - 1));
        let answer = judged(|| format!("read {}", self.full(&file.path)), self.transfer.send(outgoing).await).await;
        match answer {
            Ok(incoming) => Ok(incoming.body),
            Err(error) => {
                if matches!(error, BytesError::Again(_)) {
                    self.locked().remove(&file.path);
                }
                Err(error)
            }
        }
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), BytesError> {
        let outgoing = Outgoing::new(Method::Put, Place::Workspace(format!("{}?overwrite=true", self.file(path))));
        let outgoing = outgoing.header("Content-Type", "application/octet-stream").payload(Payload::Bytes(bytes));
        judged(|| format!("write {}", self.full(path)), self.transfer.send(outgoing).await).await.map(drop)
    }

    async fn begin(&self, file: &FileEntry) -> Result<Arc<dyn Upload>, BytesError> {
        let doing = || format!("begin the upload of {}", self.full(&file.path));
        let request = Request::new(Method::Post, self.file(&file.path)).repeatable();
        let request = request.query("action", "initiate-upload").query("overwrite", "true");
        let session = match self.rest.call(request).await {
            Ok(reply) if reply.body.is_empty() => None,
            Ok(reply) => {
                let answer = reply.json().map_err(|e| e.into_failure(doing()))?;
                answer["multipart_upload"]["session_token"].as_str().map(Secret::new)
            }
            Err(error) if makes_no_links(&error) => None,
            Err(error) => return Err(error.into_failure(doing()).into()),
        };
        let (rest, transfer) = (Arc::clone(&self.rest), Arc::clone(&self.transfer));
        let (full, at) = (self.full(&file.path), self.file(&file.path));
        Ok(match session {
            Some(session) => {
                let urls = tokio::sync::Mutex::default();
                let (etags, parts) = (Mutex::default(), file.size.div_ceil(5 << 20));
                let clock = Arc::clone(&self.clock);
                let size = file.size;
                Arc::new(InParts { rest, transfer, clock, full, at, size, session, urls, etags, parts })
            }
            None => Arc::new(InOnePiece { rest, transfer, full, at }),
        })
    }

    async fn remove(&self, path: &str) -> Result<(), Failure> {
        match self.rest.call(Request::new(Method::Delete, self.file(path))).await {
            Err(error) if !error.is_not_found() => Err(error.into_failure(format!("delete {}", self.full(path)))),
            _ => Ok(()),
        }
    }
}

struct InParts {
    rest: Arc<dyn Rest>,
    transfer: Arc<dyn Transfer>,
    clock: Arc<dyn Clock>,
    full: String,
    at: String,
    size: u64,
    session: Secret,
    urls: tokio::sync::Mutex<HashMap<u64, Link>>,
    etags: Mutex<HashMap<u64, String>>,
    /// How many there will be at most.
    parts: u64,
}

impl InParts {
    async fn link(&self, number: u64) -> Result<Link, BytesError> {
        // Held while asking: others that wait for their links get them by this answer.
        let mut urls = self.urls.lock().await;
        if let Some(link) = urls.remove(&number) {
            return Ok(link);
        }
        let doing = || format!("make links for the parts of {}", self.full);
        let then = self.clock.now().saturating_add(LINK_LIFE).expect("a span of minutes");
        let count = BATCH.min((self.parts + 1).saturating_sub(number)).max(1);
        let body = json!({
            "path": self.full, "session_token": self.session.expose(), "start_part_number": number, "count": count,
            "expire_time": then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        });
        let request = Request::post("/api/2.0/fs/create-upload-part-urls", body).repeatable();
        let answer = self.rest.call(request).await.and_then(|r| r.json()).map_err(|e| e.into_failure(doing()))?;
        for item in answer["upload_part_urls"].as_array().into_iter().flatten() {
            if let (Some(number), Some(link)) = (item["part_number"].as_u64(), Link::read(item)) {
                urls.insert(number, link);
            }
        }
        let missing = || RestError::Malformed(format!("there is no link for part {number}")).into_failure(doing());
        urls.remove(&number).ok_or_else(|| missing().into())
    }

    async fn is_there(&self) -> bool {
        let found = self.rest.call(Request::new(Method::Head, self.at.clone())).await;
        found.is_ok_and(|reply| reply.header("content-length").and_then(|l| l.parse().ok()) == Some(self.size))
    }

    fn act(&self, action: &str) -> Request {
        Request::new(Method::Post, self.at.clone())
            .query("action", action)
            .query("upload_type", "multipart")
            .query("session_token", self.session.expose())
    }
}

#[async_trait]
impl Upload for InParts {
    fn way(&self) -> Way {
        Way::Parts { least: 5 << 20, most_parts: 10_000 }
    }

    async fn part(&self, number: u64, bytes: Bytes) -> Result<(), BytesError> {
        let doing = || format!("write part {number} of {}", self.full);
        let outgoing = self.link(number).await?.outgoing(Method::Put).payload(Payload::Bytes(bytes));
        let outgoing = match outgoing.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type")) {
            true => outgoing,
            false => outgoing.header("Content-Type", "application/octet-stream"),
        };
        let answer = judged(doing, self.transfer.send(outgoing).await).await;
        if matches!(answer, Err(BytesError::Again(_))) {
            // The others of its batch are as old.
            self.urls.lock().await.clear();
        }
        let etag = answer?.header("etag").unwrap_or_default().to_owned();
        self.etags.lock().unwrap_or_else(PoisonError::into_inner).insert(number, etag);
        Ok(())
    }

    async fn stream(&self, _: u64, _: Chunks) -> Result<(), BytesError> {
        Err(Failure::new(crate::domain::Reason::Internal, "upload in one piece: this upload is in parts").into())
    }

    async fn finish(&self) -> Result<(), BytesError> {
        let mut etags: Vec<(u64, String)> =
            self.etags.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(n, e)| (*n, e.clone())).collect();
        etags.sort();
        let parts: Vec<Value> = etags.iter().map(|(n, etag)| json!({"part_number": n, "etag": etag})).collect();
        let doing = || format!("complete the upload of {}", self.full);
        let request = self.act("complete-upload").json(json!({"parts": parts}));
        match self.rest.call(request).await {
            Ok(_) => Ok(()),
            // Sent again it might be refused for having been obeyed: first we look. What the file's bytes are is seen
            // when they are read back.
            Err(error) if error.may_have_been_applied() => match self.is_there().await {
                true => Ok(()),
                false => Err(BytesError::Again(error.into_failure(doing()))),
            },
            Err(error) => Err(error.into_failure(doing()).into()),
        }
    }

    async fn abort(&self) {
        if let Err(error) = self.rest.call(self.act("abort-upload")).await {
            tracing::debug!("the upload of {} could not be aborted: {error}", self.full);
        }
    }
}

/// By one link where the workspace makes one for writing, else through the workspace.
struct InOnePiece {
    rest: Arc<dyn Rest>,
    transfer: Arc<dyn Transfer>,
    full: String,
    at: String,
}

#[async_trait]
impl Upload for InOnePiece {
    fn way(&self) -> Way {
        Way::Stream
    }

    async fn part(&self, _: u64, _: Bytes) -> Result<(), BytesError> {
        Err(Failure::new(crate::domain::Reason::Internal, "upload in parts: this upload is in one piece").into())
    }

    async fn stream(&self, length: u64, chunks: Chunks) -> Result<(), BytesError> {
        let request = Request::post("/api/2.0/fs/create-upload-url", json!({"path": self.full})).repeatable();
        let link = match self.rest.call(request).await {
            Ok(reply) => Link::read(&reply.json().map_err(|e| e.into_failure(format!("write {}", self.full)))?),
            Err(error) if makes_no_links(&error) => None,
            Err(error) => return Err(error.into_failure(format!("make a link to write {}", self.full)).into()),
        };
        let outgoing = match link {
            Some(link) => link.outgoing(Method::Put),
            None => Outgoing::new(Method::Put, Place::Workspace(format!("{}?overwrite=true", self.at))),
        };
        let outgoing = outgoing.payload(Payload::Stream(length, chunks));
        judged(|| format!("write {}", self.full), self.transfer.send(outgoing).await).await.map(drop)
    }

    async fn finish(&self) -> Result<(), BytesError> {
        Ok(())
    }

    async fn abort(&self) {}
}
