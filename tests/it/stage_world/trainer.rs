//! A training job at work: what it leaves in MLflow and in the registry while a stage waits for it.

use mlops_deploy::rehearsal::front::{Fault, Rule};
use mlops_deploy::rehearsal::workspace::Control;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Left, Step};

/// Files of a model that can be copied.
pub const MLMODEL: &str = "flavors:\n  python_function:\n    loader_module: churn.package\n\
                           signature:\n  inputs: '[{\"type\": \"double\"}]'\n  outputs: '[{\"type\": \"double\"}]'\n";
pub const EXAMPLE: &str = "{\"dataframe_split\": {\"columns\": [\"tenure\"], \"data\": [[1.0], [2.0]]}}";

/// What a training leaves in MLflow.
pub struct Training<'t> {
    pub commit: &'t str,
    pub dataset: &'t str,
    pub metrics: &'t [(&'t str, Value)],
}

/// Job `fit` of one workspace, which makes versions of one model.
pub struct Trainer<'w> {
    pub control: &'w Control,
    pub who: &'static str,
    pub model: &'static str,
}

impl Trainer<'_> {
    /// Null where there is no such thing.
    pub async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.control.url()));
        let request = request.bearer_auth(self.control.token_for(self.who).unwrap());
        let request = if body.is_null() { request } else { request.json(&body) };
        let reply = request.send().await.unwrap();
        if reply.status() == 404 {
            return Value::Null;
        }
        assert!(reply.status().is_success(), "{path}: {}", reply.text().await.unwrap());
        reply.json().await.unwrap_or_default()
    }

    async fn mlflow(&self, call: &str, body: Value) -> Value {
        self.ask(Method::POST, &format!("/api/2.0/mlflow/{call}"), body).await
    }

    /// Runs the stage; its training job makes a version before it ends.
    pub async fn trains(&self, step: Step, training: Training<'_>) -> Left {
        self.trains_and_validates(step, training, &[]).await
    }

    /// The same with MLflow 3's client, which copies what the run has measured onto the model; then a validation measures
    /// again, and logs that on the run.
    pub async fn trains_and_validates(&self, step: Step, training: Training<'_>, validated: &[(&str, Value)]) -> Left {
        self.control.hold_runs();
        self.control.fail(Rule::on("GET", "/api/2.2/jobs/runs/get", Fault::Delay { millis: 1 }));
        let left = {
            let mut left = std::pin::pin!(step.left(step.spawn()));
            tokio::select! {
                left = &mut left => panic!("it ended before it trained: {left:?}"),
                () = self.control.faults().delaying() => {}
            }
            self.register(&training, validated).await;
            self.control.let_runs_end();
            left.await
        };
        step.settle().await.expect(0);
        left
    }

    /// What the run that goes on does, as a training job would.
    async fn register(&self, training: &Training<'_>, validated: &[(&str, Value)]) {
        let runs = self.ask(Method::GET, "/api/2.2/jobs/runs/list", Value::Null).await;
        let (run, name) = (&runs["runs"][0]["run_id"], &runs["runs"][0]["run_name"]);
        assert_eq!(name, "fit");
        let experiment = self.mlflow("experiments/create", json!({"name": format!("/Shared/fit-{run}")})).await;
        let tags = json!([
            {"key": "mlflow.databricks.jobRunID", "value": run.to_string()},
            {"key": "git_sha", "value": training.commit},
        ]);
        let begun = json!({"experiment_id": experiment["experiment_id"], "tags": tags});
        let id = self.mlflow("runs/create", begun).await["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        let data = json!({"name": "holdout", "digest": training.dataset, "source_type": "code", "source": "{}"});
        let inputs = json!({"run_id": id, "datasets": [{"dataset": data, "tags": []}]});
        self.mlflow("runs/log-inputs", inputs).await;
        let points = |metrics: &[(&str, Value)], timestamp: u64, model: &Value| -> Vec<Value> {
            let point = |(key, value): &(&str, Value)| json!({"key": key, "value": value, "timestamp": timestamp, "step": 0, "model_id": model});
            metrics.iter().map(point).collect()
        };
        let log = async |metrics| self.mlflow("runs/log-batch", json!({"run_id": id, "metrics": metrics})).await;
        log(points(training.metrics, 1, &Value::Null)).await;
        let mut new = json!({"name": self.model, "source": format!("runs:/{id}/model"), "run_id": id});
        if !validated.is_empty() {
            let logged = json!({"experiment_id": experiment["experiment_id"], "name": "model", "source_run_id": id});
            let logged = self.mlflow("logged-models", logged).await["model"]["info"]["model_id"].clone();
            log(points(training.metrics, 1, &logged)).await;
            log(points(validated, 2, &Value::Null)).await;
            new["model_id"] = logged;
        }
        let made = self.mlflow("unity-catalog/model-versions/create", new).await;
        let number = &made["model_version"]["version"];
        self.files(number, &format!("{{\"run\": \"{id}\"}}")).await;
        self.mlflow("unity-catalog/model-versions/finalize", json!({"name": self.model, "version": number})).await;
    }

    async fn files(&self, version: &Value, weights: &str) {
        let version = version.as_str().map_or_else(|| version.to_string(), str::to_owned);
        let folder = format!("/Models/{}/{version}", self.model.replace('.', "/"));
        let token = self.control.token_for(self.who).unwrap();
        for (name, text) in [("MLmodel", MLMODEL), ("model.json", weights), ("serving_input_example.json", EXAMPLE)] {
            let at = format!("{}/api/2.0/fs/files{folder}/{name}?overwrite=true", self.control.url());
            let sent = reqwest::Client::new().put(at).bearer_auth(&token).body(text.to_owned()).send().await.unwrap();
            assert!(sent.status().is_success(), "{name}: {}", sent.status());
        }
    }

    /// Null where there is no such version.
    pub async fn version(&self, number: u64) -> Value {
        let path = format!("/api/2.0/mlflow/unity-catalog/model-versions/get?name={}&version={number}", self.model);
        self.ask(Method::GET, &path, Value::Null).await["model_version"].clone()
    }

    pub async fn tags(&self, number: u64) -> Value {
        let found = self.version(number).await;
        assert!(found.is_object(), "there is no version {number}");
        let tags = found["tags"].as_array().cloned().unwrap_or_default();
        tags.into_iter().map(|tag| (tag["key"].as_str().unwrap().to_owned(), tag["value"].clone())).collect()
    }

    pub async fn set_alias(&self, alias: &str, number: u64) {
        let path = format!("/api/2.1/unity-catalog/models/{}/aliases/{alias}", self.model);
        self.ask(Method::PUT, &path, json!({"version_num": number})).await;
    }

    /// Number of the version that has the alias; null where none has.
    pub async fn aliased(&self, alias: &str) -> Value {
        let path = format!("/api/2.1/unity-catalog/models/{}/aliases/{alias}", self.model);
        self.ask(Method::GET, &path, Value::Null).await["version"].clone()
    }

    /// A record of an environment's ledger; null where it is not there.
    pub async fn record(&self, environment: &str, sequence: u64) -> Value {
        let folder = format!("/api/2.0/fs/files/Volumes/{environment}/ops/deployments/tiny");
        self.ask(Method::GET, &format!("{folder}/{sequence:08}.json"), Value::Null).await
    }

    /// Lets a principal do something with this workspace's things: kind, name, privilege.
    pub async fn grant(&self, principal: &str, rights: &[(&str, &str, &str)]) {
        for (kind, name, privilege) in rights {
            let changes = json!({"changes": [{"principal": principal, "add": [privilege]}]});
            let path = format!("/api/2.1/unity-catalog/permissions/{kind}/{name}");
            self.ask(Method::PATCH, &path, changes).await;
        }
    }
}
