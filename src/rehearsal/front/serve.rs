//! Serves a stand-in on a loopback port from a thread of its own, and breaks exchanges on the way.
//!
//! A thread and a small runtime of its own, rather than a task of the caller's runtime: a test that
//! blocks while its subprocess talks to the stand-in would otherwise wait for itself, and dropping
//! the handle ends every connection at once.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::breaking::{Breakables, Breaking, Unanswered, Wire};
use super::record::{Caller, Content, headers};
use super::{Exchange, Faults, Log, Rule, decoded};

const KEPT: u64 = 1024 * 1024;

/// The knobs and the record of one stand-in.
#[derive(Default)]
pub struct Front {
    pub faults: Faults,
    pub log: Log,
}

/// A stand-in that is being served; it stops when this is dropped.
pub struct Serving {
    address: SocketAddr,
    front: Arc<Front>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Serves `routes` behind the front; `dump` prints the state for `GET /_rehearsal/dump`.
    pub fn start(
        bind: SocketAddr,
        routes: impl FnOnce(SocketAddr) -> Router,
        dump: impl Fn() -> Value + Clone + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_with(bind, routes, Router::new(), dump)
    }

    /// The same with `aside` beside the front: neither recorded nor broken.
    pub fn start_with(
        bind: SocketAddr,
        routes: impl FnOnce(SocketAddr) -> Router,
        aside: Router,
        dump: impl Fn() -> Value + Clone + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = StdListener::bind(bind)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let front = Arc::new(Front::default());
        let app = routes(address)
            .layer(from_fn_with_state(front.clone(), pass))
            .merge(controls(front.clone(), dump))
            .merge(aside)
            .into_make_service_with_connect_info::<Wire>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("stand-in".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = axum::serve(Breakables(listener), app).into_future() => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Serving { address, front, stop: Some(stop), thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn faults(&self) -> &Faults {
        &self.front.faults
    }

    pub fn log(&self) -> &Log {
        &self.front.log
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only ends by panicking when a handler's own state is broken; the test has seen that as a reset.
            let _ = thread.join();
        }
    }
}

// The same knobs for clients in other processes; never recorded, never broken.
fn controls(front: Arc<Front>, dump: impl Fn() -> Value + Clone + Send + Sync + 'static) -> Router {
    let add = async |State(front): State<Arc<Front>>, Json(rule): Json<Rule>| {
        front.faults.add(rule);
        StatusCode::NO_CONTENT
    };
    let clear = async |State(front): State<Arc<Front>>| {
        front.faults.clear();
        StatusCode::NO_CONTENT
    };
    let pending = async |State(front): State<Arc<Front>>| Json(front.faults.pending());
    let log = async |State(front): State<Arc<Front>>| Json(front.log.all());
    let forget = async |State(front): State<Arc<Front>>| {
        front.log.clear();
        StatusCode::NO_CONTENT
    };
    Router::new()
        .route("/_rehearsal/faults", get(pending).post(add).delete(clear))
        .route("/_rehearsal/log", get(log).delete(forget))
        .route("/_rehearsal/dump", get(move || std::future::ready(Json(dump()))))
        .with_state(front)
}

async fn pass(
    State(front): State<Arc<Front>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
    next: Next,
) -> Response {
    let (mut request, body) = keep_request(request).await;
    let path = request.uri().path().to_owned();
    let fault = front.faults.next(request.method().as_str(), &decoded(&path));
    let number = front.log.arrive(Exchange {
        number: 0,
        method: request.method().to_string(),
        query: request.uri().query().map(str::to_owned),
        path,
        headers: headers(request.headers()),
        body,
        caller: None,
        fault: fault.clone(),
        applied: false,
        status: None,
        reply_headers: Default::default(),
        reply: Content::Empty,
    });
    let brings_a_file = request.method() == Method::PUT;
    let words = |status: StatusCode| json!({"message": status.canonical_reason().unwrap_or("fault")});
    let breaking = Breaking { faults: &front.faults, fault: fault.as_ref(), wire: &wire, brings_a_file, words };
    let Some(answer) = breaking.instead(&mut request).await else {
        let response = next.run(request).await;
        front.log.applied(number);
        return answered(&front, number, breaking.afterwards(response).await).await;
    };
    answered(&front, number, answer).await
}

async fn answered(front: &Front, number: usize, response: Response) -> Response {
    if response.extensions().get::<Unanswered>().is_some() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let length = body.size_hint().exact();
    let (body, reply) = match length {
        Some(length) if length <= KEPT => {
            let bytes = to_bytes(body, KEPT as usize).await.unwrap_or_default();
            let reply = Content::of(&bytes);
            (Body::from(bytes), reply)
        }
        _ => (body, Content::Bytes(length)),
    };
    front.log.update(number, |exchange| {
        exchange.status = Some(parts.status.as_u16());
        exchange.reply_headers = headers(&parts.headers);
        exchange.reply = reply;
        exchange.caller = parts.extensions.get::<Caller>().cloned();
    });
    Response::from_parts(parts, body)
}

async fn keep_request(request: Request) -> (Request, Content) {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let multipart = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/"));
    match length {
        _ if request.body().is_end_stream() => (request, Content::Empty),
        Some(length) if length <= KEPT && !multipart => {
            let (parts, body) = request.into_parts();
            let bytes = to_bytes(body, KEPT as usize).await.unwrap_or_default();
            let content = Content::of(&bytes);
            (Request::from_parts(parts, Body::from(bytes)), content)
        }
        _ => (request, Content::Bytes(length)),
    }
}
