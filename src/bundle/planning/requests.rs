//! Requests as data: what to ask about a node, and what to send.
//!
//! The kinds' tables say how; nothing here knows a kind by name.

use serde_json::{Map, Value};

use crate::bundle::kinds::{Call, Id, Kind, List, Method, Part, Route, Sent};
use crate::bundle::planning::typed;

/// A request to the workspace. The path begins with a slash and is escaped where an id or a
/// name stands in it; the values of the query are not escaped yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub body: Option<Value>,
}

/// The question what a node of the state is now. An answer 404 means that it is gone.
#[derive(Clone, Debug)]
pub struct Read {
    pub node: String,
    pub kind: &'static Kind,
    pub id: String,
    pub request: Request,
}

/// The read of one node by its id.
pub fn read(node: &str, kind: &'static Kind, id: &str) -> Read {
    Read { node: node.to_owned(), kind, id: id.to_owned(), request: request(&kind.api.read, id, &Value::Null) }
}

/// The request for the next page of a read's answer, when it has one: the lists of a very
/// long job come in parts.
pub fn next_page(read: &Read, answer: &Value) -> Option<Request> {
    let token = answer.get("next_page_token")?.as_str().filter(|token| !token.is_empty())?;
    let mut request = read.request.clone();
    request.query.push(("page_token".to_owned(), token.to_owned()));
    Some(request)
}

/// Joins a further page to an answer: lists grow, everything else stays as first said.
pub fn add_page(answer: &mut Value, page: &Value) {
    if let (Value::Object(answer), Value::Object(page)) = (&mut *answer, page) {
        answer.shift_remove("next_page_token");
        if let Some(token) = page.get("next_page_token") {
            answer.insert("next_page_token".to_owned(), token.clone());
        }
    }
    join(answer, page);
}

fn join(answer: &mut Value, page: &Value) {
    let (Value::Object(answer), Value::Object(page)) = (answer, page) else { return };
    for (key, value) in page {
        match (answer.get_mut(key), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more.iter().cloned()),
            (Some(inner @ Value::Object(_)), Value::Object(_)) => join(inner, value),
            (None, Value::Array(_)) => {
                answer.insert(key.clone(), value.clone());
            }
            _ => {}
        }
    }
}

/// The pages of a list of all resources of a kind; the first when there is no token yet.
pub fn list_page(list: &List, state: &Value, token: Option<&str>) -> Request {
    let route = Route { method: Method::Get, path: list.path, query: &[], body: &[] };
    let mut request = request(&route, "", state);
    request.query = list.query.iter().map(|(k, v)| ((*k).to_owned(), fill(v, "", state, false))).collect();
    if let Some(token) = token {
        request.query.push((list.page.0.to_owned(), token.to_owned()));
    }
    request
}

/// The resources of a list's answer by id, and the token of the next page.
pub fn list_items(list: &List, answer: &Value) -> (Vec<(String, Value)>, Option<String>) {
    let items = answer.get(list.items).and_then(Value::as_array).into_iter().flatten();
    let found = items.filter_map(|item| Some((id_text(item.get(list.id)?)?, item.clone()))).collect();
    let token = answer.get(list.page.1).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
    (found, token)
}

/// Fills a route's holes from the id and the state.
pub fn request(route: &Route, id: &str, state: &Value) -> Request {
    let query = route.query.iter().filter_map(|(name, template)| {
        let value = fill(template, id, state, false);
        (!value.is_empty()).then(|| ((*name).to_owned(), value))
    });
    Request {
        method: route.method,
        path: fill(route.path, id, state, true),
        query: query.collect(),
        body: (!route.body.is_empty()).then(|| body(route.body, id, state)),
    }
}

/// What is different about a node: the paths of the fields, and what there was before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Difference<'a> {
    pub paths: &'a [String],
    pub before: Option<&'a Value>,
}

impl Difference<'_> {
    fn is_at(&self, path: &str, field: &str) -> bool {
        path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

/// The requests that bring a node to `state`, in their order.
pub fn calls(calls: &[Call], id: &str, state: &Value, change: Difference<'_>) -> Vec<Request> {
    let mut out = Vec::new();
    for call in calls {
        let one = |state: &Value| changing(&call.route, id, state, change.before);
        match call.when {
            Sent::Always => out.push(one(state)),
            Sent::On(field) => {
                if change.paths.iter().any(|path| change.is_at(path, field)) {
                    out.push(one(state));
                }
            }
            Sent::Beside(fields) => {
                if change.paths.iter().any(|path| !fields.contains(&path.as_str())) {
                    out.push(one(state));
                }
            }
            Sent::Started(wanted) => {
                let started = |value: &Value| value.pointer("/lifecycle/started").and_then(Value::as_bool);
                if started(state) == Some(wanted) && change.before.and_then(started) != Some(wanted) {
                    out.push(one(state));
                }
            }
            Sent::StartedIs(wanted) => {
                if state.pointer("/lifecycle/started").and_then(Value::as_bool) == Some(wanted) {
                    out.push(one(state));
                }
            }
            Sent::EachChanged(list) => {
                let before = elements(change.before, list);
                out.extend(
                    elements(Some(state), list).iter().filter(|e| !before.contains(e)).map(|e| one(&merged(state, e))),
                );
            }
            Sent::EachGone(list) => {
                let now = elements(Some(state), list);
                let gone = |e: &&Value| !now.iter().any(|other| other.get("principal") == e.get("principal"));
                out.extend(elements(change.before, list).iter().filter(gone).map(|e| one(&merged(state, e))));
            }
        }
    }
    out
}

pub(super) fn elements(of: Option<&Value>, list: &str) -> Vec<Value> {
    of.and_then(|value| value.get(list)).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// A state with the fields of one of its elements.
fn merged(state: &Value, element: &Value) -> Value {
    let mut out = state.as_object().cloned().unwrap_or_default();
    extend(&mut out, Some(element));
    Value::Object(out)
}

/// The request that changes a node from `before` to `state`.
pub fn changing(route: &Route, id: &str, state: &Value, before: Option<&Value>) -> Request {
    let mut request = request(route, id, state);
    for part in route.body {
        match part {
            Part::GrantChanges => {
                let changes = Map::from_iter([("changes".to_owned(), grant_changes(state, before))]);
                request.body = Some(Value::Object(changes));
            }
            Part::TagChanges => request.body = Some(tag_changes(state, before)),
            _ => {}
        }
    }
    request
}

/// Every tag is set again; what is not written any more is deleted by its key.
fn tag_changes(state: &Value, before: Option<&Value>) -> Value {
    let (wanted, had) = (elements(Some(state), "tags"), elements(before, "tags"));
    let has = |key: Option<&Value>| wanted.iter().any(|tag| tag.get("key") == key);
    let gone: Vec<Value> = had.iter().map(|tag| tag.get("key")).filter(|key| !has(*key)).flatten().cloned().collect();
    let mut out = Map::new();
    insert(&mut out, "add_tags", (!wanted.is_empty()).then(|| Value::Array(wanted.clone())));
    insert(&mut out, "delete_tags", (!gone.is_empty()).then_some(Value::Array(gone)));
    Value::Object(out)
}

/// A template with its holes filled from the state.
pub fn filled(template: &str, state: &Value) -> String {
    fill(template, "", state, false)
}

fn body(parts: &[Part], id: &str, state: &Value) -> Value {
    let mut out = Map::new();
    for part in parts {
        match part {
            Part::State => return state.clone(),
            Part::StateWithout(fields) => {
                let kept = state.as_object().into_iter().flatten().filter(|(name, _)| !fields.contains(&name.as_str()));
                out.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
            }
            Part::StateAs(name) => insert(&mut out, name, Some(state.clone())),
            Part::Field(name) => insert(&mut out, name, state.get(*name).cloned()),
            Part::NonZero(name) => {
                insert(&mut out, name, state.get(*name).filter(|value| value.as_f64() != Some(0.0)).cloned());
            }
            Part::FieldAs(from, to) => insert(&mut out, to, state.get(*from).cloned()),
            Part::Id(name) => insert(&mut out, name, (!id.is_empty()).then(|| id.into())),
            Part::IdNumber(name) => insert(&mut out, name, id.parse::<i64>().ok().map(Value::from)),
            Part::Ids(name) => insert(&mut out, name, Some(serde_json::json!([id]))),
            Part::Spread(name) => extend(&mut out, state.get(*name)),
            Part::ZeroWithout(field, other) => {
                if !out.contains_key(*field) && !out.contains_key(*other) {
                    out.insert((*field).to_owned(), 0.into());
                }
            }
            Part::EmptyText(field) => {
                out.entry(*field).or_insert_with(|| "".into());
            }
            Part::StateWithoutAs(name, fields) => {
                insert(&mut out, name, Some(body(&[Part::StateWithout(fields)], id, state)));
            }
            Part::Text(name) => insert(&mut out, name, state.get(*name).map(as_text)),
            Part::Fixed(name, value) => insert(&mut out, name, Some((*value).into())),
            Part::Nothing => {}
            Part::TagChanges => extend(&mut out, Some(&tag_changes(state, None))),
            Part::AccessControlList => insert(&mut out, "access_control_list", Some(access_control_list(state))),
            Part::GrantChanges => insert(&mut out, "changes", Some(grant_changes(state, None))),
        }
    }
    Value::Object(out)
}

fn as_text(value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Null => value.clone(),
        other => crate::bundle::syntax::document::compact(other).into(),
    }
}

pub(super) fn insert(out: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|v| !v.is_null()) {
        out.insert(name.to_owned(), value);
    }
}

/// `{id}` and `{field}` in a template; escaped for a path where asked.
pub(super) fn fill(template: &str, id: &str, state: &Value, escape: bool) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((hole, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        let value = match hole {
            "id" => id.to_owned(),
            field => state.get(field).and_then(typed::scalar_text).unwrap_or_default(),
        };
        if escape {
            out.push_str(&escaped(&value))
        } else {
            out.push_str(&value)
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A value inside a path. Slashes stay: ids of permissions and grants are paths themselves.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(byte as char),
            b'-' | b'_' | b'.' | b'~' | b'/' | b'@' | b':' | b'$' | b'&' | b'+' | b'=' | b',' | b';' => {
                out.push(byte as char)
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The id that an answer gives, or that the state makes.
pub fn id(kind: &Kind, state: &Value, answer: &Value) -> Option<String> {
    match kind.api.id {
        Id::Reply(path) => id_text(path.split('.').try_fold(answer, |value, key| value.get(key))?),
        Id::State(template) => Some(fill(template, "", state, false)),
    }
}

fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

pub(super) fn extend(out: &mut Map<String, Value>, from: Option<&Value>) {
    for (key, value) in from.and_then(Value::as_object).into_iter().flatten() {
        out.insert(key.clone(), value.clone());
    }
}

/// A second read that belongs to a first one, and where its answer lies in that one's.
pub fn read_also(kind: &Kind, id: &str, answer: &Value) -> Option<(&'static str, Request)> {
    let (name, route) = kind.api.read_also.as_ref()?;
    Some((name, request(route, id, answer)))
}

pub(super) const PRINCIPALS: [&str; 3] = ["user_name", "service_principal_name", "group_name"];

fn access_control_list(state: &Value) -> Value {
    let entries = state.get("__embed__").and_then(Value::as_array).into_iter().flatten();
    Value::Array(
        entries
            .map(|entry| {
                let mut one = Map::new();
                for principal in PRINCIPALS {
                    insert(&mut one, principal, entry.get(principal).cloned());
                }
                insert(&mut one, "permission_level", entry.get("level").cloned());
                Value::Object(one)
            })
            .collect(),
    )
}

/// Each principal gets its privileges and loses all others; who had some before and is not
/// written any more loses everything.
pub(super) fn grant_changes(state: &Value, before: Option<&Value>) -> Value {
    let entries = |state: &Value| state.get("__embed__").and_then(Value::as_array).cloned().unwrap_or_default();
    let principal = |entry: &Value| entry.get("principal").and_then(Value::as_str).unwrap_or_default().to_owned();
    let wanted = entries(state);
    let mut out: Vec<Value> = Vec::new();
    for entry in &wanted {
        let mut one = Map::new();
        let privileges = entry.get("privileges").and_then(Value::as_array).cloned().unwrap_or_default();
        let all = Value::from("ALL_PRIVILEGES");
        one.insert("principal".into(), principal(entry).into());
        // Who gets all of them keeps what it has: adding and removing the same is refused.
        if privileges.contains(&all) {
            one.insert("add".into(), Value::Array(vec![all]));
        } else {
            one.insert("add".into(), Value::Array(privileges));
            one.insert("remove".into(), Value::Array(vec![all]));
        }
        out.push(Value::Object(one));
    }
    let gone = before.map(entries).unwrap_or_default();
    for entry in gone.iter().filter(|old| !wanted.iter().any(|new| principal(new) == principal(old))) {
        let mut one = Map::new();
        one.insert("principal".into(), principal(entry).into());
        one.insert("remove".into(), Value::Array(vec!["ALL_PRIVILEGES".into()]));
        out.push(Value::Object(one));
    }
    Value::Array(out)
}
