//! The repository, in the three lengths GitHub writes it.

use serde_json::{Map, Value, json};

use super::{node_id, user};
use crate::rehearsal::github::clock::rfc3339;
use crate::rehearsal::github::state::State;

// Name of the property, and what follows the repository's own address; braces are URI templates.
const ADDRESSES: &[(&str, &str)] = &[
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

/// The short form that other objects carry. A fork has the same shape under its own name.
pub(in crate::rehearsal::github) fn minimal(state: &State, full_name: &str) -> Value {
    let own = full_name == state.repository.full_name();
    let id = if own { state.repository.id } else { state.repository.id + 1 };
    let (owner, name) = full_name.split_once('/').unwrap_or((full_name, full_name));
    let api = format!("{}/repos/{full_name}", state.urls.api);
    let mut written = Map::new();
    let said = json!({
        "id": id,
        "node_id": node_id("R", id),
        "name": name,
        "full_name": full_name,
        "private": state.repository.private,
        "owner": user(state, owner),
        "html_url": format!("{}/{full_name}", state.urls.server),
        "description": null,
        "fork": !own,
        "url": api,
    });
    if let Value::Object(said) = said {
        written.extend(said);
    }
    for (property, tail) in ADDRESSES {
        written.insert((*property).to_owned(), format!("{api}{tail}").into());
    }
    Value::Object(written)
}

/// The full form, as it is asked for by itself, and as pull requests carry it.
pub(in crate::rehearsal::github) fn repository(state: &State, full_name: &str) -> Value {
    let mut written = minimal(state, full_name);
    let page = format!("{}/{full_name}", state.urls.server);
    let since = rfc3339(state.now());
    let more = json!({
        "git_url": format!("{}.git", page.replacen("http", "git", 1)),
        "ssh_url": format!("git@github.com:{full_name}.git"),
        "clone_url": format!("{page}.git"),
        "svn_url": page,
        "homepage": null,
        "language": "Python",
        "default_branch": state.repository.default_branch,
        "visibility": if state.repository.private { "private" } else { "public" },
        "size": 100,
        "forks": 0,
        "forks_count": 0,
        "open_issues": 0,
        "open_issues_count": 0,
        "watchers": 0,
        "watchers_count": 0,
        "stargazers_count": 0,
        "network_count": 0,
        "subscribers_count": 0,
        "has_issues": true,
        "has_projects": true,
        "has_wiki": false,
        "has_pages": false,
        "has_downloads": true,
        "has_discussions": false,
        "archived": false,
        "disabled": false,
        "mirror_url": null,
        "license": null,
        "topics": [],
        "is_template": false,
        "allow_forking": true,
        "web_commit_signoff_required": false,
        "pushed_at": since,
        "created_at": since,
        "updated_at": since,
        "permissions": {"admin": false, "maintain": false, "push": true, "triage": true, "pull": true},
    });
    if let (Some(written), Value::Object(more)) = (written.as_object_mut(), more) {
        written.extend(more);
    }
    written
}
