//! A value of a plan as it may be shown: leaf by leaf, since an object that is not secret can
//! hold a field that is.

use serde_json::Value;

use super::{Knowledge, Shown};

/// Longer values are cut: a reviewer reads the difference in the pull request itself.
const LONGEST: usize = 120;

pub(super) fn shown(knowledge: &Knowledge<'_>, node: &str, path: &str, value: Option<&Value>) -> Shown {
    shown_within(LONGEST, knowledge, node, path, value)
}

pub(super) fn shown_within(
    longest: usize,
    knowledge: &Knowledge<'_>,
    node: &str,
    path: &str,
    value: Option<&Value>,
) -> Shown {
    let Some(value) = value.filter(|v| !v.is_null()) else { return Shown::Absent };
    let mut text = String::new();
    let mut leaves = Leaves { any: false, hidden: false };
    write(knowledge, node, path, value, &mut text, &mut leaves);
    let nothing_to_see = leaves.hidden && !leaves.any;
    if nothing_to_see || !leaves.any && !(knowledge.printable)(node, path) {
        return Shown::Hidden;
    }
    if text.chars().count() > longest {
        text = text.chars().take(longest - 1).chain(['…']).collect();
    }
    Shown::Text(text)
}

struct Leaves {
    any: bool,
    hidden: bool,
}

fn write(knowledge: &Knowledge<'_>, node: &str, path: &str, value: &Value, text: &mut String, leaves: &mut Leaves) {
    match value {
        Value::Object(map) => {
            text.push('{');
            for (i, (key, inner)) in map.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                text.push_str(key);
                text.push_str(": ");
                write(knowledge, node, &format!("{path}.{key}"), inner, text, leaves);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (i, inner) in items.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                write(knowledge, node, &format!("{path}[{i}]"), inner, text, leaves);
            }
            text.push(']');
        }
        _ if !(knowledge.printable)(node, path) => {
            leaves.hidden = true;
            text.push('…');
        }
        Value::String(s) => {
            leaves.any = true;
            text.push_str(&if s.is_empty() { "\"\"".to_owned() } else { without_credentials(s) });
        }
        other => {
            leaves.any = true;
            text.push_str(&other.to_string());
        }
    }
}

/// An address may hold a user and a password: `https://user:password@github.com/acme/churn`.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match host.rfind('@') {
        Some(at) => format!("{scheme}://…{}", &rest[at..]),
        None => text.to_owned(),
    }
}

/// The last name of a path: `run_if` of `tasks[task_key='main'].run_if`; a map's key counts.
pub(super) fn last_name(path: &str) -> &str {
    let path = path.strip_suffix("']").unwrap_or(path);
    let at = path.rfind(['.', '\'']).map_or(0, |at| at + 1);
    path[at..].split('[').next().unwrap_or_default()
}
