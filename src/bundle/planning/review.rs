//! The facts of a new resource, as its kind's table names them.
//!
//! Values come out as they are; whether they may be shown is asked leaf by leaf by who shows them.

use serde_json::{Map, Value};

use crate::bundle::kinds::review::Fact;
use crate::bundle::kinds::{self, Kind};
use crate::domain::plan::Told;

/// `state` is what a plan would send for `node`.
pub fn facts(node: &str, state: &Value) -> Vec<Told> {
    let Some(kind) = kinds::of_node(node) else { return Vec::new() };
    kind.facts.iter().flat_map(|fact| told(kind, fact, state)).collect()
}

fn told(kind: &Kind, fact: &Fact, state: &Value) -> Vec<Told> {
    let at = |path: &str| places(kind, state, path);
    let value = |(path, value): (String, &Value)| Told::Value(path, value.clone());
    let list = |path: &'static str| at(path).into_iter().filter_map(|(path, list)| Some((path, list.as_array()?)));
    match fact {
        Fact::Value(path) => at(path).into_iter().map(value).collect(),
        Fact::Fields(path, names) => {
            let of = |(path, object): (String, &Value)| Some(Told::Value(path, only(object.as_object()?, names)?));
            at(path).into_iter().filter_map(of).collect()
        }
        Fact::OneOf(paths) => {
            let found: Vec<Told> = paths.iter().flat_map(|path| at(path)).map(value).collect();
            if found.is_empty() {
                paths.iter().take(1).map(|path| Told::Absent((*path).to_owned())).collect()
            } else {
                found
            }
        }
        Fact::Count(path) => list(path).map(|(path, items)| Told::Words(path, items.len().to_string())).collect(),
        Fact::CountWithout { list: path, have, lack, means } => {
            let has = |item: &Value, names: &[&str]| names.iter().any(|name| item.get(name).is_some_and(is_there));
            let such = |items: &[Value]| items.iter().filter(|item| has(item, have) && !has(item, lack)).count();
            let words = |items: &Vec<Value>| match such(items) {
                0 => items.len().to_string(),
                1 if items.len() == 1 => format!("1, {means}"),
                all if all == items.len() => format!("{all}, all of them {means}"),
                many => format!("{}, {many} of them {means}", items.len()),
            };
            list(path).map(|(path, items)| Told::Words(path, words(items))).collect()
        }
    }
}

fn only(object: &Map<String, Value>, names: &[&str]) -> Option<Value> {
    let has = |name: &&&str| object.get(**name).is_some_and(is_there);
    let kept: Map<String, Value> =
        names.iter().filter(has).map(|name| ((*name).to_owned(), object[*name].clone())).collect();
    (!kept.is_empty()).then_some(Value::Object(kept))
}

fn is_there(value: &Value) -> bool {
    !matches!(value, Value::Null) && value.as_str() != Some("")
}

/// Every place that a path leads to, and how a plan writes it: `job_clusters[job_cluster_key='main'].new_cluster`.
fn places<'v>(kind: &Kind, state: &'v Value, path: &str) -> Vec<(String, &'v Value)> {
    let mut found = vec![(String::new(), state)];
    let mut rule = String::new();
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let step = |(path, value): (String, &'v Value)| match name {
            "*" => elements(kind, &rule, &path, value),
            _ => value.get(name).map(|inner| (below(&path, name), inner)).into_iter().collect(),
        };
        found = found.into_iter().flat_map(step).collect();
        rule = if rule.is_empty() { name.to_owned() } else { format!("{rule}.{name}") };
    }
    found.retain(|(_, value)| is_there(value));
    found
}

/// The list of a permissions or grants node is the node itself.
fn below(path: &str, name: &str) -> String {
    match (path, name) {
        (_, "__embed__") => path.to_owned(),
        ("", _) => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

fn elements<'v>(kind: &Kind, rule: &str, path: &str, list: &'v Value) -> Vec<(String, &'v Value)> {
    let keys: Vec<&str> = kind.keyed.iter().filter(|(of, _)| *of == rule).map(|(_, key)| *key).collect();
    let selector = |at: usize, item: &Value| {
        let named = keys.iter().find_map(|key| Some((key, item.get(key)?.as_str().filter(|name| !name.is_empty())?)));
        named.map_or_else(|| format!("[{at}]"), |(key, name)| format!("[{key}='{}']", name.replace('\'', "''")))
    };
    let items = list.as_array().into_iter().flatten().enumerate();
    items.map(|(at, item)| (format!("{path}{}", selector(at, item)), item)).collect()
}
