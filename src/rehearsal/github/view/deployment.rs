//! Deployments, their statuses, and environments.

use serde_json::{Value, json};

use super::{app, node_id, user};
use crate::rehearsal::github::clock::rfc3339;
use crate::rehearsal::github::state::{Deployment, DeploymentStatus, Environment, State};

pub(in crate::rehearsal::github) fn deployment(state: &State, deployment: &Deployment) -> Value {
    let url = format!("{}/deployments/{}", state.api(), deployment.id);
    let updated = deployment.statuses.last().map_or(deployment.created, |status| status.at);
    json!({
        "url": url,
        "id": deployment.id,
        "node_id": node_id("DE", deployment.id),
        "task": deployment.task,
        "original_environment": deployment.original_environment,
        "environment": deployment.environment,
        "description": deployment.description,
        "created_at": rfc3339(deployment.created),
        "updated_at": rfc3339(updated),
        "statuses_url": format!("{url}/statuses"),
        "repository_url": state.api(),
        "creator": user(state, &deployment.creator),
        "sha": deployment.sha,
        "ref": deployment.reference,
        "payload": deployment.payload,
        "transient_environment": deployment.transient,
        "production_environment": deployment.production,
        "performed_via_github_app": app(state, &deployment.creator),
    })
}

pub(in crate::rehearsal::github) fn deployment_status(
    state: &State,
    deployment: &Deployment,
    status: &DeploymentStatus,
) -> Value {
    let url = format!("{}/deployments/{}", state.api(), deployment.id);
    json!({
        "url": format!("{url}/statuses/{}", status.id),
        "id": status.id,
        "node_id": node_id("DES", status.id),
        "state": status.state,
        "creator": user(state, &status.creator),
        "description": status.description,
        "environment": status.environment,
        "target_url": status.log_url,
        "log_url": status.log_url,
        "environment_url": status.environment_url,
        "created_at": rfc3339(status.at),
        "updated_at": rfc3339(status.at),
        "deployment_url": url,
        "repository_url": state.api(),
        "performed_via_github_app": app(state, &status.creator),
    })
}

pub(in crate::rehearsal::github) fn environment(state: &State, name: &str, environment: &Environment) -> Value {
    let policy = if environment.protected_branches {
        json!({"protected_branches": true, "custom_branch_policies": false})
    } else {
        Value::Null
    };
    json!({
        "id": environment.id,
        "node_id": node_id("EN", environment.id),
        "name": name,
        "url": format!("{}/environments/{}", state.api(), encoded(name)),
        "html_url": format!("{}/deployments/activity_log?environments_filter={}", state.page(), encoded(name)),
        "created_at": rfc3339(environment.created),
        "updated_at": rfc3339(environment.created),
        "can_admins_bypass": true,
        "protection_rules": protection_rules(state, environment),
        "deployment_branch_policy": policy,
    })
}

/// The rules that gate a job before its runner starts.
fn protection_rules(state: &State, environment: &Environment) -> Vec<Value> {
    let id = environment.id * 10;
    let mut rules = Vec::new();
    if environment.wait_minutes > 0 {
        rules.push(json!({
            "id": id + 1, "node_id": node_id("GA", id + 1), "type": "wait_timer", "wait_timer": environment.wait_minutes,
        }));
    }
    if !environment.reviewers.is_empty() {
        let reviewers: Vec<Value> =
            environment.reviewers.iter().map(|login| json!({"type": "User", "reviewer": user(state, login)})).collect();
        rules.push(json!({
            "id": id + 2,
            "node_id": node_id("GA", id + 2),
            "type": "required_reviewers",
            "prevent_self_review": environment.prevent_self_review,
            "reviewers": reviewers,
        }));
    }
    if environment.protected_branches {
        rules.push(json!({"id": id + 3, "node_id": node_id("GA", id + 3), "type": "branch_policy"}));
    }
    rules
}

fn encoded(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}
