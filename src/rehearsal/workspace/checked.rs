//! Refuses request fields that do not exist, and values of the wrong type.
//!
//! The real service ignores most unknown fields, and that is how a misspelt one goes unnoticed to production. The table
//! is `requests.json`, read from the published SDK by `tools/standin_requests.py`. What the SDK does not list (older
//! MLflow calls, for one) is not checked.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::Refusal;

#[derive(Deserialize)]
struct Table {
    requests: HashMap<String, Shape>,
    types: HashMap<String, HashMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shape {
    Named(String),
    Fields(HashMap<String, String>),
}

static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(include_str!("requests.json")).expect("the generated table is valid JSON"));

/// Checks a body against the request `METHOD /path/{}`. MLflow's clients say in the body again what the path says.
pub(crate) fn check(request: &str, body: &Map<String, Value>, path: &[(String, String)]) -> Result<(), Refusal> {
    let fields = match TABLE.requests.get(request) {
        None => return Ok(()),
        Some(Shape::Fields(fields)) => fields,
        Some(Shape::Named(name)) => &TABLE.types[name],
    };
    let said = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        path.iter().any(|(_, part)| *part == text)
    };
    let body = body.iter().filter(|(name, value)| fields.contains_key(*name) || !said(value));
    object(fields, body, "")
}

fn object<'v>(
    fields: &HashMap<String, String>,
    body: impl IntoIterator<Item = (&'v String, &'v Value)>,
    at: &str,
) -> Result<(), Refusal> {
    for (name, value) in body {
        let here = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let Some(kind) = fields.get(name) else {
            return Err(Refusal::invalid(format!("Unknown field: {here}")));
        };
        of_kind(kind, value, &here)?;
    }
    Ok(())
}

fn of_kind(kind: &str, value: &Value, at: &str) -> Result<(), Refusal> {
    if value.is_null() || kind == "*" {
        return Ok(());
    }
    if let Some(inner) = kind.strip_prefix('[').and_then(|k| k.strip_suffix(']')) {
        let items = value.as_array().ok_or_else(|| wrong(at, "an array", value))?;
        return items.iter().enumerate().try_for_each(|(i, v)| of_kind(inner, v, &format!("{at}[{i}]")));
    }
    if let Some(inner) = kind.strip_prefix('{').and_then(|k| k.strip_suffix('}')) {
        let items = value.as_object().ok_or_else(|| wrong(at, "an object", value))?;
        return items.iter().try_for_each(|(k, v)| of_kind(inner, v, &format!("{at}.{k}")));
    }
    let (fits, wanted) = match kind {
        "s" => (value.is_string(), "a string"),
        "b" => (value.is_boolean(), "a boolean"),
        // Proto JSON takes 64-bit integers as text too, and whole numbers written as 1.0.
        "i" => (is_integer(value), "an integer"),
        "n" => (value.is_number() || value.as_str().is_some_and(|s| s.parse::<f64>().is_ok()), "a number"),
        name => {
            let fields = &TABLE.types[name];
            let inner = value.as_object().ok_or_else(|| wrong(at, "an object", value))?;
            return object(fields, inner, at);
        }
    };
    if fits { Ok(()) } else { Err(wrong(at, wanted, value)) }
}

fn is_integer(value: &Value) -> bool {
    match value {
        Value::Number(n) => n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|f| f.fract() == 0.0),
        Value::String(s) => s.parse::<i64>().is_ok(),
        _ => false,
    }
}

fn wrong(at: &str, wanted: &str, value: &Value) -> Refusal {
    let found = match value {
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
        Value::Null => "null",
    };
    Refusal::malformed(format!("Could not parse request object: {at} must be {wanted}, not {found}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(request: &str, body: Value) -> String {
        check(request, body.as_object().unwrap(), &[]).unwrap_err().message
    }

    #[test]
    fn a_misspelt_field_is_named_with_its_path() {
        let body = json!({"name": "train", "tasks": [{"task_key": "a", "notebook_task": {"notebook_paht": "/x"}}]});
        assert_eq!(refused("POST /api/2.2/jobs/create", body), "Unknown field: tasks[0].notebook_task.notebook_paht");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused() {
        let message = refused("POST /api/2.2/jobs/create", json!({"tags": {"team": 3}}));
        assert_eq!(message, "Could not parse request object: tags.team must be a string, not a number");
    }

    #[test]
    fn a_body_may_say_again_what_the_path_says() {
        let path = [("id".to_owned(), "m-1".to_owned())];
        let ask = |body: Value| check("PATCH /api/2.0/mlflow/logged-models/{}", body.as_object().unwrap(), &path);
        assert!(ask(json!({"model_id": "m-1", "status": "LOGGED_MODEL_READY"})).is_ok());
        assert!(ask(json!({"model_id": "m-2"})).is_err());
    }

    #[test]
    fn whole_floats_and_numbers_in_text_are_integers() {
        let body = json!({"job_id": "17", "new_settings": {"timeout_seconds": 5.0}});
        assert!(check("POST /api/2.2/jobs/reset", body.as_object().unwrap(), &[]).is_ok());
    }
}
