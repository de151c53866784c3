//! Pull requests, their reviews, and comments.

use serde_json::{Value, json};

use super::{app, node_id, repository, user};
use crate::rehearsal::github::clock::{maybe, rfc3339};
use crate::rehearsal::github::state::{Comment, Pull, Review, State};

fn association(state: &State, login: &str) -> &'static str {
    match login {
        owner if owner == state.repository.owner => "OWNER",
        bot if bot.ends_with("[bot]") => "NONE",
        _ => "CONTRIBUTOR",
    }
}

/// A pull request as lists and events of other things carry it.
pub(in crate::rehearsal::github) fn pull_in_list(state: &State, pull: &Pull) -> Value {
    let (api, page) = (state.api(), format!("{}/pull/{}", state.page(), pull.number));
    let url = format!("{api}/pulls/{}", pull.number);
    let issue = format!("{api}/issues/{}", pull.number);
    let statuses = format!("{api}/statuses/{}", pull.head);
    let merged_at = pull.merged.as_ref().map(|merged| merged.at);
    // The owner of the head's repository may be unknown here; then its login is all there is.
    let head_owner = pull.head_repository.split('/').next().unwrap_or_default();
    let base = state.history.branch(&pull.base).unwrap_or_default();
    let link = |href: &str| json!({"href": href});
    json!({
        "url": url,
        "id": 2_900_000_000_u64 + pull.number,
        "node_id": node_id("PR", pull.number),
        "html_url": page,
        "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"),
        "issue_url": issue,
        "commits_url": format!("{url}/commits"),
        "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
        "comments_url": format!("{issue}/comments"),
        "statuses_url": statuses,
        "number": pull.number,
        "state": if pull.closed { "closed" } else { "open" },
        "locked": pull.locked,
        "title": pull.title,
        "user": user(state, &pull.author),
        "body": null,
        "labels": [],
        "milestone": null,
        "active_lock_reason": null,
        "created_at": rfc3339(pull.created),
        "updated_at": rfc3339(pull.updated),
        "closed_at": maybe(merged_at.or(pull.closed.then_some(pull.updated))),
        "merged_at": maybe(merged_at),
        "merge_commit_sha": pull.merged.as_ref().map(|merged| merged.commit.clone()).or(pull.test_merge.clone()),
        "assignee": null,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "head": {
            "label": format!("{head_owner}:{}", pull.branch),
            "ref": pull.branch,
            "sha": pull.head,
            "user": user(state, head_owner),
            "repo": repository(state, &pull.head_repository),
        },
        "base": {
            "label": format!("{}:{}", state.repository.owner, pull.base),
            "ref": pull.base,
            "sha": base,
            "user": user(state, &state.repository.owner),
            "repo": repository(state, &state.repository.full_name()),
        },
        "_links": {
            "self": link(&url),
            "html": link(&page),
            "issue": link(&issue),
            "comments": link(&format!("{issue}/comments")),
            "review_comments": link(&format!("{url}/comments")),
            "review_comment": link(&format!("{api}/pulls/comments{{/number}}")),
            "commits": link(&format!("{url}/commits")),
            "statuses": link(&statuses),
        },
        "author_association": association(state, &pull.author),
        "auto_merge": null,
        "draft": pull.draft,
    })
}

/// A pull request asked for by itself, and in its own events.
pub(in crate::rehearsal::github) fn pull(state: &State, pull: &Pull) -> Value {
    let mut written = pull_in_list(state, pull);
    let open = !pull.closed;
    let comments = state.comments.values().filter(|comment| comment.issue == pull.number).count();
    let ahead = state.history.branch(&pull.base).and_then(|base| state.history.compare(base, &pull.head));
    let more = json!({
        "merged": pull.merged.is_some(),
        "mergeable": if open { json!(pull.test_merge.is_some()) } else { Value::Null },
        "rebaseable": null,
        "mergeable_state": if open { "clean" } else { "unknown" },
        "merged_by": pull.merged.as_ref().map(|merged| user(state, &merged.by)),
        "comments": comments,
        "review_comments": 0,
        "maintainer_can_modify": false,
        "commits": ahead.map_or(1, |compared| compared.ahead.len().max(1)),
        "additions": 1,
        "deletions": 1,
        "changed_files": 1,
    });
    if let (Some(written), Value::Object(more)) = (written.as_object_mut(), more) {
        written.extend(more);
    }
    written
}

pub(in crate::rehearsal::github) fn review(state: &State, pull: &Pull, review: &Review) -> Value {
    let page = format!("{}/pull/{}#pullrequestreview-{}", state.page(), pull.number, review.id);
    let url = format!("{}/pulls/{}", state.api(), pull.number);
    json!({
        "id": review.id,
        "node_id": node_id("PRR", review.id),
        "user": user(state, &review.author),
        "body": "",
        "state": review.state,
        "html_url": page,
        "pull_request_url": url,
        "_links": {"html": {"href": page}, "pull_request": {"href": url}},
        "submitted_at": rfc3339(review.at),
        "commit_id": review.commit,
        "author_association": association(state, &review.author),
    })
}

pub(in crate::rehearsal::github) fn comment(state: &State, comment: &Comment) -> Value {
    let api = state.api();
    json!({
        "url": format!("{api}/issues/comments/{}", comment.id),
        "html_url": format!("{}/pull/{}#issuecomment-{}", state.page(), comment.issue, comment.id),
        "issue_url": format!("{api}/issues/{}", comment.issue),
        "id": comment.id,
        "node_id": node_id("IC", comment.id),
        "user": user(state, &comment.author),
        "created_at": rfc3339(comment.created),
        "updated_at": rfc3339(comment.updated),
        "author_association": association(state, &comment.author),
        "body": comment.body,
        "performed_via_github_app": app(state, &comment.author),
    })
}
