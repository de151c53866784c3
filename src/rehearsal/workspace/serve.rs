//! Takes a request from the wire to a function under `api/` and back, through the log and the faults.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{
    ConnectInfo, FromRequest, FromRequestParts, MatchedPath, Multipart, RawPathParams, Request, State,
};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::arriving::{Arriving, brings_a_file, spooled};
use super::call::{Answer, Call, Refusal};
use super::checked;
use super::clock::Clock;
use super::config::{Config, Identity, Leniency};
use super::content::Content;
use super::control::{Control, Log};
use super::identity::{Issued, Principal, principal_of};
use super::links::Links;
use super::store::Store;
use super::tasks::execute;
use crate::rehearsal::front::{Breakables, Breaking, Faults, TokenEnds, Unanswered, Wire, decoded};

/// The name of the only store of a federated workspace.
const WORKSPACE: &str = "workspace";

/// A function under `api/`.
pub(crate) type Handler = fn(&mut Call<'_>) -> Answer;

/// What all connections share.
pub(crate) struct Server {
    pub config: Config,
    pub url: String,
    pub clock: Clock,
    pub faults: Faults,
    pub links: Links,
    pub log: Log,
    /// One for each bearer token, or one for all, as the identity mode has it.
    stores: Mutex<HashMap<String, Store>>,
    pub issued: Mutex<Vec<Issued>>,
}

/// A running stand-in; it stops when this is dropped.
pub struct Running {
    control: Control,
    server: tokio::task::JoinHandle<io::Result<()>>,
}

impl Running {
    /// `http://127.0.0.1:PORT`, or as advertised.
    pub fn url(&self) -> &str {
        self.control.url()
    }

    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Serves until the process ends.
    pub async fn forever(mut self) -> io::Result<()> {
        (&mut self.server).await.map_err(io::Error::other)?
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Starts a stand-in on a port of its own.
pub async fn serve(config: Config) -> io::Result<Running> {
    let listener = TcpListener::bind(config.bind).await?;
    let bound = listener.local_addr()?;
    let url = match &config.advertised {
        // The port is not known before the socket is bound.
        Some(name) => name.trim_end_matches('/').replace("{port}", &bound.port().to_string()),
        None => format!("http://{bound}"),
    };
    let server = Arc::new(Server {
        links: Links::new(&url),
        config,
        url,
        clock: Clock::default(),
        faults: Faults::default(),
        log: Log::default(),
        stores: Mutex::default(),
        issued: Mutex::default(),
    });
    // At once, because another workspace of its metastore may ask for them first.
    if let Identity::Federated(_) = server.config.identity {
        server.with_store(WORKSPACE, |store, now| {
            store.with_catalogs(&server.config.catalogs, now);
            store.with_catalog_users(&server.config.catalogs, &server.config.catalog_users);
            store.with_volumes(&server.config.volumes, &server.config.volume_writers, now);
        });
    }
    let app: Router =
        super::routes::all().layer(middleware::from_fn_with_state(server.clone(), through)).with_state(server.clone());
    let app = app.into_make_service_with_connect_info::<Wire>();
    let task = tokio::spawn(async move { axum::serve(Breakables(listener), app).await });
    Ok(Running { control: Control::new(server), server: task })
}

impl Server {
    fn stores(&self) -> MutexGuard<'_, HashMap<String, Store>> {
        self.stores.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn issued(&self) -> MutexGuard<'_, Vec<Issued>> {
        self.issued.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The store that a token opens, by name.
    pub fn store_name(&self, token: &str) -> String {
        match self.config.identity {
            Identity::Federated(_) => WORKSPACE.into(),
            // A user and a service principal whose tokens end alike meet in one workspace.
            Identity::PerToken => token.get(6..).filter(|s| !s.is_empty()).unwrap_or(token).to_owned(),
        }
    }

    /// Runs something on a workspace; a new one is made where there was none.
    pub fn with_store<T>(&self, name: &str, f: impl FnOnce(&mut Store, i64) -> T) -> T {
        let now = self.clock.now();
        let mut stores = self.stores();
        let store = stores.entry(name.to_owned()).or_insert_with(|| self.new_store(name, now));
        match &self.config.metastore {
            Some(metastore) => metastore.lent_to(store, |store| f(store, now)),
            None => f(store, now),
        }
    }

    /// Runs something on a federated workspace, which is one store.
    pub fn with_only<T>(&self, f: impl FnOnce(&mut Store) -> T) -> T {
        self.with_store(WORKSPACE, |store, _| f(store))
    }

    /// Looks at all workspaces at once.
    pub fn look<T>(&self, f: impl FnOnce(&[(&str, &Store)]) -> T) -> T {
        let mut stores = self.stores();
        if let (Some(metastore), Some(store)) = (&self.config.metastore, stores.get_mut(WORKSPACE)) {
            return metastore.lent_to(store, |store| f(&[(WORKSPACE, store)]));
        }
        let all: Vec<(&str, &Store)> = stores.iter().map(|(name, store)| (name.as_str(), store)).collect();
        f(&all)
    }

    fn new_store(&self, name: &str, now: i64) -> Store {
        match &self.config.identity {
            Identity::PerToken => {
                let mut store = Store::new(name, now);
                store.with_catalogs(&self.config.catalogs, now);
                store
            }
            Identity::Federated(federation) => {
                let mut store = Store::new(&self.config.seed, now);
                name.clone_into(&mut store.name);
                store.people = federation.principals.iter().map(|(p, _)| p.clone()).collect();
                store
            }
        }
    }

    fn principal(&self, headers: &HeaderMap) -> Result<(Principal, String), Refusal> {
        let token = bearer(headers).ok_or_else(|| {
            Refusal::unauthenticated("Credential was not sent or was of an unsupported type for this API.")
        })?;
        match &self.config.identity {
            Identity::PerToken => Ok((principal_of(token), self.store_name(token))),
            Identity::Federated(_) => {
                let now = self.clock.now();
                let issued = self.issued();
                let known = issued.iter().find(|i| i.token == token);
                let known = known.ok_or_else(|| Refusal::new(403, "403", "Invalid access token."))?;
                if known.expires <= now {
                    return Err(Refusal::unauthenticated("The access token has expired."));
                }
                Ok((known.principal.clone(), self.store_name(token)))
            }
        }
    }

    fn expire(&self, headers: &HeaderMap) {
        let token = bearer(headers);
        for issued in self.issued().iter_mut().filter(|i| Some(i.token.as_str()) == token) {
            issued.expires = 0;
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").filter(|t| !t.is_empty())
}

/// Around every request: the log, the faults, the latency.
async fn through(
    State(server): State<Arc<Server>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path().starts_with("/__standin/") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let path = decoded(parts.uri.path());
    let brings_a_file = brings_a_file(&parts.method, &path);
    let body = match brings_a_file {
        true => Arriving::Streamed(body),
        false => match to_bytes(body, usize::MAX).await {
            Ok(whole) => Arriving::Whole(whole),
            Err(_) => return Refusal::malformed("The request body could not be read").into_response(),
        },
    };
    let seen = server.log.begin(&parts, &body.whole());
    // A sleep of no length lasts until the timer's next tick, a millisecond.
    if !server.config.latency.is_zero() {
        tokio::time::sleep(server.config.latency).await;
    }
    let fault = server.faults.next(parts.method.as_str(), &path);
    let is_upload = ["/api/2.0/workspace", "/api/2.0/fs/"].iter().any(|p| path.starts_with(p));
    let may_inject = server.config.leniency == Leniency::Corpus && !is_upload;
    if fault.is_none() && may_inject && holds_injected_error(&body.whole()) {
        server.log.end(seen, 500, None);
        return Refusal::new(500, "INTERNAL_ERROR", "Injected error").into_response();
    }
    let breaking = Breaking { faults: &server.faults, fault: fault.as_ref(), wire: &wire, brings_a_file, words };
    let mut request = Request::from_parts(parts, body.into_body());
    if let Some(answer) = breaking.instead(&mut request).await {
        // A status of 0 stands in the log for a connection that was cut.
        let unanswered = answer.extensions().get::<Unanswered>().is_some();
        server.log.end(seen, if unanswered { 0 } else { answer.status().as_u16() }, None);
        return answer;
    }
    if request.extensions().get::<TokenEnds>().is_some() {
        server.expire(request.headers());
    }
    let reply = next.run(request).await;
    let who = reply.extensions().get::<Who>().map(|w| w.0.clone());
    server.log.end(seen, reply.status().as_u16(), who);
    breaking.afterwards(reply).await
}

/// How a workspace words a failure that is not the request's fault.
fn words(status: StatusCode) -> Value {
    let (code, message) = match status.as_u16() {
        429 => ("REQUEST_LIMIT_EXCEEDED", "Too many requests"),
        503 => ("TEMPORARILY_UNAVAILABLE", "The service is temporarily unavailable"),
        _ => ("INTERNAL_ERROR", "An internal error occurred"),
    };
    json!({"error_code": code, "message": message})
}

/// The corpus makes a request fail by this word in its body.
fn holds_injected_error(body: &[u8]) -> bool {
    const WORD: &[u8] = b"INJECT_ERROR";
    body.windows(WORD.len()).any(|w| w == WORD)
}

/// Left on an answer for the log.
#[derive(Clone)]
struct Who(String);

/// One API request: who, may they, is it well-formed; then the function.
pub(crate) async fn api(handler: Handler, server: Arc<Server>, request: Request) -> Response {
    let (principal, store) = match server.principal(request.headers()) {
        Ok(found) => found,
        Err(refusal) => return refusal.into_response(),
    };
    let who = Who(principal.user_name.clone());
    let mut reply = match read(request).await {
        Err(refusal) => refusal.into_response(),
        Ok(incoming) => answer(handler, &server, incoming, principal, &store).into_response(),
    };
    reply.extensions_mut().insert(who);
    for run in server.with_store(&store, |s, _| s.runs.take_waiting()) {
        execute(&server, &store, run);
    }
    reply
}

/// A request taken apart, before anything is locked.
struct Incoming {
    method: axum::http::Method,
    path: String,
    route: String,
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
    content: Option<Content>,
    parts: Vec<(String, Bytes)>,
}

async fn read(request: Request) -> Result<Incoming, Refusal> {
    let unreadable = |_| Refusal::malformed("The request could not be read");
    let (mut head, body) = request.into_parts();
    let (body, content) = match brings_a_file(&head.method, head.uri.path()) {
        true => (Bytes::new(), Some(spooled(body).await?)),
        false => {
            let whole = to_bytes(body, usize::MAX).await;
            (whole.map_err(|_| Refusal::malformed("The body could not be read"))?, None)
        }
    };
    let route = head.extensions.get::<MatchedPath>().map(|m| m.as_str().to_owned()).unwrap_or_default();
    let params = RawPathParams::from_request_parts(&mut head, &()).await;
    let params = params.map_err(|_| Refusal::malformed("The path is not valid UTF-8"))?;
    let params = params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let query = head.uri.query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let is_multipart = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("multipart/form-data"));
    let mut parts = vec![];
    if is_multipart {
        let again = Request::from_parts(head.clone(), Body::from(body.clone()));
        let mut multipart = Multipart::from_request(again, &()).await.map_err(|_| unreadable(()))?;
        while let Some(field) = multipart.next_field().await.map_err(|_| unreadable(()))? {
            let name = field.name().unwrap_or_default().to_owned();
            parts.push((name, field.bytes().await.map_err(|_| unreadable(()))?));
        }
    }
    Ok(Incoming {
        path: decoded(head.uri.path()),
        method: head.method,
        route,
        params,
        query,
        headers: head.headers,
        body,
        content,
        parts,
    })
}

fn answer(handler: Handler, server: &Server, incoming: Incoming, who: Principal, store: &str) -> Answer {
    if !who.may(&incoming.method, &incoming.path) {
        return Err(Refusal::denied(format!(
            "{} does not have permission for {} {}",
            who.user_name, incoming.method, incoming.path
        )));
    }
    let json = json_body(&incoming)?;
    checked::check(&format!("{} {}", incoming.method, shape(&incoming.route)), &json, &incoming.params)?;
    let incoming_is_action = incoming.method != axum::http::Method::GET;
    server.with_store(store, |store, now| {
        store.welcome(&who, now);
        let mut reply = handler(&mut Call {
            method: incoming.method,
            params: incoming.params,
            query: incoming.query,
            headers: incoming.headers,
            body: incoming.body,
            content: incoming.content,
            json,
            parts: incoming.parts,
            who,
            now,
            base_url: &server.url,
            links: &server.links,
            model_files: &server.config.model_files,
            leniency: server.config.leniency,
            uploads: server.config.uploads,
            store,
        })?;
        // An older workspace answers an action that has no result with an empty body.
        if server.config.leniency == Leniency::Corpus && reply.body == "{}" && incoming_is_action {
            reply.body = Bytes::new();
        }
        reply.headers.push(("x-databricks-org-id", store.workspace_id.to_string()));
        Ok(reply)
    })
}

/// The body as a JSON object, where the route takes JSON at all.
fn json_body(incoming: &Incoming) -> Result<Map<String, Value>, Refusal> {
    let raw = incoming.route.contains("/workspace-files/") || incoming.content.is_some();
    if raw || !incoming.parts.is_empty() || incoming.body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&incoming.body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        _ => Err(Refusal::malformed("Could not parse request object: the body is not a JSON object")),
    }
}

/// `/api/2.0/pipelines/{id}` -> `/api/2.0/pipelines/{}`, the key of the field table.
fn shape(route: &str) -> String {
    let part = |p: &str| if p.starts_with('{') { "{}".to_owned() } else { p.to_owned() };
    route.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Undocumented here, or a method that the route does not have: said plainly, so that a client does not read it as "gone".
pub(crate) async fn unknown(request: Request) -> Response {
    let message = format!("the stand-in does not implement {} {}", request.method(), decoded(request.uri().path()));
    let body = json!({"error_code": "NOT_IMPLEMENTED", "message": message});
    (StatusCode::NOT_IMPLEMENTED, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
