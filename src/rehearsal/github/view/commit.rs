//! Commits and comparisons.

use serde_json::{Value, json};

use super::{node_id, user};
use crate::rehearsal::github::clock::rfc3339;
use crate::rehearsal::github::history::{Commit, Comparison};
use crate::rehearsal::github::state::State;

fn tree_of(commit: &Commit) -> String {
    commit.sha.chars().rev().collect()
}

pub(in crate::rehearsal::github) fn commit(state: &State, commit: &Commit) -> Value {
    let (api, page) = (state.api(), state.page());
    let sha = &commit.sha;
    let signature = json!({
        "name": commit.author,
        "email": format!("{}@users.noreply.github.com", commit.author),
        "date": rfc3339(commit.at),
    });
    let parent = |parent: &String| {
        json!({
            "sha": parent,
            "url": format!("{api}/commits/{parent}"),
            "html_url": format!("{page}/commit/{parent}"),
        })
    };
    json!({
        "sha": sha,
        "node_id": node_id("C", sha),
        "commit": {
            "author": signature,
            "committer": signature,
            "message": commit.message,
            "tree": {"sha": tree_of(commit), "url": format!("{api}/git/trees/{}", tree_of(commit))},
            "url": format!("{api}/git/commits/{sha}"),
            "comment_count": 0,
            "verification": {
                "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null,
            },
        },
        "url": format!("{api}/commits/{sha}"),
        "html_url": format!("{page}/commit/{sha}"),
        "comments_url": format!("{api}/commits/{sha}/comments"),
        "author": user(state, &commit.author),
        "committer": user(state, &commit.author),
        "parents": commit.parents.iter().map(parent).collect::<Vec<_>>(),
    })
}

/// The other shape of a commit: in runs, and in the payload of a push.
pub(in crate::rehearsal::github) fn event_commit(state: &State, sha: &str) -> Value {
    let Some(commit) = state.history.get(sha) else { return Value::Null };
    let who = json!({
        "name": commit.author,
        "email": format!("{}@users.noreply.github.com", commit.author),
        "username": commit.author,
    });
    json!({
        "id": commit.sha,
        "tree_id": tree_of(commit),
        "distinct": true,
        "message": commit.message,
        "timestamp": rfc3339(commit.at),
        "url": format!("{}/commit/{}", state.page(), commit.sha),
        "author": who,
        "committer": who,
        "added": [],
        "removed": [],
        "modified": [],
    })
}

/// The comparison around one page of its commits.
pub(in crate::rehearsal::github) fn comparison(
    state: &State,
    (base, head): (&Commit, &Commit),
    compared: &Comparison,
    shown: Vec<Value>,
) -> Value {
    let span = format!("{}...{}", base.sha, head.sha);
    let page = format!("{}/compare/{span}", state.page());
    let merge_base = state.history.get(&compared.merge_base).map_or(Value::Null, |found| commit(state, found));
    json!({
        "url": format!("{}/compare/{span}", state.api()),
        "html_url": page,
        "permalink_url": page,
        "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"),
        "base_commit": commit(state, base),
        "merge_base_commit": merge_base,
        "status": compared.status(),
        "ahead_by": compared.ahead.len(),
        "behind_by": compared.behind,
        "total_commits": compared.ahead.len(),
        "commits": shown,
        "files": [],
    })
}
