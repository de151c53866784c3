//! A workspace's address, normalised so that two spellings of one host compare equal.
//!
//! The allow-list of hosts is compared by this type. Plain `http` would carry a token in the
//! clear; it is taken only for this machine and for one-label names of a container network,
//! which is where a stand-in workspace lives.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Host {
    tls: bool,
    name: String,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostError {
    Scheme,
    ClearText,
    Credentials,
    Path,
    Query,
    Port,
    Name,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HostError::Scheme => "must begin with `https://`",
            HostError::ClearText => "must begin with `https://`: a token does not travel in the clear",
            HostError::Credentials => "must not hold a user or a password",
            HostError::Path => "must end after the host name: no path",
            HostError::Query => "must end after the host name: of the query only `?o=` and `?w=` are dropped",
            HostError::Port => "has a port that is not a number from 1 to 65535",
            HostError::Name => "is not a host name",
        })
    }
}

impl std::error::Error for HostError {}

impl Host {
    /// Reads what people paste: any case, with or without `https://`, a trailing slash, and
    /// the workspace selectors `?o=` and `?w=` of a browser's address line.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let text = text.trim();
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some(_) => return Err(HostError::Scheme),
            None => (true, text),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(HostError::Credentials);
        }
        if !path.chars().all(|c| c == '/') {
            return Err(HostError::Path);
        }
        if !query.split('&').all(|pair| pair.is_empty() || pair.starts_with("o=") || pair.starts_with("w=")) {
            return Err(HostError::Query);
        }
        let (name, port) = split_port(authority)?;
        let host = Self { tls, name: normal_name(name)?, port: port.filter(|p| *p != if tls { 443 } else { 80 }) };
        if host.tls || host.is_near() { Ok(host) } else { Err(HostError::ClearText) }
    }

    /// The name alone, without scheme and port.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn is_near(&self) -> bool {
        let name = self.name.as_str();
        let loopback = name == "[::1]" || name.parse::<core::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
        loopback || name == "host.docker.internal" || !name.contains(['.', ':'])
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), HostError> {
    let at = match authority.rfind(']') {
        Some(close) => authority[close..].find(':').map(|i| close + i),
        None => authority.find(':'),
    };
    match at {
        None => Ok((authority, None)),
        Some(at) => match authority[at + 1..].parse::<u16>() {
            Ok(port) if port > 0 => Ok((&authority[..at], Some(port))),
            _ => Err(HostError::Port),
        },
    }
}

fn normal_name(name: &str) -> Result<String, HostError> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if let Some(inner) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        let ip: core::net::Ipv6Addr = inner.parse().map_err(|_| HostError::Name)?;
        return Ok(format!("[{ip}]"));
    }
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(label) { Ok(name) } else { Err(HostError::Name) }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_host_are_equal() {
        let plain = Host::parse("https://dbc-dev.cloud.databricks.com").unwrap();
        for text in [
            "HTTPS://DBC-Dev.cloud.databricks.com/",
            " dbc-dev.cloud.databricks.com ",
            "https://dbc-dev.cloud.databricks.com/?o=1234",
            "https://dbc-dev.cloud.databricks.com?w=9&o=1",
            "https://dbc-dev.cloud.databricks.com.:443//#job/3",
        ] {
            assert_eq!(Host::parse(text).unwrap(), plain, "{text}");
        }
        assert_eq!(plain.to_string(), "https://dbc-dev.cloud.databricks.com");
        assert_eq!(Host::parse("http://127.0.0.1:8585/").unwrap().to_string(), "http://127.0.0.1:8585");
        assert_eq!(Host::parse("http://[::1]:80").unwrap().to_string(), "http://[::1]");
        assert!(Host::parse("http://workspace:8080").is_ok());
    }

    #[test]
    fn what_is_not_a_host_says_why() {
        let cases = [
            ("ftp://a.b", HostError::Scheme),
            ("http://dbc.cloud.databricks.com", HostError::ClearText),
            ("http://127.0.0.1.evil.com", HostError::ClearText),
            ("https://me:pw@a.b", HostError::Credentials),
            ("https://a.b@evil.com", HostError::Credentials),
            ("https://a.b/sql", HostError::Path),
            ("https://a.b/?next=x", HostError::Query),
            ("https://a.b:0", HostError::Port),
            ("https://a.b:99999", HostError::Port),
            ("https://", HostError::Name),
            ("https://a..b", HostError::Name),
            ("https://a b", HostError::Name),
            ("https://${bundle.host}", HostError::Name),
            ("https://bücher.de", HostError::Name),
        ];
        for (text, why) in cases {
            assert_eq!(Host::parse(text), Err(why), "{text}");
        }
    }
}
