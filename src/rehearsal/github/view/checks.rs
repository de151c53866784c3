//! Check runs and their annotations.

use serde_json::{Value, json};

use super::{app, node_id};
use crate::rehearsal::github::clock::maybe;
use crate::rehearsal::github::state::{BOT, CheckRun, State};

pub(in crate::rehearsal::github) fn check_run(state: &State, check: &CheckRun) -> Value {
    let url = format!("{}/check-runs/{}", state.api(), check.id);
    let page = format!("{}/runs/{}", state.page(), check.id);
    json!({
        "id": check.id,
        "name": check.name,
        "node_id": node_id("CR", check.id),
        "head_sha": check.sha,
        "external_id": check.external_id.clone().unwrap_or_default(),
        "url": url,
        "html_url": page,
        "details_url": check.details_url.clone().unwrap_or(page),
        "status": check.status,
        "conclusion": check.conclusion,
        "started_at": maybe(check.started),
        "completed_at": maybe(check.completed),
        "output": {
            "title": check.title,
            "summary": check.summary,
            "text": check.text,
            "annotations_count": check.annotations.len(),
            "annotations_url": format!("{url}/annotations"),
        },
        "check_suite": {"id": 5},
        "app": app(state, BOT),
        "pull_requests": [],
    })
}

/// An annotation as it is listed: what was sent, with every property there.
pub(in crate::rehearsal::github) fn annotation(state: &State, check: &CheckRun, sent: &Value) -> Value {
    let path = sent["path"].as_str().unwrap_or_default();
    json!({
        "path": path,
        "blob_href": format!("{}/blob/{}/{path}", state.page(), check.sha),
        "start_line": sent["start_line"],
        "end_line": sent["end_line"],
        "start_column": sent["start_column"],
        "end_column": sent["end_column"],
        "annotation_level": sent["annotation_level"],
        "title": sent["title"],
        "message": sent["message"],
        "raw_details": sent["raw_details"],
    })
}
