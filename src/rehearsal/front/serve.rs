//! Serves a stand-in on a loopback port from a thread of its own, and breaks exchanges on the way.
//!
//! A thread and a small runtime of its own, rather than a task of the caller's runtime: a test that
//! blocks while its subprocess talks to the stand-in would otherwise wait for itself, and dropping
//! the handle ends every connection at once.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::IncomingStream;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::record::{Caller, Content, headers};
use super::{Exchange, Fault, Faults, Log, Rule};

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
                    _ = axum::serve(Breaking(listener), app).into_future() => {}
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
    let (request, body) = keep_request(request).await;
    let path = request.uri().path().to_owned();
    let fault = front.faults.next(request.method().as_str(), &path);
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
    let Some(answer) = instead(fault.as_ref(), &wire).await else {
        let response = next.run(request).await;
        front.log.applied(number);
        return answered(&front, number, afterwards(fault.as_ref(), &wire, response).await).await;
    };
    answered(&front, number, answer).await
}

/// What is answered in place of asking the stand-in.
async fn instead(fault: Option<&Fault>, wire: &Wire) -> Option<Response> {
    match fault? {
        Fault::StatusBefore { status, headers, body } => {
            let mut response = status_only(*status, body.clone());
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    response.headers_mut().insert(name, value);
                }
            }
            Some(response)
        }
        Fault::TooManyRequests { retry_after } => {
            let mut response = status_only(429, None);
            response.headers_mut().insert("retry-after", HeaderValue::from(*retry_after));
            Some(response)
        }
        Fault::Reset => Some(wire.reset()),
        Fault::Hang => std::future::pending().await,
        Fault::Delay { millis } => {
            tokio::time::sleep(Duration::from_millis(*millis)).await;
            None
        }
        Fault::StatusAfter { .. } | Fault::LostReply | Fault::MalformedBody => None,
    }
}

/// What becomes of the stand-in's own answer.
async fn afterwards(fault: Option<&Fault>, wire: &Wire, response: Response) -> Response {
    match fault {
        Some(Fault::StatusAfter { status }) => status_only(*status, None),
        Some(Fault::LostReply) => wire.reset(),
        Some(Fault::MalformedBody) => {
            let (mut parts, body) = response.into_parts();
            let bytes = to_bytes(body, KEPT as usize).await.unwrap_or_default();
            parts.headers.remove(CONTENT_LENGTH);
            let cut = if bytes.len() > 1 { bytes.slice(..bytes.len() / 2) } else { "{\"".into() };
            Response::from_parts(parts, Body::from(cut))
        }
        _ => response,
    }
}

fn status_only(status: u16, body: Option<Value>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = body.unwrap_or_else(|| json!({"message": status.canonical_reason().unwrap_or("fault")}));
    (status, Json(body)).into_response()
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

/// Marks a response that will not reach the client.
#[derive(Clone)]
struct Unanswered;

/// The way to break the connection a request came by.
#[derive(Clone)]
struct Wire(Arc<AtomicBool>);

impl Wire {
    // The response is never written: the connection refuses it and goes down with a reset.
    fn reset(&self) -> Response {
        self.0.store(true, Ordering::SeqCst);
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        response.extensions_mut().insert(Unanswered);
        response
    }
}

impl Connected<IncomingStream<'_, Breaking>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Breaking>) -> Self {
        Wire(stream.io().broken.clone())
    }
}

struct Breaking(TcpListener);

impl axum::serve::Listener for Breaking {
    type Io = Breakable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Breakable, SocketAddr) {
        let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
        // Small answers at once: without this each one waits for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        (Breakable { stream, broken: Arc::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that can be made to fail under the server's feet.
struct Breakable {
    stream: TcpStream,
    broken: Arc<AtomicBool>,
}

impl Breakable {
    fn intact(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(Pin::new(&mut self.stream))
    }
}

impl Drop for Breakable {
    fn drop(&mut self) {
        if self.broken.load(Ordering::SeqCst) {
            // Zero linger turns the close into a reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Breakable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.intact()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.intact()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.intact()?.poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.intact()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.intact()?.poll_shutdown(cx)
    }
}
