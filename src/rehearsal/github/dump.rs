//! The state as a document that two runs can be compared by: no times, no tokens, keys in order.

use serde_json::{Map, Value, json};

use super::state::State;

pub(super) fn dump(state: &State) -> Value {
    let comments = state.comments.values().map(
        |comment| json!({"id": comment.id, "issue": comment.issue, "author": comment.author, "body": comment.body}),
    );
    let deployments = state.deployments.values().map(|deployment| {
        let statuses = deployment.statuses.iter().map(|status| {
            json!({
                "state": status.state, "description": status.description, "environment": status.environment,
                "log_url": status.log_url, "environment_url": status.environment_url, "creator": status.creator,
            })
        });
        json!({
            "id": deployment.id, "sha": deployment.sha, "ref": deployment.reference, "task": deployment.task,
            "environment": deployment.environment, "description": deployment.description,
            "payload": deployment.payload, "creator": deployment.creator, "transient": deployment.transient,
            "production": deployment.production, "statuses": statuses.collect::<Vec<_>>(),
        })
    });
    let checks = state.check_runs.values().filter(|check| !state.jobs.contains_key(&check.id)).map(|check| {
        json!({
            "id": check.id, "name": check.name, "sha": check.sha, "status": check.status,
            "conclusion": check.conclusion, "external_id": check.external_id, "title": check.title,
            "summary": check.summary, "text": check.text, "annotations": check.annotations,
        })
    });
    sorted(json!({
        "refs": state.history.refs(),
        "environments": state.environments.keys().collect::<Vec<_>>(),
        "comments": comments.collect::<Vec<_>>(),
        "deployments": deployments.collect::<Vec<_>>(),
        "check_runs": checks.collect::<Vec<_>>(),
    }))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(entries.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
