//! Aliases of a model: names that move from version to version. They are kept on the model.

use serde_json::{Value, json};

use super::versions;
use crate::rehearsal::workspace::api::catalog::MODEL;
use crate::rehearsal::workspace::api::grants;
use crate::rehearsal::workspace::call::{Call, Refusal};
use crate::rehearsal::workspace::store::Store;

/// `{alias_name, version_num}` of a model, in order of creation.
pub(crate) fn of(store: &Store, model: &str) -> Vec<Value> {
    store.get("registered_models", model).and_then(|m| m["aliases"].as_array()).cloned().unwrap_or_default()
}

pub(crate) fn of_version(store: &Store, model: &str, version: u64) -> Vec<Value> {
    of(store, model).into_iter().filter(|a| a["version_num"] == version).collect()
}

fn keep(store: &mut Store, model: &str, aliases: Vec<Value>) {
    let Some(doc) = store.table("registered_models").get_mut(model).and_then(Value::as_object_mut) else { return };
    if aliases.is_empty() {
        doc.shift_remove("aliases");
    } else {
        doc.insert("aliases".into(), aliases.into());
    }
}

pub(crate) fn set(call: &mut Call, model: &str, alias: &str, version: &str) -> Result<u64, Refusal> {
    let letters = alias.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    let is_version =
        alias.strip_prefix(['v', 'V']).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if alias.is_empty() || alias.len() > 255 || !letters || is_version || alias.eq_ignore_ascii_case("latest") {
        return Err(Refusal::invalid(format!("Invalid alias name: '{alias}'")));
    }
    MODEL.find(call.store, model)?;
    let version = versions::number(&versions::find(call.store, model, version)?.clone());
    let mut aliases = of(call.store, model);
    aliases.retain(|a| a["alias_name"] != alias);
    aliases.push(json!({"alias_name": alias, "version_num": version}));
    keep(call.store, model, aliases);
    Ok(version)
}

pub(crate) fn delete(call: &mut Call, model: &str, alias: &str) -> Result<(), Refusal> {
    MODEL.find(call.store, model)?;
    let mut aliases = of(call.store, model);
    let before = aliases.len();
    aliases.retain(|a| a["alias_name"] != alias);
    if aliases.len() == before {
        return Err(no_such(model, alias));
    }
    keep(call.store, model, aliases);
    Ok(())
}

/// A version that is gone takes its aliases along.
pub(crate) fn forget(store: &mut Store, model: &str, version: u64) {
    let mut aliases = of(store, model);
    aliases.retain(|a| a["version_num"] != version);
    keep(store, model, aliases);
}

pub(crate) fn version_of(call: &mut Call, model: &str, alias: &str) -> Result<Value, Refusal> {
    MODEL.find(call.store, model)?;
    grants::seen(call, model)?;
    let found = of(call.store, model).into_iter().find(|a| a["alias_name"] == alias);
    let version = found.and_then(|a| a["version_num"].as_u64()).ok_or_else(|| no_such(model, alias))?;
    versions::find(call.store, model, &version.to_string()).cloned()
}

fn no_such(model: &str, alias: &str) -> Refusal {
    Refusal::missing(format!("Registered model alias '{alias}' of '{model}' does not exist."))
}
