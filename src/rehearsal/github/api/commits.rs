//! Commits: one by name, the pull requests that brought it, its statuses, and two compared.

use serde_json::{Value, json};

use crate::rehearsal::github::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::github::history::Commit;
use crate::rehearsal::github::page;
use crate::rehearsal::github::state::Pull;
use crate::rehearsal::github::view;

fn named<'a>(call: &'a Call<'_>) -> Result<&'a Commit, Refusal> {
    let name = call.param("ref");
    let unknown = || Refusal::new(422, format!("No commit found for SHA: {name}"));
    call.state.history.resolve(name).ok_or_else(unknown)
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let commit = named(call)?;
    Reply::ok(view::commit(call.state, commit))
}

/// The merged pull request that brought a commit to the default branch; for any other commit, all that contain it.
pub(super) fn pulls(call: &mut Call<'_>) -> Answer {
    let commit = named(call)?;
    let state = &*call.state;
    let on_default = state
        .history
        .branch(&state.repository.default_branch)
        .is_some_and(|tip| state.history.ancestors(tip).contains(commit.sha.as_str()));
    // What a merged pull request brought: its merge commit, and what was not there before.
    let brought = |pull: &Pull| {
        let merge = pull.merged.as_ref().and_then(|merged| state.history.get(&merged.commit));
        merge.is_some_and(|merge| {
            let before = merge.parents.first().map(|parent| state.history.ancestors(parent)).unwrap_or_default();
            state.history.ancestors(&merge.sha).contains(commit.sha.as_str()) && !before.contains(commit.sha.as_str())
        })
    };
    let contains = |pull: &Pull| {
        let base = state.history.branch(&pull.base).unwrap_or_default();
        pull.head == commit.sha
            || state.history.compare(base, &pull.head).is_some_and(|compared| compared.ahead.contains(&commit.sha))
    };
    let shown: Vec<Value> = state
        .pulls
        .values()
        .filter(|pull| if on_default { brought(pull) } else { contains(pull) })
        .map(|pull| view::pull_in_list(state, pull))
        .collect();
    page::reply(call, shown, None)
}

pub(super) fn status(call: &mut Call<'_>) -> Answer {
    let commit = named(call)?;
    let (state, api) = (&*call.state, call.state.api());
    let statuses: Vec<_> = state.commit_statuses.iter().filter(|status| status.sha == commit.sha).collect();
    let combined = if statuses.iter().any(|status| matches!(status.state.as_str(), "failure" | "error")) {
        "failure"
    } else if !statuses.is_empty() && statuses.iter().all(|status| status.state == "success") {
        "success"
    } else {
        "pending"
    };
    let shown: Vec<Value> = statuses
        .iter()
        .enumerate()
        .map(|(number, status)| {
            json!({
                "url": format!("{api}/statuses/{}", commit.sha),
                "avatar_url": null,
                "id": number + 1,
                "node_id": format!("SC_{number}"),
                "state": status.state,
                "description": null,
                "target_url": null,
                "context": status.context,
                "created_at": crate::rehearsal::github::clock::rfc3339(commit.at),
                "updated_at": crate::rehearsal::github::clock::rfc3339(commit.at),
            })
        })
        .collect();
    Reply::ok(json!({
        "state": combined,
        "statuses": shown,
        "sha": commit.sha,
        "total_count": statuses.len(),
        "repository": view::minimal(state, &state.repository.full_name()),
        "commit_url": format!("{api}/commits/{}", commit.sha),
        "url": format!("{api}/commits/{}/status", commit.sha),
    }))
}

/// `base...head`, each a branch, a tag or a SHA. Only the commits are paged.
pub(super) fn compare(call: &mut Call<'_>) -> Answer {
    let span = call.param("basehead").to_owned();
    let (base, head) = span.split_once("...").ok_or_else(Refusal::not_found)?;
    let state = &*call.state;
    let (Some(base), Some(head)) = (state.history.resolve(base), state.history.resolve(head)) else {
        return Err(Refusal::not_found());
    };
    let compared = state
        .history
        .compare(&base.sha, &head.sha)
        .ok_or_else(|| Refusal::new(404, format!("No common ancestor between {} and {}.", base.sha, head.sha)))?;
    let commits = compared
        .ahead
        .iter()
        .filter_map(|sha| state.history.get(sha))
        .map(|commit| view::commit(state, commit))
        .collect();
    let mut paged = page::reply(call, commits, None)?;
    let shown = paged.body.take().and_then(|body| body.as_array().cloned()).unwrap_or_default();
    paged.body = Some(view::comparison(state, (base, head), &compared, shown));
    Ok(paged)
}
