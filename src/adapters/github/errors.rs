//! What GitHub's refusals mean.
//!
//! 403 has three meanings: a missing permission, a rate limit, and a secondary rate limit
//! (too much at once). Only headers and the sentence tell them apart. 404 stands for a
//! missing permission too, wherever the token must not learn that a thing exists.

use http::HeaderMap;

use crate::adapters::http::cause;
use crate::ports::github::GitHubError;

/// GitHub asks for at least a minute where it names no time.
const UNNAMED_WAIT: u64 = 60;

pub fn meaning(error: octocrab::Error, doing: &str, needs: &'static str, now: i64) -> GitHubError {
    let doing = doing.to_owned();
    let octocrab::Error::GitHub { source, .. } = error else {
        return GitHubError::Unreachable { doing, message: cause(&error) };
    };
    let status = source.status_code.as_u16();
    let message = sentence(&source.message, source.errors.as_deref());
    let wait = source.headers.as_ref().and_then(|headers| asked_wait(headers, now));
    let lower = source.message.to_ascii_lowercase();
    let limited = wait.is_some() || lower.contains("secondary rate limit") || lower.contains("abuse detection");
    match status {
        403 | 429 if limited || status == 429 => {
            GitHubError::RateLimited { doing, retry_after: Some(wait.unwrap_or(UNNAMED_WAIT)) }
        }
        403 => GitHubError::Forbidden { doing, needs, message },
        404 => GitHubError::NotFound { doing },
        _ => GitHubError::Refused { doing, status, message },
    }
}

/// Seconds: `retry-after`, or until the limit is lifted when none is left.
fn asked_wait(headers: &HeaderMap, now: i64) -> Option<u64> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    if let Some(seconds) = number("retry-after") {
        return u64::try_from(seconds).ok();
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let reset = number("x-ratelimit-reset").map_or(0, |reset| reset - now);
        return u64::try_from(reset).ok().or(Some(1));
    }
    None
}

fn sentence(message: &str, errors: Option<&[serde_json::Value]>) -> String {
    let text = |error: &serde_json::Value| {
        if let Some(text) = error.as_str().or_else(|| error["message"].as_str()) {
            return Some(text.to_owned());
        }
        let (field, code) = (error["field"].as_str()?, error["code"].as_str()?);
        Some(format!("{field}: {code}"))
    };
    let details: Vec<String> = errors.unwrap_or_default().iter().filter_map(text).collect();
    let message: String = message.chars().take(500).map(|c| if c.is_control() { ' ' } else { c }).collect();
    match details.is_empty() {
        true => message,
        false => format!("{message}: {}", details.join("; ")),
    }
}
