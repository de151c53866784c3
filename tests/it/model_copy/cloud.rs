//! A cloud's storage that nobody here wrote, behind a front that breaks what it is told to break.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use mlops_deploy::ports::transfer::Endpoints;
use mlops_deploy::rehearsal::front::Serving;
use mlops_deploy::rehearsal::workspace::{Bucket, ModelFiles};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::Scene;

pub const KMS: &str = "arn:aws:kms:us-east-1:123456789012:key/7";

/// It looks whether a request is signed, not by whom.
const ANYBODY: &str =
    "AWS4-HMAC-SHA256 Credential=story/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// For the account that every Azurite has, by the key that everybody knows.
const SIGNATURE: &str = "sv=2023-11-03&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z&spr=https,http\
                         &sig=nsrJAUgiS3hXizSAbHEsbG1XlRWKTs393EGiAjeY4%2Bs%3D";
const ACCOUNT: &str = "/devstoreaccount1";
const CONTAINER: &str = "/standin-metastore";

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    S3,
    /// Google's storage speaks the language of S3 with a token of its own. There is no server of it to be had that takes
    /// uploads in that language, so it is the same server.
    Google,
    Azure,
}

pub const ALL: [Kind; 3] = [Kind::S3, Kind::Google, Kind::Azure];

pub struct Cloud {
    kind: Kind,
    _process: Child,
    pub front: Serving,
    behind: Arc<Behind>,
}

struct Behind {
    url: String,
    http: reqwest::Client,
}

impl Cloud {
    /// None where `make clouds` has not been run.
    pub async fn start(kind: Kind) -> Option<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let (program, arguments) = match kind {
            Kind::Azure => (
                root.join(".cache/azurite/node_modules/.bin/azurite-blob"),
                &["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry"][..],
            ),
            _ => (root.join(".venv/s3/bin/moto_server"), &["-H", "127.0.0.1", "-p", "0"][..]),
        };
        if !program.exists() {
            eprintln!("skipped: there is no {}; `make clouds` makes one", program.display());
            return None;
        }
        let (process, url) = started(&program, arguments).await;
        let behind = Arc::new(Behind { url, http: reqwest::Client::builder().no_proxy().no_gzip().build().unwrap() });
        let routes = Router::new().fallback(forward).with_state(Arc::clone(&behind));
        let front = Serving::start(([127, 0, 0, 1], 0).into(), |_| routes, || Value::Null).unwrap();
        let cloud = Self { kind, _process: process, front, behind };
        let made = cloud.send(reqwest::Method::PUT, CONTAINER, "restype=container", Vec::new()).await;
        assert!(made.status().is_success(), "{}", made.text().await.unwrap());
        Some(cloud)
    }

    fn url(&self) -> String {
        format!("http://{}", self.front.address())
    }

    pub fn endpoints(&self) -> Endpoints {
        match self.kind {
            Kind::S3 => Endpoints { s3: Some(self.url()), ..Endpoints::default() },
            Kind::Google => Endpoints { gcs: Some(self.url()), ..Endpoints::default() },
            Kind::Azure => Endpoints { azure: Some(format!("{}{ACCOUNT}", self.url())), ..Endpoints::default() },
        }
    }

    /// The same for a process of its own.
    pub fn variable(&self) -> (&'static str, String) {
        match self.kind {
            Kind::S3 => ("AWS_ENDPOINT_URL_S3", self.url()),
            Kind::Google => ("STORAGE_EMULATOR_HOST", self.url()),
            Kind::Azure => ("AZURE_STORAGE_ENDPOINT", format!("{}{ACCOUNT}", self.url())),
        }
    }

    pub fn files(&self) -> ModelFiles {
        match self.kind {
            Kind::S3 => ModelFiles::S3(Bucket {
                access_key: "AKIDSTANDIN".into(),
                secret_key: "s3cr3t-of-the-bucket".into(),
                // Expired as soon as they are there.
                seconds: 1,
                kms_key: Some(KMS.into()),
            }),
            Kind::Google => ModelFiles::Google { token: "ya29.standin".into() },
            Kind::Azure => ModelFiles::Azure { signature: SIGNATURE.into() },
        }
    }

    /// Straight to the server, past the front.
    async fn send(&self, method: reqwest::Method, at: &str, query: &str, bytes: Vec<u8>) -> reqwest::Response {
        let (account, signature) = if self.kind == Kind::Azure { (ACCOUNT, SIGNATURE) } else { ("", "") };
        let mut url = format!("{}{account}{at}", self.behind.url);
        if self.kind == Kind::Azure || query.starts_with("list-type") {
            url.push_str(&format!("?{query}&{signature}"));
        }
        let mut request = self.behind.http.request(method.clone(), url).header("Authorization", ANYBODY);
        if self.kind == Kind::Azure {
            request = self.behind.http.request(method, request.build().unwrap().url().clone());
            request = request.header("x-ms-version", "2023-11-03").header("x-ms-blob-type", "BlockBlob");
        }
        request.header("Content-Length", bytes.len()).body(bytes).send().await.unwrap()
    }

    pub async fn put(&self, path: &str, bytes: Vec<u8>) {
        let reply = self.send(reqwest::Method::PUT, &format!("{CONTAINER}/{path}"), "", bytes).await;
        assert!(reply.status().is_success(), "{path}: {}", reply.text().await.unwrap());
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        let reply = self.send(reqwest::Method::GET, &format!("{CONTAINER}/{path}"), "", Vec::new()).await;
        assert!(reply.status().is_success(), "{path}");
        reply
    }

    async fn names(&self, prefix: &str) -> Vec<String> {
        let query = match self.kind {
            Kind::Azure => format!("restype=container&comp=list&prefix={prefix}"),
            _ => format!("list-type=2&prefix={prefix}"),
        };
        let listed = self.send(reqwest::Method::GET, CONTAINER, &query, Vec::new()).await.text().await.unwrap();
        listing(&listed).into_iter().map(|(name, _)| name).collect()
    }

    /// Every file below a folder.
    pub async fn below(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for name in self.names(&format!("{folder}/")).await {
            let bytes = self.get(&name).await.bytes().await.unwrap().to_vec();
            found.insert(name[folder.len() + 1..].to_owned(), bytes);
        }
        found
    }

    /// A scene whose source has these files in this cloud, which has no others: the next stand-in gives the same names.
    pub async fn scene(&self, files: &[(&str, Vec<u8>)]) -> Scene {
        for name in self.names("").await {
            self.send(reqwest::Method::DELETE, &format!("{CONTAINER}/{name}"), "", Vec::new()).await;
        }
        let scene = Scene::with(self.files(), self.endpoints()).await;
        let folder = folder(&scene.version("staging", "runs:/1/model").await);
        for (path, bytes) in files {
            self.put(&format!("{folder}/{path}"), bytes.clone()).await;
        }
        scene.finalize("staging", 1).await;
        scene
    }

    /// Whatever can be loaded is the original, and there is at most one of it.
    pub async fn assert_only_right_copies(&self, scene: &Scene, original: &[(&str, Vec<u8>)], context: &str) {
        let ready = scene.ready();
        assert!(ready.len() <= 1, "{context}: {ready:?}");
        let wanted: BTreeMap<String, Vec<u8>> =
            original.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.clone())).collect();
        for number in ready {
            assert!(self.below(&target(scene, number)).await == wanted, "{context}");
        }
    }
}

/// Where a version of the target lies.
pub fn target(scene: &Scene, number: u64) -> String {
    folder(&scene.control().dump()["copy"]["tables"]["model_versions"][format!("prod.models.churn/{number}")])
}

/// Of `s3://bucket/folder`, or of `abfss://container@account/folder`.
fn folder(version: &Value) -> String {
    let location = version["storage_location"].as_str().unwrap();
    location.splitn(4, '/').nth(3).unwrap().to_owned()
}

async fn started(program: &Path, arguments: &[&str]) -> (Child, String) {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().unwrap();
    let (out, err) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
    let url = tokio::select! { url = said(out) => url, url = said(err) => url };
    (process, url)
}

/// The address that it says it serves; what it says later goes nowhere.
async fn said(stream: impl AsyncRead + Unpin + Send + 'static) -> String {
    let mut lines = BufReader::new(stream).lines();
    let url = loop {
        let Some(line) = lines.next_line().await.unwrap() else { std::future::pending().await };
        let words = ["Running on ", "successfully listens on "].into_iter();
        if let Some((_, url)) = words.filter_map(|words| line.split_once(words)).next() {
            break url.trim().to_owned();
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    url
}

async fn forward(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    if query.contains("resource=filesystem") {
        return by_folder(&behind, head.uri.path(), query).await;
    }
    let url = format!("{}{}", behind.url, head.uri);
    let bytes = to_bytes(body, 64 << 20).await.unwrap_or_default();
    let mut headers = head.headers;
    for own in ["host", "content-length", "transfer-encoding"] {
        headers.remove(own);
    }
    headers.insert("content-length", bytes.len().into());
    let answer = behind.http.request(head.method, url).headers(headers).body(bytes).send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove("transfer-encoding");
    (status, headers, Body::from(answer.bytes().await.unwrap())).into_response()
}

/// Azurite has blobs and no folders: the one call that wants folders is answered from its list of blobs.
async fn by_folder(behind: &Behind, container: &str, query: &str) -> Response {
    let pairs: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let asked = [("restype", "container"), ("comp", "list"), ("prefix", &format!("{}/", pairs["directory"]))];
    let request = behind.http.get(format!("{}{container}?{SIGNATURE}", behind.url)).query(&asked);
    let listed = request.header("x-ms-version", "2023-11-03").send().await.unwrap().text().await.unwrap();
    let paths: Vec<Value> =
        listing(&listed).into_iter().map(|(name, size)| json!({"name": name, "contentLength": size})).collect();
    axum::Json(json!({"paths": paths})).into_response()
}

/// Names and sizes of either cloud's list.
fn listing(text: &str) -> Vec<(String, String)> {
    let inner = |item: &str, tag: &str| {
        let from = item.find(&format!("<{tag}>"))? + tag.len() + 2;
        Some(item[from..].split('<').next().unwrap_or_default().to_owned())
    };
    let items = text.split("<Blob>").skip(1).chain(text.split("<Contents>").skip(1));
    let items = items.filter_map(|item| item.split("</Blob>").next()?.split("</Contents>").next());
    let named = |item: &str| {
        let name = inner(item, "Name").or(inner(item, "Key")).unwrap();
        (name, inner(item, "Content-Length").or(inner(item, "Size")).unwrap())
    };
    items.map(named).collect()
}
