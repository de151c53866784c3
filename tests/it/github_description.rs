//! Judges an exchange by GitHub's published OpenAPI description, and by what that does not say.
//!
//! The description is fetched and cut by `tools/github_description.py`. Where that has not run the judgement is skipped
//! with a word, unless `REQUIRE_GITHUB_DESCRIPTION` is set. A validator that nobody here wrote compares the schemas;
//! ours are the checks that the description leaves to prose: credentials, lengths, keys and parameters it does not know.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::{Draft, Validator};
use mlops_deploy::rehearsal::front::{Content, Exchange};
use serde_json::{Map, Value, json};

/// Panics with everything that is wrong with these requests.
pub fn assert_requests_follow_githubs_description(log: &[Exchange]) {
    judge(log, "requests", Description::faults_of_request);
}

/// The same for a stand-in's answers, where they are its own and not a fault's.
pub fn assert_replies_follow_githubs_description(log: &[Exchange]) {
    judge(log, "replies", |description, exchange| {
        let own = exchange.fault.is_none() && exchange.status.is_some();
        if own { description.faults_of_reply(exchange) } else { Vec::new() }
    });
}

/// What is wrong with each request, for a test of the judge itself; None where there is no description.
pub fn faults_of_requests(log: &[Exchange]) -> Option<Vec<String>> {
    let description = Description::get()?;
    Some(rest_calls(log).flat_map(|exchange| description.faults_of_request(exchange)).collect())
}

fn judge(log: &[Exchange], what: &str, faults: impl Fn(&Description, &Exchange) -> Vec<String>) {
    let Some(description) = Description::get() else { return };
    let found: Vec<String> = rest_calls(log)
        .flat_map(|exchange| {
            let line = format!("{}. {}", exchange.number, exchange.line());
            faults(description, exchange).into_iter().map(move |fault| format!("{line}: {fault}"))
        })
        .collect();
    assert!(found.is_empty(), "{what} that GitHub's description does not allow:\n  {}", found.join("\n  "));
}

/// The issuer of ID tokens and GraphQL are no part of the REST API.
fn rest_calls(log: &[Exchange]) -> impl Iterator<Item = &Exchange> {
    log.iter().filter(|exchange| !exchange.path.starts_with("/_services/") && !exchange.path.ends_with("/graphql"))
}

struct Description {
    document: Value,
    validators: Mutex<HashMap<usize, Arc<Validator>>>,
}

struct Operation<'a> {
    template: &'a str,
    /// The path's variables as they were filled in.
    filled: Vec<(&'a str, String)>,
    path_item: &'a Value,
    spec: &'a Value,
}

impl Description {
    fn get() -> Option<&'static Description> {
        static LOADED: OnceLock<Option<Description>> = OnceLock::new();
        let loaded = LOADED.get_or_init(|| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/github-description/api.github.com.json");
            let text = std::fs::read_to_string(&path).ok()?;
            let mut document: Value = serde_json::from_str(&text).unwrap();
            as_json_schema(&mut document);
            Some(Description { document, validators: Mutex::default() })
        });
        if loaded.is_none() {
            let why = "GitHub's description is not here; tools/github_description.py fetches it";
            assert!(std::env::var_os("REQUIRE_GITHUB_DESCRIPTION").is_none(), "{why}");
            eprintln!("skipped: {why}");
        }
        loaded.as_ref()
    }

    fn faults_of_request(&self, exchange: &Exchange) -> Vec<String> {
        let operation = match self.operation(exchange) {
            Ok(operation) => operation,
            Err(fault) => return vec![fault],
        };
        let mut faults = headers(exchange);
        faults.extend(self.parameters(exchange, &operation));
        faults.extend(self.request_body(exchange, &operation));
        faults
    }

    fn faults_of_reply(&self, exchange: &Exchange) -> Vec<String> {
        let Ok(operation) = self.operation(exchange) else { return Vec::new() };
        let status = exchange.status.unwrap_or_default().to_string();
        let Some(response) = operation.spec["responses"].get(&status).map(|response| self.resolve(response)) else {
            // These are described once for the whole API and not per operation.
            let general = ["400", "401", "403", "404", "415", "422", "429"].contains(&status.as_str());
            return if general { Vec::new() } else { vec![format!("status {status} is not described")] };
        };
        let schema = &response["content"]["application/json"]["schema"];
        match (&exchange.reply, schema) {
            (_, Value::Null) => Vec::new(),
            // An address that was not given is "", says the description's prose; its schema forgets that.
            (Content::Json(body), schema) => {
                let unset = |fault: &String| fault.ends_with("\"\" is not a \"uri\"");
                self.compare(schema, body, "reply").into_iter().filter(|fault| !unset(fault)).collect()
            }
            (other, _) => vec![format!("reply: {other:?} is no JSON")],
        }
    }

    fn operation(&self, exchange: &Exchange) -> Result<Operation<'_>, String> {
        let path = described_path(&exchange.path);
        let paths = self.document["paths"].as_object().unwrap();
        // `/issues/comments/{id}` before `/issues/{number}/comments`, and `/commits/{sha}/pulls` before `/commits/{ref}`.
        let (template, item, filled) = paths
            .iter()
            .filter_map(|(template, item)| Some((template, item, self.fill(template, item, &path)?)))
            .min_by_key(|(template, _, filled)| (filled.len(), Reverse(template.split('/').count())))
            .ok_or("no such path; if we mean to call it, add it to tools/github_description.py")?;
        let spec = item.get(exchange.method.to_lowercase()).ok_or(format!("{template} has no such method"))?;
        Ok(Operation { template, filled, path_item: item, spec })
    }

    /// The variables of a path's template, where the path fits it.
    fn fill<'a>(&'a self, template: &'a str, item: &'a Value, path: &str) -> Option<Vec<(&'a str, String)>> {
        // A branch's slashes need no escape in the variables that say so.
        let operations = item.as_object().into_iter().flat_map(Map::values);
        let parameters = operations.filter_map(|one| one["parameters"].as_array()).flatten();
        let spanning: Vec<&str> = parameters
            .map(|one| self.resolve(one))
            .filter(|one| one["x-multi-segment"] == true)
            .filter_map(|one| one["name"].as_str())
            .collect();
        let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        fill(&wanted, &given, &spanning)
    }

    fn parameters(&self, exchange: &Exchange, operation: &Operation<'_>) -> Vec<String> {
        let mut faults = Vec::new();
        let lists = [&operation.spec["parameters"], &operation.path_item["parameters"]];
        let described: Vec<&Value> =
            lists.iter().filter_map(|list| list.as_array()).flatten().map(|one| self.resolve(one)).collect();
        let of = |place: &'static str| described.iter().filter(move |one| one["in"] == place);
        for (name, text) in &operation.filled {
            match of("path").find(|one| one["name"] == *name) {
                Some(one) => faults.extend(self.parameter(one, name, text)),
                None => faults.push(format!("path: {name} is not described")),
            }
        }
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(exchange.query.as_deref().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        for (name, text) in &query {
            match of("query").find(|one| one["name"] == name.as_str()) {
                Some(one) => faults.extend(self.parameter(one, name, text)),
                None => faults.push(format!("query: {name} is not described")),
            }
            if name == "per_page" && text.parse::<u32>().is_ok_and(|size| size > 100) {
                faults.push(format!("query: per_page {text} is over 100"));
            }
        }
        for one in of("query").filter(|one| one["required"] == true) {
            if !query.iter().any(|(name, _)| one["name"] == name.as_str()) {
                faults.push(format!("query: {} is required", one["name"]));
            }
        }
        faults
    }

    fn parameter(&self, described: &Value, name: &str, text: &str) -> Vec<String> {
        let schema = self.resolve(&described["schema"]);
        let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        let number = kinds.contains(&json!("integer")).then(|| text.parse::<i64>().ok().map(Value::from)).flatten();
        let flag = kinds.contains(&json!("boolean")).then(|| text.parse::<bool>().ok().map(Value::from)).flatten();
        let value = number.or(flag).unwrap_or_else(|| text.into());
        self.compare(&described["schema"], &value, name)
    }

    fn request_body(&self, exchange: &Exchange, operation: &Operation<'_>) -> Vec<String> {
        let described = operation.spec.get("requestBody").map(|body| self.resolve(body));
        let (described, body) = match (described, &exchange.body) {
            (None, Content::Empty) => return Vec::new(),
            (None, _) => return vec!["body: none is described".to_owned()],
            (Some(described), Content::Empty) => {
                let required = described["required"] == true;
                return if required { vec!["body: one is required".to_owned()] } else { Vec::new() };
            }
            (Some(described), Content::Json(body)) => (described, body),
            (Some(_), other) => return vec![format!("body: {other:?} is no JSON")],
        };
        let schema = &described["content"]["application/json"]["schema"];
        let mut faults = self.compare(schema, body, "body");
        self.unknown_keys(schema, body, "body", &mut faults);
        lengths(operation.template, body, &mut faults);
        if !exchange.headers.get("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            faults.push("content-type: not application/json".to_owned());
        }
        faults
    }

    fn compare(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let validator = self.validator(schema);
        validator.iter_errors(value).map(|error| format!("{place}{}: {error}", error.instance_path())).collect()
    }

    // References point into the document, so the schema is judged beside the components. Reading it takes longer than
    // judging by it, and a schema of the loaded document stays where it is, so its place names it.
    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let place = std::ptr::from_ref(schema).addr();
        let mut known = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(place).or_insert_with(|| Arc::new(self.read_schema(schema))).clone()
    }

    fn read_schema(&self, schema: &Value) -> Validator {
        let root = json!({"allOf": [schema], "components": self.document["components"]});
        let mut options = jsonschema::options();
        options = options.with_draft(Draft::Draft7).should_validate_formats(true);
        options.build(&root).unwrap_or_else(|error| panic!("GitHub's schema cannot be read: {error}"))
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(target) => self.document.pointer(target.trim_start_matches('#')).unwrap_or(&Value::Null),
            None => value,
        }
    }

    /// GitHub ignores a key it does not know, so a misspelt one would never be noticed.
    fn unknown_keys(&self, schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
        let schema = self.resolve(schema);
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.unknown_keys(&schema["items"], item, &format!("{place}/{index}"), faults);
                }
            }
            Value::Object(map) => {
                let Some(known) = self.known_keys(schema) else { return };
                for (key, inner) in map {
                    match known.get(key) {
                        Some(described) => self.unknown_keys(described, inner, &format!("{place}/{key}"), faults),
                        None => faults.push(format!("{place}: the key {key} is not described")),
                    }
                }
            }
            _ => {}
        }
    }

    /// None where any key goes.
    fn known_keys(&self, schema: &Value) -> Option<Map<String, Value>> {
        let schema = self.resolve(schema);
        let alternatives = ["allOf", "anyOf", "oneOf"].iter().filter_map(|name| schema[name].as_array()).flatten();
        let mut known = schema["properties"].as_object().cloned().unwrap_or_default();
        for one in alternatives {
            let open = self.resolve(one);
            if open["type"] == "object" && open.get("properties").is_none() {
                return None;
            }
            known.extend(self.known_keys(one).unwrap_or_default());
        }
        let open = schema["additionalProperties"] == true || schema["additionalProperties"].is_object();
        (!known.is_empty() && !open).then_some(known)
    }
}

fn headers(exchange: &Exchange) -> Vec<String> {
    let header = |name: &str| exchange.headers.get(name).map_or("", String::as_str);
    let mut faults = Vec::new();
    if header("authorization").is_empty() {
        faults.push("authorization: missing".to_owned());
    }
    if header("user-agent").is_empty() {
        faults.push("user-agent: missing".to_owned());
    }
    let accept = header("accept");
    let readable = ["application/json", "application/vnd.github+json", "*/*"];
    if !accept.is_empty() && !readable.iter().any(|kind| accept.contains(kind)) {
        faults.push(format!("accept: {accept} excludes JSON"));
    }
    faults
}

/// Limits that GitHub states in prose or only in its refusals.
fn lengths(template: &str, body: &Value, faults: &mut Vec<String>) {
    let mut at_most = |pointer: &str, limit: usize| {
        let length = body.pointer(pointer).and_then(Value::as_str).map_or(0, |text| text.chars().count());
        if length > limit {
            faults.push(format!("body{pointer}: {length} characters, over {limit}"));
        }
    };
    if template.contains("comments") {
        at_most("/body", 65_536);
    }
    if template.ends_with("/statuses") {
        at_most("/description", 140);
    }
    if template.contains("/check-runs") {
        let count = body.pointer("/output/annotations").and_then(Value::as_array).map_or(0, Vec::len);
        for index in 0..count {
            at_most(&format!("/output/annotations/{index}/title"), 255);
            at_most(&format!("/output/annotations/{index}/message"), 64 * 1024);
        }
    }
}

/// Without the prefix of an Enterprise Server, and by name where a link to another page gave the number.
fn described_path(path: &str) -> String {
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    match path.strip_prefix("/repositories/").and_then(|rest| rest.split_once('/')) {
        Some((_, rest)) => format!("/repos/owner/repo/{rest}"),
        None => path.to_owned(),
    }
}

fn fill<'a>(wanted: &[&'a str], given: &[&str], spanning: &[&str]) -> Option<Vec<(&'a str, String)>> {
    let Some((first, rest)) = wanted.split_first() else { return given.is_empty().then(Vec::new) };
    let Some(name) = first.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
        return (given.first() == Some(first)).then(|| fill(rest, &given[1..], spanning)).flatten();
    };
    let most = if spanning.contains(&name) { given.len() } else { given.len().min(1) };
    (1..=most).find_map(|count| {
        let mut filled = fill(rest, &given[count..], spanning)?;
        let text = given[..count].join("/");
        filled.insert(0, (name, decoded(&text)));
        (!text.is_empty()).then_some(filled)
    })
}

/// A segment of a path, by the decoder of queries: what means something in a query is nothing special here.
fn decoded(segment: &str) -> String {
    let plain = segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(plain.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

/// OpenAPI 3.0 says `nullable` where JSON Schema says so in the type.
fn as_json_schema(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(as_json_schema),
        Value::Object(map) => {
            map.values_mut().for_each(as_json_schema);
            if map.get("nullable") != Some(&Value::Bool(true)) {
                return;
            }
            map.remove("nullable");
            if let Some(Value::Array(values)) = map.get_mut("enum")
                && !values.contains(&Value::Null)
            {
                values.push(Value::Null);
            }
            match map.get("type").cloned() {
                Some(kind @ Value::String(_)) => {
                    map.insert("type".to_owned(), json!([kind, "null"]));
                }
                _ => {
                    let inner = Value::Object(std::mem::take(map));
                    map.insert("anyOf".to_owned(), json!([inner, {"type": "null"}]));
                }
            }
        }
        _ => {}
    }
}
