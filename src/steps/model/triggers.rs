//! Which jobs start by themselves when a model gets a version, or an alias is moved.

use serde_json::Value;

use super::Registry;
use crate::domain::{Failure, ModelName};
use crate::ports::{Request, World};

/// Their names: the model's own deployment job, by its id where it may not be seen, and every job whose trigger waits for
/// the model or for all models of its schema or catalog.
pub async fn started_by(world: &World, model: &ModelName) -> Result<Vec<String>, Failure> {
    let own = Registry(world.workspace.as_ref()).model(model).await?.and_then(|m| m.deployment_job_id);
    let above = [model.to_string(), format!("{}.{}", model.catalog, model.schema), model.catalog.clone()];
    let mut names = Vec::new();
    let mut unseen = own.clone();
    let mut token: Option<String> = None;
    loop {
        let mut request = Request::get("/api/2.2/jobs/list").query("limit", "100");
        if let Some(token) = &token {
            request = request.query("page_token", token);
        }
        let answer = world.workspace.call(request).await.and_then(|r| r.json());
        let answer = answer.map_err(|e| e.into_failure("list the jobs that wait for a model"))?;
        for job in answer["jobs"].as_array().into_iter().flatten() {
            let settings = &job["settings"];
            let trigger = &settings["trigger"];
            let waits = trigger["pause_status"] != "PAUSED"
                && trigger["model"]["securable_name"].as_str().is_some_and(|name| above.iter().any(|a| a == name));
            unseen = unseen.filter(|own| id(job) != *own);
            if waits || own.as_deref().is_some_and(|own| id(job) == own) {
                names.push(settings["name"].as_str().unwrap_or_default().to_owned());
            }
        }
        match answer["next_page_token"].as_str().filter(|next| !next.is_empty()) {
            Some(next) if token.as_deref() != Some(next) => token = Some(next.to_owned()),
            _ => break,
        }
    }
    names.extend(unseen.map(|id| format!("{id}, which may not be seen")));
    Ok(names)
}

fn id(job: &Value) -> String {
    job["job_id"].as_i64().map(|id| id.to_string()).or(job["job_id"].as_str().map(str::to_owned)).unwrap_or_default()
}
