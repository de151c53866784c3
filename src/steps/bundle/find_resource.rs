//! Looks for a resource whose creation was never answered.
//!
//! Catalog objects have one name each. Jobs and pipelines may share a name, so they are
//! told apart by the `metadata.json` that they name as their deployment's. Two that match
//! are both named, and nothing is done: guessing would adopt somebody else's job.

use serde_json::{Map, Value};

use super::ask;
use crate::bundle::kinds::{Find, Kind, List};
use crate::bundle::planning::{answers, requests};
use crate::domain::Failure;
use crate::ports::Rest;

/// The fields by which a kind is looked for; nothing else of it goes into the receipt.
const CLUES: [&str; 7] =
    ["name", "catalog_name", "schema_name", "full_name", "securable_type", "object_id", "deployment"];

pub fn clue(kind: &Kind, value: &Value) -> Value {
    let fields = CLUES.iter().chain([&kind.name_field]);
    let found: Map<String, Value> =
        fields.filter_map(|field| Some(((*field).to_owned(), value.get(*field)?.clone()))).collect();
    Value::Object(found)
}

/// Whether it can be looked for already: no field waits for something that is not made yet.
pub fn is_complete(clue: &Value) -> bool {
    !clue.to_string().contains("${")
}

/// The ids of what matches, except `before`: what a recreate has just deleted.
pub async fn find(
    rest: &dyn Rest,
    kind: &'static Kind,
    clue: &Value,
    before: Option<&str>,
) -> Result<Vec<String>, Failure> {
    let doing = || format!("look whether {} was created", kind.title);
    let mut found = match &kind.api.find {
        Find::ById(template) => {
            let id = requests::filled(template, clue);
            let read = requests::read("", kind, &id);
            let answer = ask::maybe(rest, &read.request).await.map_err(|e| e.into_failure(doing()))?;
            let there = answer.filter(|answer| !answers::is_absent(kind, &id, answer));
            there.map(|_| id).into_iter().collect()
        }
        Find::ByName { route, id } => {
            let request = requests::request(route, "", clue);
            let answer = ask::maybe(rest, &request).await.map_err(|e| e.into_failure(doing()))?;
            let id = answer.as_ref().and_then(|answer| id.split('.').try_fold(answer, |at, key| at.get(key)));
            id.and_then(text).into_iter().collect()
        }
        Find::ByList { list, matches } => by_list(rest, kind, list, *matches, clue).await?,
        Find::Again => Vec::new(),
    };
    found.retain(|id| Some(id.as_str()) != before);
    Ok(found)
}

async fn by_list(
    rest: &dyn Rest,
    kind: &'static Kind,
    list: &List,
    (in_answer, in_state): (&str, &str),
    clue: &Value,
) -> Result<Vec<String>, Failure> {
    let doing = || format!("look whether {} was created", kind.title);
    let wanted = in_state.split('.').try_fold(clue, |at, key| at.get(key)).cloned();
    let name = clue.get(kind.name_field).and_then(Value::as_str);
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let request = requests::list_page(list, clue, token.as_deref());
        let page = ask::maybe(rest, &request).await.map_err(|e| e.into_failure(doing()))?.unwrap_or(Value::Null);
        let (items, next) = requests::list_items(list, &page);
        for (id, item) in items {
            let other_name = item.get(kind.name_field).or_else(|| item.get("settings")?.get(kind.name_field));
            if other_name.is_some_and(|other| other.as_str() != name) {
                continue;
            }
            let read = requests::read("", kind, &id);
            let answer = ask::maybe(rest, &read.request).await.map_err(|e| e.into_failure(doing()))?;
            let theirs = answer.as_ref().and_then(|a| in_answer.split('.').try_fold(a, |at, key| at.get(key)));
            if theirs.is_some() && theirs == wanted.as_ref() {
                found.push(id);
            }
        }
        match next {
            Some(next) if Some(&next) != token.as_ref() => token = Some(next),
            _ => return Ok(found),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}
