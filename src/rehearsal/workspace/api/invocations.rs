//! Asking a served model: by the endpoint's own address, which traffic shares out, or one entity by name.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::serving::{entities, find, model_version};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};
use crate::rehearsal::workspace::served;
use crate::rehearsal::workspace::store::Store;
use crate::rehearsal::workspace::tree::What;

/// To the entity whose turn it is: of a hundred requests each gets its share, spread evenly.
pub(crate) fn endpoint(call: &mut Call) -> Answer {
    let name = call.param("name").to_owned();
    let config = serving(call, &name)?;
    let turn = call.store.served.shared_out.entry(name.clone()).or_default();
    *turn += 1;
    let turn = *turn;
    let routes = config["traffic_config"]["routes"].as_array().cloned().unwrap_or_default();
    let chosen = routes.iter().map(|r| (to(r), r["traffic_percentage"].as_u64().unwrap_or(0)));
    // The one whose share grew by a whole request with this turn.
    let due = |share: u64| turn * share / 100 > (turn - 1) * share / 100;
    let mut by_share: Vec<(String, u64)> = chosen.filter(|(_, share)| *share > 0).collect();
    by_share.sort_by_key(|(_, share)| *share);
    let entity = by_share.iter().find(|(_, share)| due(*share)).or(by_share.last()).map(|(to, _)| to.clone());
    let entity = entity.ok_or_else(|| Refusal::new(404, "RESOURCE_DOES_NOT_EXIST", "No entity receives traffic."))?;
    ask(call, &name, &config, &entity)
}

/// Whatever the traffic says: how a candidate is tried before it gets any.
pub(crate) fn entity(call: &mut Call) -> Answer {
    let (name, entity) = (call.param("name").to_owned(), call.param("served").to_owned());
    let config = serving(call, &name)?;
    ask(call, &name, &config, &entity)
}

fn to(route: &Value) -> String {
    route["served_model_name"].as_str().or(route["served_entity_name"].as_str()).unwrap_or_default().to_owned()
}

/// The configuration that answers: the old one while an update goes on.
fn serving(call: &mut Call, name: &str) -> Result<Value, Refusal> {
    let doc = find(call, name)?;
    if doc["state"]["ready"] != "READY" {
        return Err(Refusal::new(503, "TEMPORARILY_UNAVAILABLE", format!("Endpoint '{name}' is not ready.")));
    }
    Ok(doc["config"].clone())
}

fn ask(call: &mut Call, endpoint: &str, config: &Value, entity: &str) -> Answer {
    let missing = || Refusal::missing(format!("Served entity '{entity}' does not exist."));
    let served = entities(config).find(|e| e["name"] == entity).ok_or_else(missing)?;
    let (model, version) = model_version(served);
    let model_version = format!("{model}/{version}");
    let answer = answered(call, &model_version);
    let took = match call.store.served.answer(&model_version) {
        Some(served::Answer::Late { milliseconds }) => *milliseconds,
        _ => 0,
    };
    let asked = call.store.served.asked_now(&format!("{endpoint}/{entity}"), call.now);
    asked.requests += 1;
    asked.took.push(took);
    match answer {
        Ok(body) => Reply::json(body).map(|reply| reply.with("served-model-name", entity)),
        Err(refusal) => {
            let errors =
                if refusal.status.is_server_error() { &mut asked.server_errors } else { &mut asked.client_errors };
            *errors += 1;
            Err(refusal)
        }
    }
}

fn answered(call: &mut Call, model_version: &str) -> Result<Value, Refusal> {
    let body = Value::Object(call.take_json());
    let script = call.store.served.answer(model_version).cloned();
    match script {
        Some(served::Answer::Predictions { predictions }) => return Ok(json!({"predictions": predictions})),
        Some(served::Answer::Body { body }) => return Ok(body),
        Some(served::Answer::Statuses { statuses }) => {
            let turn = call.store.served.shared_out.entry(model_version.to_owned()).or_default();
            let status = statuses.get(usize::try_from(*turn).unwrap_or(0) % statuses.len().max(1)).copied();
            *turn += 1;
            if let Some(status) = status.filter(|status| *status != 200) {
                return Err(Refusal::new(status, "INTERNAL_ERROR", "Encountered an unexpected error while scoring."));
            }
        }
        Some(served::Answer::Late { .. }) | None => {}
    }
    let rows = rows(&body)?;
    let bytes = bytes_of(call.store, model_version);
    let predictions: Value = rows.iter().map(|row| json!(number(&bytes, row))).collect();
    Ok(json!({"predictions": predictions}))
}

/// One row each, from the only one of the four forms that is given.
fn rows(body: &Value) -> Result<Vec<Value>, Refusal> {
    let list = |value: &Value| value.as_array().cloned();
    let forms: Vec<Option<Vec<Value>>> = [
        ("dataframe_split", &body["dataframe_split"]["data"]),
        ("dataframe_records", &body["dataframe_records"]),
        ("instances", &body["instances"]),
        ("inputs", &body["inputs"]),
    ]
    .into_iter()
    .filter(|(form, _)| body.get(form).is_some())
    .map(|(_, rows)| list(rows).or_else(|| columns(rows)))
    .collect();
    match forms.as_slice() {
        [Some(rows)] => Ok(rows.clone()),
        [None] => Err(Refusal::new(400, "BAD_REQUEST", "Invalid input: the rows are not a list.")),
        _ => Err(Refusal::new(
            400,
            "BAD_REQUEST",
            "Invalid input: the request must have exactly one of dataframe_split, dataframe_records, instances, inputs.",
        )),
    }
}

/// `inputs` may give one list for each column.
fn columns(inputs: &Value) -> Option<Vec<Value>> {
    let columns: Vec<&Vec<Value>> = inputs.as_object()?.values().filter_map(Value::as_array).collect();
    let length = columns.first()?.len();
    Some((0..length).map(|i| columns.iter().map(|c| c.get(i).cloned().unwrap_or_default()).collect()).collect())
}

/// What a version is, whatever it is called and wherever it lies: the digest of its files.
fn bytes_of(store: &Store, model_version: &str) -> Vec<u8> {
    let root = format!("/Models/{}/", model_version.replacen('.', "/", 2));
    let mut digest = Sha256::new();
    for (path, node) in store.uc.storage.iter().filter(|(path, _)| path.starts_with(&root)) {
        if let What::File(bytes) = &node.what {
            digest.update(&path[root.len()..]);
            digest.update(bytes.digest());
        }
    }
    digest.finalize().to_vec()
}

/// Between 0 and 1, with four digits.
fn number(model: &[u8], row: &Value) -> f64 {
    let digest = Sha256::new().chain_update(model).chain_update(row.to_string()).finalize();
    f64::from(u16::from_be_bytes([digest[0], digest[1]]) % 10_000) / 10_000.0
}
