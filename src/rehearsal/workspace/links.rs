//! Links to one file each: they work without a token and not without their signature.
//!
//! A cloud's storage answers them in XML, and tells an expired link from a forged one; clients read that to know
//! whether asking for another link helps.

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use std::sync::Arc;

use super::api::files::{objects, rules, uploads};
use super::call::{Refusal, Reply};
use super::content::Spool;
use super::serve::Server;
use crate::rehearsal::front::decoded;

/// Where links lead to.
pub(crate) const PREFIX: &str = "/standin-storage";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Put,
    Part,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Put => "put",
            Verb::Part => "part",
        }
    }
}

/// What a link is for.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub verb: Verb,
    /// The workspace that it leads into.
    pub store: String,
    pub path: String,
    pub session: String,
    pub part: u32,
    /// Milliseconds since the epoch.
    pub expires: i64,
}

/// Signs links.
pub(crate) struct Links {
    key: hmac::Key,
    base: String,
}

impl Links {
    pub fn new(base: &str) -> Self {
        // No clock is asked for it: a new key for each stand-in is enough.
        let secret = [*uuid::Uuid::new_v4().as_bytes(), *uuid::Uuid::new_v4().as_bytes()].concat();
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), base: base.to_owned() }
    }

    fn words(link: &Link) -> String {
        let Link { verb, store, path, session, part, expires } = link;
        format!("{}\n{store}\n{path}\n{session}\n{part}\n{expires}", verb.name())
    }

    /// Nothing where the stand-in's own address is none.
    pub fn url(&self, link: &Link) -> Option<String> {
        let mut url = url::Url::parse(&self.base).ok()?;
        let path = format!("{PREFIX}{}", link.path);
        url.path_segments_mut().ok()?.extend(path.trim_start_matches('/').split('/'));
        let signature: String =
            hmac::sign(&self.key, Self::words(link).as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        url.query_pairs_mut()
            .append_pair("verb", link.verb.name())
            .append_pair("workspace", &link.store)
            .append_pair("session", &link.session)
            .append_pair("part", &link.part.to_string())
            .append_pair("expires", &link.expires.to_string())
            .append_pair("signature", &signature);
        Some(url.into())
    }

    /// The link that a request came by, if we made it and it is good for this.
    fn read(&self, method: &Method, path: &str, query: &str, now: i64) -> Result<Link, Denied> {
        let given = |name: &str| {
            let found = url::form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name);
            found.map(|(_, v)| v.into_owned()).unwrap_or_default()
        };
        let verb = match (method.as_str(), given("verb").as_str()) {
            ("GET", "get") => Verb::Get,
            ("PUT", "put") => Verb::Put,
            ("PUT", "part") => Verb::Part,
            _ => return Err(Denied::Signature),
        };
        let link = Link {
            verb,
            store: given("workspace"),
            path: path.strip_prefix(PREFIX).unwrap_or_default().to_owned(),
            session: given("session"),
            part: given("part").parse().unwrap_or_default(),
            expires: given("expires").parse().unwrap_or_default(),
        };
        let signature = given("signature");
        let bytes: Option<Vec<u8>> = (0..signature.len() / 2)
            .map(|i| signature.get(i * 2..i * 2 + 2).and_then(|h| u8::from_str_radix(h, 16).ok()))
            .collect();
        let signed = bytes.is_some_and(|b| hmac::verify(&self.key, Self::words(&link).as_bytes(), &b).is_ok());
        match (signed, link.expires > now) {
            (false, _) => Err(Denied::Signature),
            (true, false) => Err(Denied::Expired),
            (true, true) => Ok(link),
        }
    }
}

enum Denied {
    Signature,
    Expired,
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let (code, message) = match self {
            Denied::Signature => ("SignatureDoesNotMatch", "The request signature we calculated does not match"),
            Denied::Expired => ("AccessDenied", "Request has expired"),
        };
        xml(StatusCode::FORBIDDEN, code, message)
    }
}

fn xml(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

/// A file or a part of one, as its link says.
pub(crate) async fn follow(State(server): State<Arc<Server>>, request: Request) -> Response {
    let now = server.clock.now();
    let (head, body) = request.into_parts();
    let path = decoded(head.uri.path());
    let link = match server.links.read(&head.method, &path, head.uri.query().unwrap_or_default(), now) {
        Ok(link) => link,
        Err(denied) => return denied.into_response(),
    };
    let answered = match link.verb {
        Verb::Get => server.with_store(&link.store, |store, _| {
            let (content, modified) = objects::stored(store, &link.path)?;
            objects::answer(content, modified, &head.headers)
        }),
        Verb::Put => put(&server, &link, body).await,
        Verb::Part => put_part(&server, &link, &head.headers, body).await,
    };
    match answered {
        Ok(reply) => reply.into_response(),
        Err(refusal) => xml(refusal.status, refusal.code, &refusal.message),
    }
}

async fn put(server: &Server, link: &Link, body: Body) -> Result<Reply, Refusal> {
    let mut spool = Spool::default();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::malformed("The body broke off"))?;
        spool.write(&chunk).map_err(Refusal::disk)?;
    }
    server.with_store(&link.store, |store, now| {
        rules::unfinished(store, &link.path)?;
        objects::store(store, &link.path, spool.finish(), now)
    })?;
    Ok(Reply::bytes(bytes::Bytes::new()))
}

async fn put_part(server: &Server, link: &Link, headers: &HeaderMap, body: Body) -> Result<Reply, Refusal> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let length = length.ok_or_else(|| Refusal::new(411, "MissingContentLength", "A part says how long it is"))?;
    let piece = server.with_store(&link.store, |store, _| uploads::reserve(store, &link.session, length))?;
    let (mut at, mut chunks) = (0, body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::malformed("The body broke off"))?;
        piece.write(&chunk, at).map_err(Refusal::disk)?;
        at += chunk.len() as u64;
    }
    if at != length {
        return Err(Refusal::new(400, "IncompleteBody", "The body is shorter than it was said to be"));
    }
    let etag = server.with_store(&link.store, |store, _| uploads::keep(store, &link.session, link.part, piece))?;
    Ok(Reply::bytes(bytes::Bytes::new()).with("etag", etag))
}
