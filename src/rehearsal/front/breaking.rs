//! Breaks an exchange on its connection, where it breaks in the world.
//!
//! A lost reply is a cut connection, not an error status: a client that saw any status knows
//! that somebody answered. axum hands out no way to drop a connection, so the listener wraps
//! each one with a wire that its requests can cut; the next write fails, and the socket closes
//! with a reset instead of an orderly end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::extract::connect_info::Connected;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::{Fault, Faults, damage};

/// What a service writes into the body of an error with this status.
pub(crate) type Words = fn(StatusCode) -> Value;

/// One exchange that may go wrong.
pub(crate) struct Breaking<'a> {
    pub faults: &'a Faults,
    pub fault: Option<&'a Fault>,
    pub wire: &'a Wire,
    /// Whether the request's body is a file, else a file may be in the answer's.
    pub brings_a_file: bool,
    pub words: Words,
}

/// Left on a request whose token ends before it is looked at: the service sees to it.
#[derive(Clone)]
pub(crate) struct TokenEnds;

/// Marks a response that will not reach the client.
#[derive(Clone)]
pub(crate) struct Unanswered;

impl Breaking<'_> {
    /// What is answered in place of asking the service.
    pub async fn instead(&self, request: &mut Request) -> Option<Response> {
        match self.fault? {
            Fault::StatusBefore { status, headers, body } => {
                let mut response = self.status(*status, body.clone());
                for (name, value) in headers {
                    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                        response.headers_mut().insert(name, value);
                    }
                }
                Some(response)
            }
            Fault::TooManyRequests { retry_after } => {
                let mut response = self.status(429, None);
                response.headers_mut().insert("retry-after", HeaderValue::from(*retry_after));
                Some(response)
            }
            Fault::Reset => Some(self.wire.cut()),
            Fault::Hang => {
                self.faults.delays();
                std::future::pending().await
            }
            Fault::Delay { millis } => {
                self.delay(*millis).await;
                None
            }
            Fault::TokenExpired => {
                request.extensions_mut().insert(TokenEnds);
                None
            }
            fault @ (Fault::FlipByte { .. } | Fault::CutBody { .. }) => {
                if self.brings_a_file {
                    let body = std::mem::take(request.body_mut());
                    *request.body_mut() = damage::of_body(body, fault);
                }
                None
            }
            Fault::Swallow => Some(damage::swallowed(std::mem::take(request.body_mut())).await),
            Fault::StatusAfter { .. } | Fault::DelayAfter { .. } | Fault::LostReply | Fault::MalformedBody => None,
        }
    }

    /// What becomes of the service's own answer.
    pub async fn afterwards(&self, response: Response) -> Response {
        match self.fault {
            Some(Fault::StatusAfter { status, body }) => self.status(*status, body.clone()),
            Some(Fault::LostReply) => self.wire.cut(),
            Some(Fault::DelayAfter { millis }) => {
                self.delay(*millis).await;
                response
            }
            Some(Fault::MalformedBody) => damage::halved(response).await,
            Some(fault @ (Fault::FlipByte { .. } | Fault::CutBody { .. })) if !self.brings_a_file => {
                damage::of_reply(response, fault)
            }
            _ => response,
        }
    }

    async fn delay(&self, millis: u64) {
        self.faults.delays();
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    fn status(&self, status: u16, body: Option<Value>) -> Response {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(body.unwrap_or_else(|| (self.words)(status)))).into_response()
    }
}

/// The way to break the connection a request came by.
#[derive(Clone)]
pub(crate) struct Wire(Arc<AtomicBool>);

impl Wire {
    // The response is never written: the connection refuses it and goes down with a reset.
    fn cut(&self) -> Response {
        self.0.store(true, Ordering::SeqCst);
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        response.extensions_mut().insert(Unanswered);
        response
    }
}

impl Connected<IncomingStream<'_, Breakables>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Breakables>) -> Self {
        Wire(stream.io().broken.clone())
    }
}

/// A listener whose connections can be broken.
pub(crate) struct Breakables(pub TcpListener);

impl axum::serve::Listener for Breakables {
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
pub(crate) struct Breakable {
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
