//! Unity Catalog privileges: `permissions/{securable_type}/{full_name}` and what is effective with the parents'.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::catalog::{CATALOG, Level, MODEL, SCHEMA, VOLUME};
use super::external_locations::EXTERNAL_LOCATION;
use super::tables::TABLE;
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};
use crate::rehearsal::workspace::store::Store;

/// What a privilege list may name, per securable.
fn known_privileges(securable: &str) -> &'static [&'static str] {
    match securable {
        "volume" => &["ALL_PRIVILEGES", "APPLY_TAG", "MANAGE", "READ_VOLUME", "WRITE_VOLUME"],
        "external_location" => &[
            "ALL_PRIVILEGES",
            "BROWSE",
            "CREATE_EXTERNAL_TABLE",
            "CREATE_EXTERNAL_VOLUME",
            "CREATE_MANAGED_STORAGE",
            "MANAGE",
            "READ_FILES",
            "WRITE_FILES",
        ],
        "table" => &["ALL_PRIVILEGES", "APPLY_TAG", "MANAGE", "MODIFY", "SELECT"],
        "function" => &["ALL_PRIVILEGES", "APPLY_TAG", "CREATE_MODEL_VERSION", "EXECUTE", "MANAGE"],
        _ => &[
            "ALL_PRIVILEGES",
            "APPLY_TAG",
            "BROWSE",
            "CREATE_FUNCTION",
            "CREATE_MATERIALIZED_VIEW",
            "CREATE_MODEL",
            "CREATE_MODEL_VERSION",
            "CREATE_SCHEMA",
            "CREATE_TABLE",
            "CREATE_VIEW",
            "CREATE_VOLUME",
            "EXECUTE",
            "EXTERNAL_USE_SCHEMA",
            "MANAGE",
            "MODIFY",
            "READ_VOLUME",
            "REFRESH",
            "SELECT",
            "USE_CATALOG",
            "USE_SCHEMA",
            "WRITE_VOLUME",
        ],
    }
}

fn level_of(securable: &str) -> Result<&'static Level, Refusal> {
    [&CATALOG, &SCHEMA, &VOLUME, &MODEL, &TABLE, &EXTERNAL_LOCATION]
        .into_iter()
        .find(|l| l.securable == securable)
        .ok_or_else(|| Refusal::new(501, "NOT_IMPLEMENTED", format!("the stand-in knows no grants on a {securable}")))
}

/// The securable of the route, which must exist.
fn subject(call: &mut Call) -> Result<(&'static Level, String), Refusal> {
    let (kind, name) = (call.param("type").to_ascii_lowercase(), call.param("name").to_owned());
    let level = level_of(&kind)?;
    level.find(call.store, &name)?;
    Ok((level, name))
}

fn assignments(grants: Option<&BTreeMap<String, BTreeSet<String>>>, only: Option<&str>) -> Vec<Value> {
    let entries = grants.into_iter().flatten().filter(|(p, v)| !v.is_empty() && only.is_none_or(|o| o == *p));
    entries.map(|(principal, privileges)| json!({"principal": principal, "privileges": privileges})).collect()
}

fn written(list: Vec<Value>) -> Answer {
    Reply::json(if list.is_empty() { json!({}) } else { json!({"privilege_assignments": list}) })
}

pub(crate) fn get(call: &mut Call) -> Answer {
    let (level, name) = subject(call)?;
    written(assignments(call.store.uc.grants.get(&format!("{}/{name}", level.securable)), call.query("principal")))
}

pub(crate) fn patch(call: &mut Call) -> Answer {
    let (level, name) = subject(call)?;
    let changes = call.json.get("changes").and_then(Value::as_array).cloned().unwrap_or_default();
    let strict = !call.is_lenient();
    let grants = call.store.uc.grants.entry(format!("{}/{name}", level.securable)).or_default();
    let mut after = grants.clone();
    for change in &changes {
        let principal = change["principal"].as_str().unwrap_or_default();
        if principal.is_empty() {
            return Err(Refusal::invalid("A change needs a principal"));
        }
        let list = |field: &str| -> Vec<String> {
            change[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mine = after.entry(principal.to_owned()).or_default();
        for privilege in list("remove") {
            // Taking away ALL_PRIVILEGES takes away every explicit privilege as well.
            if privilege == "ALL_PRIVILEGES" {
                mine.clear();
            }
            mine.remove(&privilege);
        }
        for privilege in list("add") {
            if strict && !known_privileges(level.securable).contains(&privilege.as_str()) {
                let message = format!("Privilege {privilege} is not applicable to this entity [{name}:{}]", level.noun);
                return Err(Refusal::invalid(message));
            }
            mine.insert(privilege);
        }
    }
    after.retain(|_, privileges| !privileges.is_empty());
    *grants = after;
    written(assignments(Some(grants), None))
}

/// Whether a principal has a privilege on a thing: it or a group of its owns the thing, or was granted the privilege there
/// or on a parent.
pub(crate) fn allows(store: &Store, (level, name): (&'static Level, &str), principal: &str, privilege: &str) -> bool {
    let groups =
        store.people.iter().find(|p| p.user_name == principal).map(|p| p.groups.as_slice()).unwrap_or_default();
    let is_it = |who: &str| who == principal || who == "account users" || groups.iter().any(|group| group == who);
    if store.get(level.table, name).and_then(|thing| thing["owner"].as_str()).is_some_and(is_it) {
        return true;
    }
    let mut at = Some((level, name));
    while let Some((level, here)) = at {
        let grants = store.uc.grants.get(&format!("{}/{here}", level.securable)).into_iter().flatten();
        let mut granted = grants.filter(|(who, _)| is_it(who)).map(|(_, privileges)| privileges);
        if granted.any(|p| p.contains(privilege) || (privilege != "MANAGE" && p.contains("ALL_PRIVILEGES"))) {
            return true;
        }
        at = parent(here);
    }
    false
}

/// Whether the caller may see a model, as the service tells it: who may not use the catalog is told of no model at all.
/// People see everything here, as admins do, and so do the principals of plans.
pub(crate) fn seen(call: &Call, model: &str) -> Result<(), Refusal> {
    let parts: Vec<&str> = model.split('.').collect();
    let [catalog, schema, _] = parts[..] else { return Ok(()) };
    let schema = format!("{catalog}.{schema}");
    let who = call.who.user_name.as_str();
    let all = !call.who.is_service_principal() || call.who.only_reads();
    let may = |thing, privilege| all || allows(call.store, thing, who, privilege);
    if !may((&CATALOG, catalog), "USE_CATALOG") {
        return Err(Refusal::missing(format!("Routine or Model '{model}' does not exist.")));
    }
    if !may((&SCHEMA, &schema), "USE_SCHEMA") {
        return Err(Refusal::denied(format!("User does not have USE SCHEMA on Schema '{schema}'.")));
    }
    if !may((&MODEL, model), "EXECUTE") {
        return Err(Refusal::denied(format!("User does not have EXECUTE on Routine or Model '{model}'.")));
    }
    Ok(())
}

/// The level above, and its name.
fn parent(name: &str) -> Option<(&'static Level, &str)> {
    let (parent, _) = name.rsplit_once('.')?;
    Some((if parent.contains('.') { &SCHEMA } else { &CATALOG }, parent))
}

/// So many principals are answered at once to whoever leaves the number to the service.
const PAGE: usize = 2;

/// With what the parents give.
pub(crate) fn effective(call: &mut Call) -> Answer {
    let (level, name) = subject(call)?;
    let mut by_principal: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut at: Option<(&'static Level, String)> = Some((level, name.clone()));
    while let Some((level, here)) = at {
        for (principal, privileges) in
            call.store.uc.grants.get(&format!("{}/{here}", level.securable)).into_iter().flatten()
        {
            for privilege in privileges {
                let mut entry = json!({"privilege": privilege});
                if here != name {
                    entry["inherited_from_name"] = json!(here);
                    entry["inherited_from_type"] = json!(level.noun);
                }
                by_principal.entry(principal.clone()).or_default().push(entry);
            }
        }
        at = parent(&here).map(|(level, name)| (level, name.to_owned()));
    }
    let only = call.query("principal");
    let entries = by_principal.into_iter().filter(|(p, _)| only.is_none_or(|o| o == p));
    let entries = entries.map(|(principal, privileges)| json!({"principal": principal, "privileges": privileges}));
    let size = if call.query("max_results") == Some("0") { PAGE } else { usize::MAX };
    let (shown, next) = page(entries.collect(), call.query("page_token"), size)?;
    let mut doc = if shown.is_empty() { json!({}) } else { json!({"privilege_assignments": shown}) };
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}
