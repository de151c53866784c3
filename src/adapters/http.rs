//! HTTP as all adapters use it.
//!
//! `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured by the library.
//! Redirects are not followed: an API does not redirect, a login page does, and a followed
//! redirect would carry a write somewhere else.

use std::error::Error;
use std::time::Duration;

use crate::domain::{Failure, Reason};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// In the form that Databricks asks of its partners' tools; GitHub wants any.
pub fn user_agent(on_github: bool) -> String {
    let ours = concat!("mlops-deploy-action/", env!("CARGO_PKG_VERSION"));
    let cicd = if on_github { " cicd/github" } else { "" };
    format!("{ours} os/{}{cicd}", std::env::consts::OS)
}

pub fn builder(user_agent: &str) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(user_agent)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_keepalive(Duration::from_secs(30))
}

/// For workspaces: each request sets its own timeout.
pub fn client(user_agent: &str) -> Result<reqwest::Client, Failure> {
    builder(user_agent).build().map_err(|error| {
        Failure::new(Reason::Internal, format!("set up HTTP: {}", cause(&error)))
            .hint("`SSL_CERT_FILE` and `HTTPS_PROXY`, where set, must be a readable file and an address")
    })
}

/// The innermost cause: what a person can act on. The layers above it repeat the address
/// with its query.
pub fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// A request that brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never left: no address, no connection, no secure connection.
    NotSent(String),
    /// It left, or may have.
    Lost(String),
}

/// How often we knock where nobody opens: a wrong address is told within a quarter of a
/// minute, and a name server's hiccup is waited out.
pub const KNOCKS: u32 = 5;

impl Fault {
    /// Asking again cannot help: the certificate, a token that no header takes, and a server without TLS stay what they are.
    pub fn is_final(&self) -> bool {
        const STAY: [&str; 3] = ["certificate", "header value", "corrupt message"];
        matches!(self, Fault::NotSent(why) if STAY.iter().any(|what| why.contains(what)))
    }

    pub fn of(error: &reqwest::Error, timeout: Duration) -> Self {
        // While connecting nothing of the request has left; a builder error leaves even less.
        // Everything later may have arrived, a reused connection that the server has just
        // closed included.
        if error.is_connect() || error.is_builder() {
            let why = if error.is_timeout() { "no connection in time".to_owned() } else { cause(error) };
            return Fault::NotSent(why);
        }
        if error.is_timeout() {
            return Fault::Lost(format!("no answer within {} s", timeout.as_secs_f32()));
        }
        Fault::Lost(cause(error))
    }
}
