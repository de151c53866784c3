//! Tags of models and of versions: `{changes: {add_tags, remove}}` on a securable that is called a function.

use serde_json::{Value, json};

use super::versions;
use crate::rehearsal::workspace::api::catalog::MODEL;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply};

/// As many as one object may have.
const MOST: usize = 50;

pub(crate) fn of_model(call: &mut Call) -> Answer {
    let name = subject(call)?;
    let (add, remove) = changes(call)?;
    changed(MODEL.find(call.store, &name)?, &add, &remove)?;
    Reply::done()
}

pub(crate) fn of_version(call: &mut Call) -> Answer {
    let name = subject(call)?;
    let version = call.param("version").to_owned();
    let (add, remove) = changes(call)?;
    changed(versions::find(call.store, &name, &version)?, &add, &remove)?;
    Reply::done()
}

fn subject(call: &Call) -> Result<String, Refusal> {
    match call.param("type") {
        "FUNCTION" => Ok(call.param("name").to_owned()),
        other => Err(Refusal::new(501, "NOT_IMPLEMENTED", format!("the stand-in knows no tags on a {other}"))),
    }
}

type Pair = (String, String);

fn changes(call: &Call) -> Result<(Vec<Pair>, Vec<String>), Refusal> {
    let changes = call.json.get("changes").ok_or_else(|| Refusal::invalid("Missing required field: changes"))?;
    let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    let add = changes["add_tags"].as_array().into_iter().flatten().map(|t| (text(t, "key"), text(t, "value")));
    let remove = changes["remove"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    Ok((add.collect(), remove.collect()))
}

/// Sets and takes away at once, or refuses and does neither.
pub(crate) fn changed(doc: &mut Value, add: &[Pair], remove: &[String]) -> Result<(), Refusal> {
    let mut tags = doc["tags"].as_array().cloned().unwrap_or_default();
    tags.retain(|t| !remove.iter().any(|key| t["key"] == key.as_str()));
    for (key, value) in add {
        if key.is_empty() || key.len() > 256 || value.len() > 1000 {
            return Err(Refusal::invalid(format!(
                "Invalid tag '{key}': a key has 1 to 256 bytes, a value at most 1000"
            )));
        }
        tags.retain(|t| t["key"] != key.as_str());
        tags.push(json!({"key": key, "value": value}));
    }
    if tags.len() > MOST {
        return Err(Refusal::new(400, "RESOURCE_LIMIT_EXCEEDED", format!("At most {MOST} tags are allowed")));
    }
    match doc.as_object_mut() {
        Some(doc) if tags.is_empty() => drop(doc.shift_remove("tags")),
        _ => doc["tags"] = tags.into(),
    }
    Ok(())
}
