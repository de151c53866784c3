//! What a scripted training leaves: an MLflow run with its metrics, and a version of a model with its files.
//!
//! It is made by the functions that a job's own requests would reach, in the name that the job runs as.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::rehearsal::workspace::api::experiments;
use crate::rehearsal::workspace::api::files::objects;
use crate::rehearsal::workspace::api::registry::versions::{self, New};
use crate::rehearsal::workspace::api::tracking::runs;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal};
use crate::rehearsal::workspace::config::Identity;
use crate::rehearsal::workspace::identity::Principal;
use crate::rehearsal::workspace::serve::Server;

/// What one run of a training job comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The full name of the model that gets a version.
    pub model: String,
    pub metrics: BTreeMap<String, Value>,
    /// Of the data that they were taken on.
    pub digest: String,
    /// The version's, by path.
    pub files: BTreeMap<String, String>,
}

/// Once a run that trains has succeeded. What the workspace refuses it is left undone, as by a job that ignores errors.
pub(crate) fn leave(server: &Server, store: &str, run: u64) {
    let found = server.with_store(store, |store, _| {
        let run = store.runs.get(run).filter(|run| run.has_succeeded())?;
        let training = store.runs.trainings.get(&run.name)?.clone();
        let commit = run.new.parameters.get("git_sha").cloned().unwrap_or_default();
        Some((training, run.name.clone(), commit, run.run_as.clone()))
    });
    let Some((training, job, commit, run_as)) = found else { return };
    server.within(store, &run_as, |call| {
        if let Err(refusal) = training.leave(call, &job, run, &commit) {
            tracing::warn!("the training of `{job}` left nothing: {}", refusal.message);
        }
    });
}

impl Training {
    fn leave(&self, call: &mut Call, job: &str, run: u64, commit: &str) -> Result<(), Refusal> {
        let experiment = experiment(call, &format!("/Shared/{job}"))?;
        let tags = json!([
            {"key": "mlflow.databricks.jobRunID", "value": run.to_string()}, {"key": "git_sha", "value": commit},
        ]);
        let begun = ask(call, runs::create, json!({"experiment_id": experiment, "run_name": job, "tags": tags}))?;
        let id = begun["run"]["info"]["run_id"].as_str().unwrap_or_default().to_owned();
        let data = json!({"name": "holdout", "digest": self.digest, "source_type": "code", "source": "{}"});
        let inputs = json!({"run_id": id, "datasets": [{"dataset": data, "tags": []}]});
        ask(call, runs::log_inputs, inputs)?;
        let point = |(key, value): (&String, &Value)| json!({"key": key, "value": value, "timestamp": 1, "step": 0});
        let metrics: Vec<Value> = self.metrics.iter().map(point).collect();
        ask(call, runs::log_batch, json!({"run_id": id, "metrics": metrics}))?;
        let source = format!("runs:/{id}/model");
        let new = New { model: self.model.clone(), source, run_id: id, ..New::default() };
        let version = versions::number(&versions::made(call, new)?);
        for (path, text) in &self.files {
            let path = format!("/Models/{}/{version}/{path}", self.model.replace('.', "/"));
            objects::store(call.store, &path, Bytes::from(text.clone()).into(), call.now)?;
        }
        versions::finalized(call, &self.model, &version.to_string()).map(drop)
    }
}

fn experiment(call: &mut Call, name: &str) -> Result<Value, Refusal> {
    if let Ok(found) = ask(call, experiments::get_by_name, json!({"experiment_name": name})) {
        return Ok(found["experiment"]["experiment_id"].clone());
    }
    Ok(ask(call, experiments::create, json!({"name": name}))?["experiment_id"].clone())
}

fn ask(call: &mut Call, of: fn(&mut Call) -> Answer, body: Value) -> Result<Value, Refusal> {
    call.json = body.as_object().cloned().unwrap_or_default();
    Ok(serde_json::from_slice(&of(call)?.body).unwrap_or_default())
}

impl Server {
    /// Something that goes on inside of a workspace, in somebody's name.
    fn within<T>(&self, store: &str, user_name: &str, f: impl FnOnce(&mut Call) -> T) -> T {
        let who = match &self.config.identity {
            Identity::Federated(federation) => federation.known(user_name),
            Identity::PerToken => Principal::deployer(user_name, user_name),
        };
        self.with_store(store, |store, now| {
            f(&mut Call {
                method: Method::POST,
                params: vec![],
                query: vec![],
                headers: HeaderMap::new(),
                body: Bytes::new(),
                content: None,
                json: Default::default(),
                parts: vec![],
                who,
                store,
                now,
                base_url: &self.url,
                links: &self.links,
                model_files: &self.config.model_files,
                leniency: self.config.leniency,
                uploads: self.config.uploads,
            })
        })
    }
}
