//! Handed-out keys lead to a server of S3's interface that nobody here wrote; `make s3` makes it.

use std::path::PathBuf;
use std::process::Stdio;

use mlops_deploy::ports::transfer::Endpoints;
use mlops_deploy::rehearsal::workspace::{Bucket, ModelFiles};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{MLMODEL, Scene};

const KMS: &str = "arn:aws:kms:us-east-1:123456789012:key/7";

/// It looks whether a request is signed, not by whom.
const ANYBODY: &str =
    "AWS4-HMAC-SHA256 Credential=story/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

struct Moto {
    _process: Child,
    url: String,
    http: reqwest::Client,
}

impl Moto {
    async fn start() -> Option<Self> {
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/s3/bin/moto_server");
        if !program.exists() {
            eprintln!("skipped: no server of S3's interface in .venv/s3; `make s3` makes one");
            return None;
        }
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let url = loop {
            let line = lines.next_line().await.unwrap().expect("it ended");
            if let Some((_, url)) = line.split_once("Running on ") {
                break url.trim().to_owned();
            }
        };
        // What it says later must go somewhere.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let moto = Self { _process: process, url, http: reqwest::Client::builder().no_proxy().build().unwrap() };
        moto.put("", Vec::new()).await;
        Some(moto)
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) {
        let at = format!("{}/standin-metastore{key}", self.url);
        let reply = self.http.put(at).body(bytes).send().await.unwrap();
        assert!(reply.status().is_success(), "{}", reply.text().await.unwrap());
    }

    async fn get(&self, key: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}/standin-metastore{key}", self.url)).header("Authorization", ANYBODY);
        let reply = request.send().await.unwrap();
        assert!(reply.status().is_success(), "{key}");
        reply
    }
}

#[tokio::test]
async fn keys_for_a_bucket_are_renewed_and_its_encryption_is_asked_for() {
    let Some(moto) = Moto::start().await else { return };
    let bucket = Bucket {
        access_key: "AKIDSTANDIN".into(),
        secret_key: "s3cr3t-of-the-bucket".into(),
        // Expired as soon as they are there.
        seconds: 1,
        kms_key: Some(KMS.into()),
    };
    let endpoints = Endpoints { s3: Some(moto.url.clone()), ..Endpoints::default() };
    let scene = Scene::with(ModelFiles::S3(bucket), endpoints).await;
    let source = scene.version("staging", "runs:/1/model").await;
    let folder = |version: &serde_json::Value| {
        version["storage_location"].as_str().unwrap().strip_prefix("s3://standin-metastore").unwrap().to_owned()
    };
    let weights: Vec<u8> = (0..11 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let files = [("MLmodel", MLMODEL.as_bytes().to_vec()), ("data/empty", vec![]), ("data/weights.bin", weights)];
    for (path, bytes) in &files {
        moto.put(&format!("{}/{path}", folder(&source)), bytes.clone()).await;
    }
    scene.finalize("staging", 1).await;
    let ended = scene.copy().await;
    assert!(ended.copied.is_some(), "{}", ended.said);
    assert_eq!(scene.ready(), [1]);
    let dump = scene.control().dump();
    let target = folder(&dump["copy"]["tables"]["model_versions"]["prod.models.churn/1"]);
    for (path, bytes) in &files {
        let reply = moto.get(&format!("{target}/{path}")).await;
        assert_eq!(reply.headers()["x-amz-server-side-encryption-aws-kms-key-id"], KMS, "{path}");
        assert!(reply.bytes().await.unwrap() == bytes.as_slice(), "{path}");
    }
    let listed =
        moto.get(&format!("?list-type=2&prefix={}/", target.trim_start_matches('/'))).await.text().await.unwrap();
    assert_eq!(listed.matches("<Key>").count(), files.len(), "{listed}");
    let renewed = scene.control().requests().iter().filter(|r| r.path.contains("temporary-model-version-cred")).count();
    assert!(renewed > 4, "{renewed}");
}
