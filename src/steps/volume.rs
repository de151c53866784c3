//! Files in Unity Catalog volumes, by the Files API: look, read, create, send, bring.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::bundle::workspace_files::escape;
use crate::ports::{Body, Method, Request, Rest, RestError};

/// An archive of gigabytes takes its time.
const LONG: Duration = Duration::from_secs(30 * 60);

/// The volumes that one workspace shows. Paths begin with `/Volumes/`.
#[derive(Clone)]
pub struct VolumeFiles {
    rest: Arc<dyn Rest>,
}

/// How creating a file went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    Made,
    /// Something lies there already; it was left alone.
    Taken,
}

impl VolumeFiles {
    pub fn new(rest: Arc<dyn Rest>) -> Self {
        Self { rest }
    }

    /// None where there is no such file.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>, RestError> {
        match self.rest.call(Request::get(file(path))).await {
            Ok(reply) => Ok(Some(reply.body)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of the files in a folder; none where there is no such folder.
    pub async fn names(&self, folder: &str) -> Result<Vec<String>, RestError> {
        let mut names = Vec::new();
        let mut page = String::new();
        loop {
            let mut request = Request::get(format!("/api/2.0/fs/directories{}", escape(folder)));
            if !page.is_empty() {
                request = request.query("page_token", page.as_str());
            }
            let reply = match self.rest.call(request).await {
                Ok(reply) => reply.json()?,
                Err(error) if error.is_not_found() => return Ok(names),
                Err(error) => return Err(error),
            };
            let files = reply["contents"].as_array().into_iter().flatten();
            let files = files.filter(|entry| entry["is_directory"] != Value::Bool(true));
            names.extend(files.filter_map(|entry| entry["name"].as_str().map(str::to_owned)));
            match reply["next_page_token"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => page = token.to_owned(),
                None => return Ok(names),
            }
        }
    }

    /// Writes a file where none is, making its folder when that is missing. Of two that do it
    /// at the same time one is told `Taken`. So is a first try whose answer was lost.
    pub async fn create(&self, path: &str, bytes: Bytes) -> Result<Created, RestError> {
        let send = || self.put(path, Body::Bytes(bytes.clone()), false);
        let answer = match send().await {
            Err(error) if error.is_not_found() => {
                self.make_folder(folder_of(path)).await?;
                send().await
            }
            other => other,
        };
        match answer {
            Ok(()) => Ok(Created::Made),
            Err(error) if error.status() == Some(409) => Ok(Created::Taken),
            Err(error) => Err(error),
        }
    }

    /// Writes what a file of this machine holds over whatever is there.
    pub async fn send(&self, local: &Path, path: &str) -> Result<(), RestError> {
        match self.put(path, Body::File(local.to_owned()), true).await {
            Err(error) if error.is_not_found() => {
                self.make_folder(folder_of(path)).await?;
                self.put(path, Body::File(local.to_owned()), true).await
            }
            other => other,
        }
    }

    pub async fn bring(&self, path: &str, local: &Path) -> Result<(), RestError> {
        let mut request = Request::get(file(path));
        request.timeout = Some(LONG);
        self.rest.download(request, local).await.map(drop)
    }

    async fn put(&self, path: &str, body: Body, overwrite: bool) -> Result<(), RestError> {
        let mut request = Request::new(Method::Put, file(path)).query("overwrite", overwrite.to_string());
        request.body = body;
        request.timeout = Some(LONG);
        self.rest.call(request).await.map(drop)
    }

    /// With the folders above it; one that is there already stays.
    pub async fn make_folder(&self, folder: &str) -> Result<(), RestError> {
        let request = Request::new(Method::Put, format!("/api/2.0/fs/directories{}", escape(folder)));
        self.rest.call(request).await.map(drop)
    }
}

fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

fn file(path: &str) -> String {
    format!("/api/2.0/fs/files{}", escape(path))
}
