//! Dynamic values in a task's parameters: `{{job.parameters.x}}`, `{{tasks.train.values.auc}}`, `{{job.run_id}}`.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a reference may name, by its text between the braces.
pub(crate) type Known = BTreeMap<String, String>;

/// Replaces the references in every text of a value. One that is not known stays as it is, as on the service.
pub(crate) fn resolved(value: &Value, known: &Known) -> Value {
    match value {
        Value::String(text) => Value::String(in_text(text, known)),
        Value::Array(items) => items.iter().map(|v| resolved(v, known)).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), resolved(v, known))).collect()),
        other => other.clone(),
    }
}

fn in_text(text: &str, known: &Known) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        match known.get(&plain(name)) {
            Some(value) => out.push_str(value),
            None => out.push_str(&format!("{{{{{name}}}}}")),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// `tasks.["train"].values.auc` names the same as `tasks.train.values.auc`.
fn plain(name: &str) -> String {
    name.trim().replace(".[\"", ".").replace("[\"", ".").replace("\"]", "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_references_are_replaced_and_unknown_ones_stay() {
        let known = Known::from([
            ("job.parameters.catalog".into(), "dev".into()),
            ("tasks.train.values.auc".into(), "0.9".into()),
        ]);
        let task =
            json!(["{{job.parameters.catalog}}.churn", "{{ tasks.[\"train\"].values.auc }}", "{{secrets/a/b}}", "{{"]);
        assert_eq!(resolved(&task, &known), json!(["dev.churn", "0.9", "{{secrets/a/b}}", "{{"]));
    }
}
