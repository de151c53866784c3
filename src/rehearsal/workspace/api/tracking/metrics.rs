//! Metrics of a run and of a logged model: every point that was logged, and the last one of each key.

use serde_json::{Value, json};

use super::logged_models;
use super::runs::find;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::store::Store;

/// A point as it is kept. Numbers that JSON does not have come as text, and stay it.
pub(crate) fn point(sent: &Value, now: i64) -> Result<Value, Refusal> {
    let key = sent["key"].as_str().filter(|k| !k.is_empty());
    let key = key.ok_or_else(|| Refusal::invalid("Missing required field: key"))?;
    let value = match &sent["value"] {
        value @ Value::Number(_) => value.clone(),
        value @ Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => value.clone(),
        Value::String(text) if text.parse::<f64>().is_ok() => json!(text.parse::<f64>().unwrap_or_default()),
        _ => return Err(Refusal::invalid(format!("Metric '{key}' has no value that is a number"))),
    };
    let whole = |field: &str, otherwise: i64| {
        sent[field].as_i64().or_else(|| sent[field].as_str()?.parse().ok()).unwrap_or(otherwise)
    };
    let mut out = json!({"key": key, "value": value, "timestamp": whole("timestamp", now), "step": whole("step", 0)});
    for field in ["model_id", "dataset_name", "dataset_digest"] {
        if let Some(text) = sent[field].as_str().filter(|t| !t.is_empty()) {
            out[field] = json!(text);
        }
    }
    Ok(out)
}

/// Adds a point to a run, and to the logged model it names. The same point twice is one point.
pub(crate) fn logged(store: &mut Store, run_id: &str, point: Value) -> Result<(), Refusal> {
    if let Some(model) = point["model_id"].as_str() {
        let mut of_model = point.clone();
        of_model["run_id"] = json!(run_id);
        logged_models::add_metric(store, model, of_model)?;
    }
    let run = find(store, run_id)?;
    let history = run["history"].as_array_mut().ok_or_else(|| Refusal::invalid("The run takes no metrics"))?;
    add(history, point);
    Ok(())
}

pub(crate) fn add(history: &mut Vec<Value>, point: Value) {
    let same = |other: &&mut Value| {
        ["key", "value", "step", "timestamp", "dataset_digest"].iter().all(|field| match *field {
            // The second time a point may say which data it was taken on.
            "dataset_digest" if other[field].is_null() || point[field].is_null() => true,
            field => other[field] == point[field],
        })
    };
    match history.iter_mut().find(same) {
        Some(known) => {
            for (field, value) in point.as_object().into_iter().flatten() {
                known[field.as_str()] = value.clone();
            }
        }
        None => history.push(point),
    }
}

/// The last point of each key: by step, then by time.
pub(crate) fn latest(history: &Value) -> Vec<Value> {
    let mut out: Vec<&Value> = vec![];
    let order = |p: &Value| (p["step"].as_i64(), p["timestamp"].as_i64());
    for point in history.as_array().into_iter().flatten() {
        match out.iter_mut().find(|p| p["key"] == point["key"]) {
            Some(known) if order(point) >= order(known) => *known = point,
            Some(_) => {}
            None => out.push(point),
        }
    }
    out.into_iter().cloned().collect()
}

pub(crate) fn get_history(call: &mut Call) -> Answer {
    let (run_id, key) = (call.required("run_id")?, call.required("metric_key")?);
    let run = find(call.store, &run_id)?;
    let points: Vec<Value> =
        run["history"].as_array().into_iter().flatten().filter(|p| p["key"] == key.as_str()).cloned().collect();
    let size = call.value("max_results").and_then(|v| v.parse().ok()).filter(|n| *n > 0).unwrap_or(25_000);
    let (points, next) = page(points, call.value("page_token").as_deref(), size)?;
    let mut doc = if points.is_empty() { json!({}) } else { json!({"metrics": points}) };
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}
