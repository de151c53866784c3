//! Comments of issues, which is what a pull request's conversation is.

use serde_json::{Value, json};

use crate::rehearsal::github::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::github::clock::rfc3339;
use crate::rehearsal::github::page;
use crate::rehearsal::github::state::Comment;
use crate::rehearsal::github::strict::{Fields, longer_than};
use crate::rehearsal::github::view;

/// Characters of a comment's body.
const LONGEST: usize = 65_536;

/// Oldest first.
pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let issue = issue(call)?;
    let since = call.query("since").unwrap_or_default().to_owned();
    let shown: Vec<Value> = call
        .state
        .comments
        .values()
        .filter(|comment| comment.issue == issue && rfc3339(comment.updated) >= since)
        .map(|comment| view::comment(call.state, comment))
        .collect();
    page::reply(call, shown, None)
}

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let issue = issue(call)?;
    let body = body(call)?;
    if call.state.pulls.get(&issue).is_some_and(|pull| pull.locked) {
        return Err(Refusal::new(403, "Unable to create comment because issue is locked."));
    }
    let now = call.state.now();
    let id = call.state.counters.next("comment");
    let comment = Comment { id, issue, author: call.who.login.clone(), body, created: now, updated: now };
    let written = view::comment(call.state, &comment);
    call.state.comments.insert(id, comment);
    Reply::created(written)
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let comment = call.state.comments.get(&call.id("comment_id")?).ok_or_else(Refusal::not_found)?;
    Reply::ok(view::comment(call.state, comment))
}

pub(super) fn update(call: &mut Call<'_>) -> Answer {
    let id = call.id("comment_id")?;
    if !call.state.comments.contains_key(&id) {
        return Err(Refusal::not_found());
    }
    let body = body(call)?;
    let now = call.state.now();
    let comment = call.state.comments.get_mut(&id).ok_or_else(Refusal::not_found)?;
    comment.body = body;
    comment.updated = now;
    let comment = comment.clone();
    Reply::ok(view::comment(call.state, &comment))
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id("comment_id")?;
    call.state.comments.remove(&id).ok_or_else(Refusal::not_found)?;
    Reply::gone()
}

fn issue(call: &Call<'_>) -> Result<u64, Refusal> {
    let number = call.id("issue_number")?;
    call.state.pulls.contains_key(&number).then_some(number).ok_or_else(Refusal::not_found)
}

fn body(call: &Call<'_>) -> Result<String, Refusal> {
    let mut fields = Fields::of(call)?;
    let body = fields.required("body")?;
    fields.finish()?;
    if body.trim().is_empty() {
        return Err(Refusal::validation(json!({"resource": "IssueComment", "code": "missing_field", "field": "body"})));
    }
    if longer_than(&body, LONGEST) {
        return Err(Refusal::custom(
            "IssueComment",
            "body",
            format!("Body is too long (maximum is {LONGEST} characters)"),
        ));
    }
    Ok(body)
}
