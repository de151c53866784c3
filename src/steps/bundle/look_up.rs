//! Finds what a bundle asks for besides its files: things of the workspace by name, for the variables that are looked
//! up, the runtimes of clusters, and what its Python code says.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ask;
use super::run_python::Interpreter;
use crate::bundle::kinds::Method;
use crate::bundle::lookups::{Found, Kind, Lookup};
use crate::bundle::planning::requests::Request;
use crate::bundle::{Facts, Resolved};
use crate::domain::Failure;
use crate::ports::{Rest, RestError};

/// What it means that the workspace does not list what is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// The world is in the way.
    Fails,
    /// The variable has no value: said with the configuration, by hand, as the official command does.
    IsSaid,
}

/// Resolves a bundle, with what it asks for: a cluster may be known only when its name was looked
/// up, and Python code is given what was found, so that it is asked until nothing is left to ask.
pub async fn completely(
    rest: &dyn Rest,
    mut facts: Facts,
    unlisted: Unlisted,
    interpreter: Option<&Interpreter<'_>>,
    resolve: impl Fn(&Facts) -> Result<Resolved, Failure>,
) -> Result<Resolved, Failure> {
    loop {
        let resolved = resolve(&facts)?;
        let asks = !resolved.lookups.is_empty() || !resolved.clusters.is_empty();
        let runs = resolved.python.as_ref().zip(interpreter).filter(|_| !asks);
        if !resolved.unsupported.is_empty() || !(asks || runs.is_some()) {
            return Ok(resolved);
        }
        if let Some((call, interpreter)) = runs {
            facts.python.hear(call, &interpreter.run(call).await?);
            continue;
        }
        facts.lookups.append(&mut all(rest, &resolved.lookups, unlisted).await?);
        for cluster in resolved.clusters {
            let runtime = runtime(rest, &cluster).await;
            facts.runtimes.insert(cluster, runtime);
        }
    }
}

/// The runtime of a cluster; in words why it is not known, which stops nothing.
async fn runtime(rest: &dyn Rest, cluster: &str) -> Result<String, String> {
    let request = Request {
        method: Method::Get,
        path: "/api/2.1/clusters/get".to_owned(),
        query: vec![("cluster_id".to_owned(), cluster.to_owned())],
        body: None,
    };
    match ask::maybe(rest, &request).await {
        Ok(answer) => answer.and_then(|a| text(&a, "spark_version")).ok_or_else(|| "Not Found".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Asks for each kind once, however many names are wanted.
async fn all(rest: &dyn Rest, wanted: &[Lookup], unlisted: Unlisted) -> Result<Found, Failure> {
    let mut listed: BTreeMap<&str, Result<BTreeMap<String, Vec<String>>, String>> = BTreeMap::new();
    let mut found = Found::new();
    for lookup in wanted {
        let kind = lookup.kind;
        if !listed.contains_key(kind.field) {
            let all = match list(rest, kind).await {
                Err(error) if unlisted == Unlisted::IsSaid => Err(error.to_string()),
                all => Ok(all.map_err(|e| e.into_failure(format!("look up a {}", kind.field.replace('_', " "))))?),
            };
            listed.insert(kind.field, all);
        }
        let one = listed[kind.field].as_ref().map_err(Clone::clone).and_then(|all| only(all, lookup));
        found.insert(lookup.clone(), one);
    }
    Ok(found)
}

fn only(all: &BTreeMap<String, Vec<String>>, lookup: &Lookup) -> Result<String, String> {
    let (title, name) = (lookup.kind.title, &lookup.name);
    match all.get(name).map_or(&[][..], Vec::as_slice) {
        [id] => Ok(id.clone()),
        [] => Err(format!("{title} named '{name}' does not exist")),
        many => Err(format!("there are {} instances of {title} named '{name}'", many.len())),
    }
}

/// The ids of everything of a kind, by name.
async fn list(rest: &dyn Rest, kind: &'static Kind) -> Result<BTreeMap<String, Vec<String>>, RestError> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut query: Vec<(String, String)> =
        kind.query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (plain, mut last) = (query.clone(), Value::Null);
    loop {
        let request = Request { method: Method::Get, path: kind.path.to_owned(), query: query.clone(), body: None };
        let answer = ask::maybe(rest, &request).await?.unwrap_or(Value::Null);
        let items = answer.get(kind.items).and_then(Value::as_array).cloned().unwrap_or_default();
        for item in &items {
            if let (Some(name), Some(id)) = (text(item, kind.name), text(item, kind.id)) {
                found.entry(name).or_default().push(id);
            }
        }
        let Some((parameter, next)) = next_page(&answer, items.len()) else { return Ok(found) };
        if next == last {
            return Err(RestError::Malformed("a page names itself as the next".to_owned()));
        }
        query = plain.clone();
        query.push((parameter.to_owned(), text(&next, "").unwrap_or_default()));
        last = next;
    }
}

/// The parameter of the next page: a token, or a place in a SCIM list.
fn next_page(answer: &Value, items: usize) -> Option<(&'static str, Value)> {
    if let Some(token) = answer.get("next_page_token").filter(|token| token.as_str().is_some_and(|t| !t.is_empty())) {
        return Some(("page_token", token.clone()));
    }
    let number = |field: &str| answer.get(field).and_then(Value::as_u64);
    let (total, start) = (number("totalResults")?, number("startIndex").unwrap_or(1));
    let next = start + items as u64;
    (items > 0 && next <= total).then(|| ("startIndex", next.into()))
}

fn text(value: &Value, path: &str) -> Option<String> {
    let mut keys = path.split('.').filter(|key| !key.is_empty());
    match keys.try_fold(value, |value, key| value.get(key))? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
