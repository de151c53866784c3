//! Accounts, and the app that a job's token acts through.

use serde_json::{Value, json};

use super::node_id;
use crate::rehearsal::github::state::{BOT, State};

pub(in crate::rehearsal::github) fn user(state: &State, login: &str) -> Value {
    let id = state.user_id(login);
    let api = format!("{}/users/{}", state.urls.api, login.replace('[', "%5B").replace(']', "%5D"));
    let page = match login.strip_suffix("[bot]") {
        Some(app) => format!("{}/apps/{app}", state.urls.server),
        None => format!("{}/{login}", state.urls.server),
    };
    let kind = match login {
        bot if bot.ends_with("[bot]") => "Bot",
        owner if owner == state.repository.owner => "Organization",
        _ => "User",
    };
    json!({
        "login": login,
        "id": id,
        "node_id": node_id("U", id),
        "avatar_url": format!("{}/avatars/{id}", state.urls.server),
        "gravatar_id": "",
        "url": api,
        "html_url": page,
        "followers_url": format!("{api}/followers"),
        "following_url": format!("{api}/following{{/other_user}}"),
        "gists_url": format!("{api}/gists{{/gist_id}}"),
        "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{api}/subscriptions"),
        "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events{{/privacy}}"),
        "received_events_url": format!("{api}/received_events"),
        "type": kind,
        "user_view_type": "public",
        "site_admin": false,
    })
}

/// `performed_via_github_app` of what an account did: GitHub Actions for its bot, nothing for a person.
pub(in crate::rehearsal::github) fn app(state: &State, login: &str) -> Value {
    if login != BOT {
        return Value::Null;
    }
    json!({
        "id": 15368,
        "client_id": "Iv1.05c79e9ad1f6bdfa",
        "slug": "github-actions",
        "node_id": "MDM6QXBwMTUzNjg=",
        "owner": user(state, "github"),
        "name": "GitHub Actions",
        "description": "Automate your workflow from idea to production",
        "external_url": "https://help.github.com/en/actions",
        "html_url": format!("{}/apps/github-actions", state.urls.server),
        "created_at": "2018-07-30T09:30:17Z",
        "updated_at": "2026-01-15T15:18:30Z",
        "permissions": {"actions": "write", "checks": "write", "deployments": "write", "metadata": "read"},
        "events": ["check_run", "check_suite", "create", "pull_request", "push"],
    })
}
