//! What an answer that is not 2xx says.
//!
//! The one function that maps status and body to meaning. Workspaces answer errors in five
//! shapes: `{error_code, message, details}`, SCIM's `{detail}`, OAuth's `{error,
//! error_description}`, the oldest `{error}`, and a proxy's or login page's HTML.

use serde_json::Value;

use crate::ports::RestError;
use crate::ports::rest::NOT_THE_API;

/// Messages longer than this hold a stack trace or a page; their beginning says enough.
const LONGEST: usize = 2000;

pub fn error(status: u16, location: Option<&str>, body: &[u8]) -> RestError {
    if (300..400).contains(&status) {
        return redirected(status, location);
    }
    if let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) {
        let text = |name: &str| match fields.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let first = |names: &[&str]| names.iter().map(|name| text(name)).find(|t| !t.is_empty()).unwrap_or_default();
        let described = first(&["message", "detail", "error_description"]);
        let (error_code, message) = match described.is_empty() {
            true => (text("error_code"), first(&["error", "error_code"])),
            false => (first(&["error_code", "scimType", "error"]), described),
        };
        let message = if message.is_empty() { meaning(status) } else { shorten(&message) };
        return RestError::Status {
            status,
            error_code,
            message,
            details: fields.get("details").cloned().unwrap_or(Value::Null),
        };
    }
    let message = plain(&String::from_utf8_lossy(&body[..body.len().min(64 * 1024)]));
    // An answer without a body is the API's: to the question whether a file is there.
    let error_code = if status == 404 && !message.is_empty() { NOT_THE_API.to_owned() } else { String::new() };
    let message = if message.is_empty() { meaning(status) } else { shorten(&message) };
    RestError::Status { status, error_code, message, details: Value::Null }
}

fn redirected(status: u16, location: Option<&str>) -> RestError {
    let to = location.and_then(|l| url::Url::parse(l).ok()).and_then(|url| url.host_str().map(str::to_owned));
    let message = match to {
        Some(host) => format!("it sends us to `{host}` instead of answering; is `host` the workspace's own address?"),
        None => "it sends us to another page instead of answering; is `host` the workspace's own address?".to_owned(),
    };
    RestError::Status { status, error_code: String::new(), message, details: Value::Null }
}

/// A page's title, its preformatted message, or its text without tags.
fn plain(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if !lower.contains("<html") && !lower.contains("<!doctype") && !lower.contains("<pre>") {
        return text.to_owned();
    }
    let between = |tag: &str| {
        let start = lower.find(&format!("<{tag}>"))? + tag.len() + 2;
        let end = start + lower[start..].find(&format!("</{tag}>"))?;
        Some(text[start..end].trim().to_owned()).filter(|t| !t.is_empty())
    };
    between("pre").or_else(|| between("title")).or_else(|| between("h1")).unwrap_or_else(|| "an HTML page".to_owned())
}

fn shorten(text: &str) -> String {
    let one: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    let one = one.trim();
    if one.len() <= LONGEST { one.to_owned() } else { format!("{}…", &one[..one.floor_char_boundary(LONGEST)]) }
}

fn meaning(status: u16) -> String {
    match http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()) {
        Some(reason) => reason.to_ascii_lowercase(),
        None => "no message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;
    use serde_json::json;

    fn said(status: u16, body: &str) -> String {
        error(status, None, body.as_bytes()).to_string()
    }

    #[test]
    fn what_answers_for_the_workspace_says_nothing_of_what_is_there() {
        let is_gone = |body: &str| error(404, None, body.as_bytes()).is_not_found();
        assert!(is_gone(r#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Job 7 does not exist."}"#));
        assert!(is_gone(r#"{"detail": "Not Found"}"#) && is_gone(""));
        assert!(!is_gone("<html><title>404 Not Found</title></html>") && !is_gone("404 page not found"));
        let failure = error(404, None, b"404 page not found").into_failure("read resources.jobs.j");
        assert_eq!(failure.reason, Reason::WorkspaceError);
        assert!(failure.hint.unwrap().contains("is `host` the workspace's own address?"));
    }

    #[test]
    fn every_shape_of_error_is_read() {
        let body = json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Job 7 does not exist.", "details": [1]});
        let error = error(400, None, body.to_string().as_bytes());
        assert!(error.is_not_found());
        let invalid = |message: &str| {
            let body = json!({"error_code": "INVALID_PARAMETER_VALUE", "message": message}).to_string();
            super::error(400, None, body.as_bytes()).is_not_found()
        };
        assert!(invalid("Job 7 does not exist."));
        assert!(!invalid("Task 'a' depends on unknown task 'b'"));
        assert!(matches!(&error, RestError::Status { details, .. } if *details == json!([1])));
        assert_eq!(said(403, r#"{"detail":"no","status":"403"}"#), "no (403)");
        assert_eq!(said(401, r#"{"error":"invalid_grant","error_description":"bad"}"#), "bad (401 invalid_grant)");
        assert_eq!(said(400, r#"{"error":"old style"}"#), "old style (400)");
        assert_eq!(said(400, r#"{"error_code":400}"#), "400 (400 400)");
        assert_eq!(said(502, "<html><head><title>502 Bad Gateway</title></head></html>"), "502 Bad Gateway (502)");
        assert_eq!(said(500, "<html><body><pre>it broke</pre></body></html>"), "it broke (500)");
        assert_eq!(said(503, ""), "service unavailable (503)");
        assert_eq!(said(500, "plain\u{1b}[31m text"), "plain [31m text (500)");
    }

    #[test]
    fn a_login_page_is_named_for_what_it_is() {
        let error = error(302, Some("https://login.example.com/oauth?secret=1"), b"");
        assert!(error.to_string().contains("`login.example.com`") && !error.to_string().contains("secret"));
    }
}
