//! Reads what MLflow knows of a run: which commit and job it says it is of, and what it measured.
//!
//! Only names, numbers and digests are taken over. Inputs, examples and rows of data stay where
//! they are. A run answers with the last step of each metric, whatever was logged of an earlier
//! step since: whoever wants the newest reads the metric's history.

use std::collections::BTreeMap;

use serde_json::Value;

use super::registry::{real, whole};
use crate::domain::Failure;
use crate::ports::{Request, Rest};

/// As many as the service answers at once.
const PAGE: &str = "25000";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrackedRun {
    pub tags: BTreeMap<String, String>,
    /// The last step of each metric.
    pub metrics: BTreeMap<String, TrackedMetric>,
    /// The digest of the only data that the run names.
    pub dataset: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TrackedMetric {
    pub value: f64,
    /// Milliseconds since 1970, by whoever logged it.
    pub timestamp: i64,
    pub step: i64,
    /// The digest of the data it was taken on: its own, or that of the only data the run names.
    pub dataset: Option<String>,
}

/// None where there is no such run, or it may not be seen.
pub async fn run(rest: &dyn Rest, run_id: &str) -> Result<Option<TrackedRun>, Failure> {
    let request = Request::get("/api/2.0/mlflow/runs/get").query("run_id", run_id);
    match rest.call(request).await.and_then(|r| r.json()) {
        Ok(answer) => Ok(Some(read(&answer["run"]))),
        Err(error) if error.is_not_found() || error.status() == Some(403) => Ok(None),
        Err(error) => Err(error.into_failure(format!("read MLflow run {run_id}"))),
    }
}

/// Every point of a metric of a run.
pub async fn history(
    rest: &dyn Rest,
    run_id: &str,
    run: &TrackedRun,
    key: &str,
) -> Result<Vec<TrackedMetric>, Failure> {
    let doing = || format!("read metric `{key}` of MLflow run {run_id}");
    let mut points = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut request = Request::get("/api/2.0/mlflow/metrics/get-history").query("run_id", run_id);
        request = request.query("metric_key", key).query("max_results", PAGE);
        if let Some(token) = &token {
            request = request.query("page_token", token);
        }
        let answer = rest.call(request).await.and_then(|r| r.json()).map_err(|e| e.into_failure(doing()))?;
        points.extend(answer["metrics"].as_array().into_iter().flatten().map(|point| metric(point, &run.dataset).1));
        match answer["next_page_token"].as_str().filter(|next| !next.is_empty()) {
            Some(next) if token.as_deref() != Some(next) => token = Some(next.to_owned()),
            _ => return Ok(points),
        }
    }
}

fn read(run: &Value) -> TrackedRun {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let inputs = list(&run["inputs"]["dataset_inputs"]);
    let mut digests: Vec<String> = inputs.iter().map(|input| text(&input["dataset"], "digest")).collect();
    digests.retain(|digest| !digest.is_empty());
    digests.dedup();
    let dataset = match digests.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    };
    TrackedRun {
        tags: list(&run["data"]["tags"]).iter().map(|tag| (text(tag, "key"), text(tag, "value"))).collect(),
        metrics: list(&run["data"]["metrics"]).iter().map(|point| metric(point, &dataset)).collect(),
        dataset,
    }
}

fn metric(point: &Value, only: &Option<String>) -> (String, TrackedMetric) {
    let text = |key: &str| point[key].as_str().unwrap_or_default().to_owned();
    let own = Some(text("dataset_digest")).filter(|digest| !digest.is_empty());
    let metric = TrackedMetric {
        value: real(&point["value"]),
        timestamp: whole(&point["timestamp"]),
        step: whole(&point["step"]),
        dataset: own.or_else(|| only.clone()),
    };
    (text("key"), metric)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metrics(inputs: &[&str]) -> BTreeMap<String, TrackedMetric> {
        let inputs: Vec<Value> = inputs.iter().map(|digest| json!({"dataset": {"digest": digest}})).collect();
        let list = json!([
            {"key": "auc", "value": 0.9}, {"key": "f1", "value": "NaN"},
            {"key": "loss", "value": "Infinity", "dataset_digest": "own"}, {"key": "nothing"},
        ]);
        read(&json!({"data": {"metrics": list, "tags": []}, "inputs": {"dataset_inputs": inputs}})).metrics
    }

    #[test]
    fn numbers_that_json_does_not_have_are_read_as_what_they_are() {
        let read = metrics(&[]);
        assert!(read["f1"].value.is_nan() && read["nothing"].value.is_nan() && read["loss"].value.is_infinite());
    }

    #[test]
    fn the_only_data_of_a_run_is_that_of_its_metrics() {
        assert_eq!(metrics(&["d"])["auc"].dataset.as_deref(), Some("d"));
        assert_eq!(metrics(&["d"])["loss"].dataset.as_deref(), Some("own"));
        assert_eq!(metrics(&["d", "e"])["auc"].dataset, None);
        assert_eq!(metrics(&[])["auc"].dataset, None);
    }
}
