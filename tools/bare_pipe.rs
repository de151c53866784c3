//! The limit that a copy is measured against: the same bytes by the same requests, piped from answer to request, and
//! nothing else. No hash, no retry, no look at what arrived.
//!
//! `bare_pipe SOURCE_FOLDER TARGET_FOLDER [--read-back]`, with the workspace in DATABRICKS_HOST and DATABRICKS_TOKEN.
//! Says how many seconds the pipe took, and then how many reading everything back.

use std::error::Error;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Body, Client, RequestBuilder};
use serde_json::{Value, json};

type Res<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The sizes that the product uses.
const PART: u64 = 5 << 20;
const AT_A_TIME: usize = 6;
const FILES_AT_A_TIME: usize = 8;

#[derive(Clone)]
struct Pipe {
    http: Client,
    host: String,
    token: String,
}

impl Pipe {
    fn api(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/2.0/fs{path}", self.host)).bearer_auth(&self.token)
    }

    async fn list(&self, folder: &str, found: &mut Vec<(String, u64)>) -> Res<()> {
        let answer: Value =
            self.api(reqwest::Method::GET, &format!("/directories{folder}")).send().await?.json().await?;
        for item in answer["contents"].as_array().into_iter().flatten() {
            let path = item["path"].as_str().ok_or("no path")?;
            match item["is_directory"] == true {
                true => Box::pin(self.list(path, found)).await?,
                false => found.push((path.to_owned(), item["file_size"].as_u64().ok_or("no size")?)),
            }
        }
        Ok(())
    }

    async fn link(&self, path: &str) -> Res<String> {
        let asked = self.api(reqwest::Method::POST, "/create-download-url").query(&[("path", path)]);
        let answer: Value = asked.send().await?.error_for_status()?.json().await?;
        Ok(answer["url"].as_str().ok_or("no url")?.to_owned())
    }

    async fn file(&self, from: &str, to: &str, size: u64) -> Res<()> {
        let source = self.link(from).await?;
        if size > PART {
            let begun = self.api(reqwest::Method::POST, &format!("/files{to}"));
            let begun = begun.query(&[("action", "initiate-upload"), ("overwrite", "true")]).send().await?;
            let begun: Value = serde_json::from_slice(&begun.error_for_status()?.bytes().await?).unwrap_or_default();
            if let Some(session) = begun["multipart_upload"]["session_token"].as_str() {
                return self.in_parts(&source, to, size, session).await;
            }
        }
        let body = self.http.get(&source).send().await?.error_for_status()?;
        let put = match size > PART {
            false => self.api(reqwest::Method::PUT, &format!("/files{to}?overwrite=true")),
            true => {
                let asked = self.api(reqwest::Method::POST, "/create-upload-url").json(&json!({"path": to}));
                let answer: Value = asked.send().await?.error_for_status()?.json().await?;
                self.http.put(answer["url"].as_str().ok_or("no url")?)
            }
        };
        let put = put.header("Content-Length", size).body(Body::wrap_stream(body.bytes_stream()));
        put.send().await?.error_for_status()?;
        Ok(())
    }

    async fn in_parts(&self, source: &str, to: &str, size: u64, session: &str) -> Res<()> {
        let parts = (0..size).step_by(PART as usize).enumerate().map(|(i, from)| {
            let (pipe, source, to, session) = (self.clone(), source.to_owned(), to.to_owned(), session.to_owned());
            let work =
                async move { pipe.part(&source, &to, &session, i as u64 + 1, from..(from + PART).min(size)).await };
            async move { tokio::spawn(work).await? }
        });
        let mut done: Vec<(u64, String)> = stream::iter(parts).buffer_unordered(AT_A_TIME).try_collect().await?;
        done.sort();
        let parts: Vec<Value> = done.iter().map(|(n, etag)| json!({"part_number": n, "etag": etag})).collect();
        let query = [("action", "complete-upload"), ("upload_type", "multipart"), ("session_token", session)];
        let complete = self.api(reqwest::Method::POST, &format!("/files{to}")).query(&query);
        complete.json(&json!({"parts": parts})).send().await?.error_for_status()?;
        Ok(())
    }

    async fn part(
        &self,
        source: &str,
        to: &str,
        session: &str,
        number: u64,
        range: std::ops::Range<u64>,
    ) -> Res<(u64, String)> {
        let body = json!({"path": to, "session_token": session, "start_part_number": number, "count": 1});
        let asked = self.api(reqwest::Method::POST, "/create-upload-part-urls").json(&body).send().await?;
        let answer: Value = asked.error_for_status()?.json().await?;
        let url = answer["upload_part_urls"][0]["url"].as_str().ok_or("no url")?;
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let body = self.http.get(source).header("Range", bytes).send().await?.error_for_status()?;
        let put = self.http.put(url).header("Content-Length", range.end - range.start);
        let reply = put.body(Body::wrap_stream(body.bytes_stream())).send().await?.error_for_status()?;
        Ok((number, reply.headers()["etag"].to_str()?.to_owned()))
    }

    async fn read(&self, path: &str, size: u64) -> Res<u64> {
        let source = self.link(path).await?;
        let parts = (0..size).step_by(PART as usize).map(|from| {
            let (pipe, source) = (self.clone(), source.clone());
            let work = async move {
                let bytes = format!("bytes={from}-{}", (from + PART).min(size) - 1);
                let mut body =
                    pipe.http.get(&source).header("Range", bytes).send().await?.error_for_status()?.bytes_stream();
                let mut read = 0;
                while let Some(chunk) = body.next().await {
                    read += chunk?.len() as u64;
                }
                Res::Ok(read)
            };
            async move { tokio::spawn(work).await? }
        });
        let read: Vec<u64> = stream::iter(parts).buffer_unordered(AT_A_TIME).try_collect().await?;
        Ok(read.iter().sum())
    }
}

fn main() -> Res<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [source, target, rest @ ..] = args.as_slice() else {
        return Err("SOURCE_FOLDER TARGET_FOLDER [--read-back]".into());
    };
    let (host, token) = (std::env::var("DATABRICKS_HOST")?, std::env::var("DATABRICKS_TOKEN")?);
    let http = Client::builder().no_proxy().no_gzip().http1_only().build()?;
    let pipe = Pipe { http, host, token };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut files = Vec::new();
        pipe.list(source, &mut files).await?;
        files.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        let begun = Instant::now();
        let copied = files.iter().map(|(path, size)| {
            let (to, pipe) = (format!("{target}{}", path.strip_prefix(source.as_str()).unwrap_or(path)), &pipe);
            async move { pipe.file(path, &to, *size).await }
        });
        stream::iter(copied).buffer_unordered(FILES_AT_A_TIME).try_collect::<Vec<_>>().await?;
        println!("{:.3}", begun.elapsed().as_secs_f64());
        if rest.iter().any(|r| r == "--read-back") {
            let begun = Instant::now();
            let read = files.iter().map(|(path, size)| pipe.read(path, *size));
            stream::iter(read).buffer_unordered(FILES_AT_A_TIME).try_collect::<Vec<_>>().await?;
            println!("{:.3}", begun.elapsed().as_secs_f64());
        }
        Ok(())
    })
}
