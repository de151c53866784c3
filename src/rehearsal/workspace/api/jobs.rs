//! Jobs 2.2: definitions. Their runs have a file of their own.

use serde_json::{Map, Value, json};

use super::{job_settings, permissions};
use crate::rehearsal::workspace::call::{Answer, Call, Refusal, Reply, page};

/// Tasks (and job clusters) on a page of `jobs/get`.
const PAGE: usize = 100;

pub(crate) fn no_such(id: &str) -> Refusal {
    Refusal::new(400, "INVALID_PARAMETER_VALUE", format!("Job {id} does not exist.")).because("JOB_DOES_NOT_EXIST")
}

pub(crate) fn find<'a>(call: &'a mut Call, id: &str) -> Result<&'a mut Value, Refusal> {
    call.store.table("jobs").get_mut(id).ok_or_else(|| no_such(id))
}

pub(crate) fn create(call: &mut Call) -> Answer {
    job_settings::check(&call.json, call.is_lenient())?;
    let id = call.store.ids.number();
    let key = id.to_string();
    permissions::set_at_creation(call, "jobs", &key)?;
    let settings = job_settings::with_defaults(call.take_json(), call.is_lenient());
    let run_as = run_as(&settings).unwrap_or_else(|| call.who.user_name.clone());
    let doc = json!({
        "job_id": id, "creator_user_name": call.who.user_name, "run_as_user_name": run_as, "run_as_owner": true,
        "created_time": call.now, "settings": settings,
    });
    call.store.table("jobs").insert(key, doc);
    Reply::json(json!({"job_id": id}))
}

fn run_as(settings: &Map<String, Value>) -> Option<String> {
    let named = settings.get("run_as")?;
    let name =
        named["user_name"].as_str().or(named["service_principal_name"].as_str()).or(named["group_name"].as_str());
    name.map(str::to_owned)
}

/// The tasks beyond the first page come by token.
pub(crate) fn get(call: &mut Call) -> Answer {
    let id = call.required("job_id")?;
    let token = call.query("page_token").map(str::to_owned);
    let mut doc = find(call, &id)?.clone();
    if let Some(next) = cut(&mut doc["settings"], token.as_deref())? {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}

/// Leaves one page of the long lists.
fn cut(settings: &mut Value, token: Option<&str>) -> Result<Option<String>, Refusal> {
    let mut next = None;
    for field in ["tasks", "job_clusters", "environments", "parameters"] {
        let Some(items) = settings.get(field).and_then(Value::as_array) else { continue };
        let (items, more) = page(items.clone(), token, PAGE)?;
        settings[field] = json!(items);
        next = next.or(more);
    }
    Ok(next)
}

pub(crate) fn list(call: &mut Call) -> Answer {
    let size = match call.query("limit").filter(|v| !v.is_empty()) {
        None => 20,
        Some(given) => given
            .parse()
            .ok()
            .filter(|n| (1..=100).contains(n))
            .ok_or_else(|| Refusal::invalid(format!("limit must be between 1 and 100, not {given}")))?,
    };
    let (expand, name) = (call.query_flag("expand_tasks"), call.query("name").map(str::to_lowercase));
    let jobs = call.store.get_table("jobs").into_iter().flat_map(|t| t.values().rev());
    let wanted = |job: &&Value| {
        // An exact name, but not an exact case, as documented.
        let own = job["settings"]["name"].as_str().unwrap_or_default().to_lowercase();
        name.as_ref().is_none_or(|n| n.is_empty() || *n == own)
    };
    let all: Vec<&Value> = jobs.filter(wanted).collect();
    let (jobs, next) = page(all, call.query("page_token"), size)?;
    let mut listed = vec![];
    for job in jobs {
        let mut job = job.clone();
        let settings = &mut job["settings"];
        // The service never lists them, whatever its documentation says of `expand_tasks`.
        if let Some(settings) = settings.as_object_mut() {
            settings.shift_remove("parameters");
        }
        if expand {
            let more = cut(settings, None)?;
            job["has_more"] = json!(more.is_some());
        } else if let Some(settings) = settings.as_object_mut() {
            settings.retain(|k, _| !["tasks", "job_clusters", "environments"].contains(&k.as_str()));
        }
        listed.push(job);
    }
    let mut doc = json!({"has_more": next.is_some()});
    if !listed.is_empty() {
        doc["jobs"] = json!(listed);
    }
    if let Some(next) = next {
        doc["next_page_token"] = json!(next);
    }
    Reply::json(doc)
}

/// `jobs/reset`: all settings at once. The identity a job runs as stays if the request does not name one.
pub(crate) fn reset(call: &mut Call) -> Answer {
    let id = call.required("job_id")?;
    find(call, &id)?;
    let new = call.take_json().get("new_settings").and_then(Value::as_object).cloned().unwrap_or_default();
    job_settings::check(&new, call.is_lenient())?;
    let settings = job_settings::with_defaults(new, call.is_lenient());
    replace(call, &id, settings)
}

pub(crate) fn update(call: &mut Call) -> Answer {
    let id = call.required("job_id")?;
    let mut body = call.take_json();
    let remove: Vec<String> = body
        .get("fields_to_remove")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|f| f.as_str().map(str::to_owned))
        .collect();
    let old = find(call, &id)?["settings"].as_object().cloned().unwrap_or_default();
    let new = match body.remove("new_settings") {
        Some(Value::Object(new)) => new,
        _ => Map::new(),
    };
    let settings = job_settings::with_defaults(job_settings::merged(old, new, &remove), call.is_lenient());
    job_settings::check(&settings, call.is_lenient())?;
    replace(call, &id, settings)
}

fn replace(call: &mut Call, id: &str, settings: Map<String, Value>) -> Answer {
    let doc = find(call, id)?;
    if let Some(run_as) = run_as(&settings) {
        doc["run_as_user_name"] = json!(run_as);
    }
    doc["settings"] = Value::Object(settings);
    Reply::done()
}

pub(crate) fn delete(call: &mut Call) -> Answer {
    let id = call.required("job_id")?;
    find(call, &id)?;
    call.store.table("jobs").shift_remove(&id);
    call.store.acls.remove(&format!("jobs/{id}"));
    Reply::done()
}
