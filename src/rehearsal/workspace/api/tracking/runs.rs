//! Runs of MLflow: begun, filled, ended, found.

use serde_json::{Map, Value, json};

use super::{filter, metrics};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::store::Store;

const TABLE: &str = "mlflow_runs";

pub(crate) fn find<'a>(store: &'a mut Store, id: &str) -> Result<&'a mut Value, Refusal> {
    let missing = Refusal::missing(format!("Run '{id}' not found."));
    store.table(TABLE).get_mut(id).ok_or(missing)
}

/// The run a call names; older clients say `run_uuid`.
fn named(call: &Call) -> Result<String, Refusal> {
    call.required("run_id").or_else(|missing| call.required("run_uuid").map_err(|_| missing))
}

fn open<'a>(call: &'a mut Call) -> Result<&'a mut Value, Refusal> {
    let id = named(call)?;
    let run = find(call.store, &id)?;
    if run["info"]["lifecycle_stage"] != "active" {
        return Err(Refusal::invalid(format!("The run {id} must be in the 'active' state. Current state is deleted.")));
    }
    Ok(run)
}

/// As it is answered: the last value of each metric instead of all of them.
fn shown(run: &Value) -> Value {
    let mut out = run.clone();
    out["data"]["metrics"] = json!(metrics::latest(&run["history"]));
    if let Some(out) = out.as_object_mut() {
        out.shift_remove("history");
        out.shift_remove("name");
    }
    out
}

pub(crate) fn create(call: &mut Call) -> Answer {
    let experiment = call.required("experiment_id")?;
    let known = call.store.get("experiments", &experiment).cloned();
    let known = known.ok_or_else(|| Refusal::missing(format!("Node ID {experiment} does not exist.")))?;
    if known["lifecycle_stage"] != "active" {
        return Err(Refusal::invalid(format!("The experiment {experiment} must be in the 'active' state")));
    }
    let id = call.store.ids.uuid().replace('-', "");
    let mut tags = call.json.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    let named = filter::entry(&json!(tags), "mlflow.runName").and_then(Value::as_str).map(str::to_owned);
    let name = call.value("run_name").filter(|n| !n.is_empty()).or(named);
    let name = name.unwrap_or_else(|| format!("run-{}", &id[..8]));
    tags.retain(|t| t["key"] != "mlflow.runName");
    tags.push(json!({"key": "mlflow.runName", "value": name}));
    let started = call.value("start_time").and_then(|t| t.parse().ok()).unwrap_or(call.now);
    let at = format!("{}/{id}/artifacts", known["artifact_location"].as_str().unwrap_or_default());
    let doc = json!({
        "name": name,
        "info": {
            "run_id": id, "run_uuid": id, "run_name": name, "experiment_id": experiment,
            "user_id": call.who.user_name, "status": "RUNNING", "start_time": started, "artifact_uri": at,
            "lifecycle_stage": "active",
        },
        "data": {"params": [], "tags": tags},
        "inputs": {"dataset_inputs": [], "model_inputs": []},
        "outputs": {"model_outputs": []},
        "history": [],
    });
    let answer = json!({"run": shown(&doc)});
    call.store.table(TABLE).insert(id, doc);
    Reply::json(answer)
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let id = named(call)?;
    let doc = shown(find(call.store, &id)?);
    Ok(Reply::json(json!({"run": doc}))?.with("x-databricks-org-id", call.store.workspace_id.to_string()))
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let (status, ended, name) = (call.value("status"), call.value("end_time"), call.value("run_name"));
    let run = open(call)?;
    if let Some(status) = status {
        if !["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"].contains(&status.as_str()) {
            return Err(Refusal::invalid(format!("Invalid run status: {status}")));
        }
        run["info"]["status"] = json!(status);
    }
    if let Some(ended) = ended.and_then(|t| t.parse::<i64>().ok()) {
        run["info"]["end_time"] = json!(ended);
    }
    if let Some(name) = name {
        run["info"]["run_name"] = json!(name);
        run["name"] = json!(name);
    }
    let info = run["info"].clone();
    Reply::json(json!({"run_info": info}))
}

fn staged(call: &mut Call, stage: &str) -> Answer {
    let id = named(call)?;
    find(call.store, &id)?["info"]["lifecycle_stage"] = json!(stage);
    Reply::done()
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    staged(call, "deleted")
}

pub(crate) fn restore(call: &mut Call) -> Answer {
    staged(call, "active")
}

/// Sets `key` in a list of `{key, value}`.
pub(crate) fn put(list: &mut Value, key: &str, value: &str) {
    let mut entries = list.as_array().cloned().unwrap_or_default();
    entries.retain(|e| e["key"] != key);
    entries.push(json!({"key": key, "value": value}));
    *list = entries.into();
}

/// A parameter says what a run was made with: it is written once.
fn put_param(run: &mut Value, key: &str, value: &str) -> Result<(), Refusal> {
    match filter::entry(&run["data"]["params"], key).and_then(Value::as_str) {
        Some(known) if known == value => Ok(()),
        Some(known) => {
            let message = format!(
                "Changing param values is not allowed. Param with key='{key}' was already logged with value='{known}', attempted to log '{value}'"
            );
            Err(Refusal::invalid(message))
        }
        None => {
            put(&mut run["data"]["params"], key, value);
            Ok(())
        }
    }
}

fn pair(call: &Call) -> Result<(String, String), Refusal> {
    Ok((call.required("key")?, call.value("value").unwrap_or_default()))
}

pub(crate) fn set_tag(call: &mut Call) -> Answer {
    let (key, value) = pair(call)?;
    put(&mut open(call)?["data"]["tags"], &key, &value);
    Reply::done()
}

pub(crate) fn delete_tag(call: &mut Call) -> Answer {
    let key = call.required("key")?;
    let tags = &mut open(call)?["data"]["tags"];
    if filter::entry(tags, &key).is_none() {
        return Err(Refusal::missing(format!("No tag with name: {key}")));
    }
    if let Some(tags) = tags.as_array_mut() {
        tags.retain(|t| t["key"] != key.as_str());
    }
    Reply::done()
}

pub(crate) fn log_param(call: &mut Call) -> Answer {
    let (key, value) = pair(call)?;
    put_param(open(call)?, &key, &value)?;
    Reply::done()
}

pub(crate) fn log_metric(call: &mut Call) -> Answer {
    let point = metrics::point(&Value::Object(call.json.clone()), call.now)?;
    let id = named(call)?;
    open(call)?;
    metrics::logged(call.store, &id, point)?;
    Reply::done()
}

/// All of it or nothing: what is refused is found before anything is written.
pub(crate) fn log_batch(call: &mut Call) -> Answer {
    let id = named(call)?;
    let list = |field: &str| call.json.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let (points, params, tags) = (list("metrics"), list("params"), list("tags"));
    if points.len() > 1000 || params.len() > 100 || tags.len() > 100 {
        return Err(Refusal::invalid("A batch logging request can contain at most 1000 metrics, 100 params, 100 tags"));
    }
    let points: Vec<Value> = points.iter().map(|p| metrics::point(p, call.now)).collect::<Result<_, _>>()?;
    let text = |e: &Value, field: &str| e[field].as_str().unwrap_or_default().to_owned();
    let mut filled = open(call)?.clone();
    for param in &params {
        put_param(&mut filled, &text(param, "key"), &text(param, "value"))?;
    }
    for tag in &tags {
        put(&mut filled["data"]["tags"], &text(tag, "key"), &text(tag, "value"));
    }
    *find(call.store, &id)? = filled;
    for point in points {
        metrics::logged(call.store, &id, point)?;
    }
    Reply::done()
}

pub(crate) fn log_inputs(call: &mut Call) -> Answer {
    extended(call, "inputs", &[("datasets", "dataset_inputs"), ("models", "model_inputs")])
}

pub(crate) fn log_outputs(call: &mut Call) -> Answer {
    extended(call, "outputs", &[("models", "model_outputs")])
}

fn extended(call: &mut Call, place: &str, fields: &[(&str, &str)]) -> Answer {
    let body = call.json.clone();
    let run = open(call)?;
    for (sent, kept) in fields {
        let mut list = run[place][*kept].as_array().cloned().unwrap_or_default();
        for item in body.get(*sent).and_then(Value::as_array).into_iter().flatten() {
            if !list.contains(item) {
                list.push(item.clone());
            }
        }
        run[place][*kept] = list.into();
    }
    Reply::done()
}

/// Which model a run logged, as older clients say it: a text in a tag.
pub(crate) fn log_model(call: &mut Call) -> Answer {
    let sent = call.required("model_json")?;
    let sent: Value = serde_json::from_str(&sent).map_err(|e| Refusal::invalid(format!("model_json: {e}")))?;
    let tags = &mut open(call)?["data"]["tags"];
    let known = filter::entry(tags, "mlflow.log-model.history").and_then(Value::as_str);
    let mut models: Vec<Value> = known.and_then(|k| serde_json::from_str(k).ok()).unwrap_or_default();
    models.push(sent);
    put(tags, "mlflow.log-model.history", &Value::from(models).to_string());
    Reply::done()
}

pub(crate) fn search(call: &mut Call) -> Answer {
    let experiments = call.json.get("experiment_ids").and_then(Value::as_array).cloned().unwrap_or_default();
    if experiments.is_empty() {
        return Err(Refusal::invalid("Missing required field: experiment_ids"));
    }
    let clauses = filter::read(&call.value("filter").unwrap_or_default())?;
    let view = call.value("run_view_type").unwrap_or_else(|| "ACTIVE_ONLY".into());
    let wanted = |run: &&Value| {
        let stage = match view.as_str() {
            "ALL" => true,
            "DELETED_ONLY" => run["info"]["lifecycle_stage"] == "deleted",
            _ => run["info"]["lifecycle_stage"] == "active",
        };
        stage && experiments.contains(&run["info"]["experiment_id"]) && clauses.iter().all(|c| fits(c, run))
    };
    let all = call.store.get_table(TABLE).into_iter().flat_map(|t| t.values());
    let mut found: Vec<Value> = all.filter(wanted).map(shown).collect();
    sort(&mut found, call.json.get("order_by"))?;
    let size = call.value("max_results").and_then(|v| v.parse().ok()).filter(|n| *n > 0).unwrap_or(1000).min(50_000);
    let (runs, next) = page(found, call.value("page_token").as_deref(), size)?;
    let mut doc = if runs.is_empty() { json!({}) } else { json!({"runs": runs}) };
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}

fn fits(clause: &filter::Clause, run: &Value) -> bool {
    match clause.kind.as_str() {
        "metrics" => {
            let latest = Value::from(metrics::latest(&run["history"]));
            clause.fits(filter::entry(&latest, &clause.key))
        }
        "attributes" => clause.fits(Some(&run["info"][clause.key.as_str()])),
        kind => clause.fits(filter::entry(&run["data"][kind], &clause.key)),
    }
}

/// Newest first, or by what the call says.
fn sort(runs: &mut [Value], order_by: Option<&Value>) -> Result<(), Refusal> {
    let started = |run: &Value| run["info"]["start_time"].as_i64();
    runs.sort_by_key(|run| std::cmp::Reverse(started(run)));
    for order in order_by.and_then(Value::as_array).into_iter().flatten().rev() {
        let text = order.as_str().unwrap_or_default();
        let (name, down) = match text.rsplit_once(' ') {
            Some((name, way)) if way.eq_ignore_ascii_case("desc") => (name, true),
            Some((name, way)) if way.eq_ignore_ascii_case("asc") => (name, false),
            _ => (text, false),
        };
        let name = name.trim();
        let key = |run: &Value| match name.split_once('.') {
            Some(("metrics", key)) => {
                filter::entry(&run["data"]["metrics"], key.trim_matches('`')).and_then(Value::as_f64)
            }
            _ => run["info"][name.trim_start_matches("attributes.")].as_f64(),
        };
        if !name.starts_with("metrics.") && !name.ends_with("start_time") && !name.ends_with("end_time") {
            let message = format!("the stand-in does not understand the order: {text}");
            return Err(Refusal::new(501, "NOT_IMPLEMENTED", message));
        }
        runs.sort_by(|a, b| {
            let order = key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal);
            if down { order.reverse() } else { order }
        });
    }
    Ok(())
}

/// The tags of a run as a map, for whoever registers what it made.
pub(crate) fn info(store: &Store, id: &str) -> Option<Map<String, Value>> {
    store.get(TABLE, id)?["info"].as_object().cloned()
}
