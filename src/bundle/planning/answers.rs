//! What the workspace's answers mean: the remote state of a node.
//!
//! The kinds' tables say how; nothing here knows a kind by name, but for two answers whose
//! parts do not fit together otherwise.

use serde_json::{Map, Value};

use crate::bundle::fields::Type;
use crate::bundle::kinds::{Kind, Lift};
use crate::bundle::planning::requests::{PRINCIPALS, elements, extend, insert};
use crate::bundle::planning::{typed, wanted};

/// The remote state that an answer to a read means.
pub fn remote(kind: &Kind, id: &str, answer: &Value) -> Value {
    let mut out = Map::new();
    for lift in kind.api.lift {
        match lift {
            Lift::All => extend(&mut out, Some(answer)),
            Lift::Object(name) => extend(&mut out, answer.get(*name)),
            Lift::Field(name) => insert(&mut out, name, answer.get(*name).cloned()),
            Lift::FieldAs(from, to) => insert(&mut out, to, at(answer, from).cloned()),
            Lift::Whole(name) => insert(&mut out, name, Some(answer.clone())),
            Lift::EmptyList(object, list) => {
                if let Some(Value::Object(object)) = out.get_mut(*object) {
                    object.entry(*list).or_insert_with(|| Value::Array(Vec::new()));
                }
            }
            Lift::Item { list, key } => {
                extend(&mut out, elements(Some(answer), list).iter().find(|e| e.get(*key).is_some_and(|k| k == id)));
            }
            Lift::Dashboard => dashboard(&mut out, answer),
            Lift::Deployment => deployment(&mut out, answer),
            Lift::Started(field, runs) => {
                let started = at(answer, field).and_then(Value::as_str).is_some_and(|state| runs.contains(&state));
                out.insert("lifecycle".into(), Map::from_iter([("started".to_owned(), started.into())]).into());
            }
            Lift::StartedUnless(object, stopped) => {
                let state =
                    answer.get(*object).filter(|o| o.is_object()).map(|o| o.get("state").and_then(Value::as_str));
                let started = state.is_some_and(|state| !stopped.contains(&state.unwrap_or_default()));
                out.insert("lifecycle".into(), Map::from_iter([("started".to_owned(), started.into())]).into());
            }
            Lift::ZerosUnshown => {}
            Lift::ScopeAcls => {
                out.insert("scope_name".into(), id.into());
                insert(&mut out, "acls", answer.get("items").cloned());
            }
            Lift::AccessControlList => {
                out.insert("object_id".into(), id.into());
                out.insert("__embed__".into(), permissions(answer));
            }
            Lift::PrivilegeAssignments => {
                let (securable, name) = id.split_once('/').unwrap_or(("", id));
                out.insert("securable_type".into(), securable.into());
                out.insert("full_name".into(), name.into());
                let assignments = answer.get("privilege_assignments").cloned();
                insert(&mut out, "__embed__", assignments.map(wanted::whole_privileges));
            }
        }
    }
    typed::received(&Value::Object(out), kind.remote)
}

/// A remote state as a plan shows it.
pub fn shown(kind: &Kind, remote: &Value) -> Value {
    let mut out = typed::pruned(remote, &Type::Message(kind.remote));
    if kind.api.lift.iter().any(|lift| matches!(lift, Lift::ZerosUnshown))
        && let Some(fields) = out.as_object_mut()
    {
        fields.retain(|_, value| *value != "" && *value != false && *value != 0);
    }
    out
}

fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, key| value.get(key))
}

/// A path in the workspace with its first folder, which some answers leave out.
fn workspace_path(path: &str) -> String {
    if path.starts_with("/Workspace/") || !path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/Workspace{path}")
    }
}

/// A time as it can be compared: `2026-01-02T03:04:05.6Z`, with a fraction or without.
fn moment(text: &str) -> (String, String) {
    let bare = text.trim_end_matches('Z');
    let (seconds, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    (seconds.to_owned(), format!("{fraction:0<9}"))
}

/// The draft with what is published: whether, and with whose credentials.
fn dashboard(out: &mut Map<String, Value>, answer: &Value) {
    let published = answer.get("published").filter(|p| p.is_object());
    extend(out, Some(answer));
    let when = |doc: Option<&Value>, field: &str| doc.and_then(|d| d.get(field)).and_then(Value::as_str).map(moment);
    // What was published before the last edit is not what there is now.
    let is_published = published.is_some()
        && match (when(published, "revision_create_time"), when(Some(answer), "update_time")) {
            (Some(published), Some(edited)) => published >= edited,
            _ => true,
        };
    out.entry("serialized_dashboard").or_insert_with(|| "".into());
    out.insert("published".into(), is_published.into());
    let embeds = published.and_then(|p| p.get("embed_credentials")).and_then(Value::as_bool).unwrap_or(false);
    out.insert("embed_credentials".into(), embeds.into());
    if let Some(parent) = answer.get("parent_path").and_then(Value::as_str) {
        out.insert("parent_path".into(), workspace_path(parent).into());
    }
}

/// What runs of an app, by the names that the bundle has for it. Without an active deployment nothing does.
fn deployment(out: &mut Map<String, Value>, answer: &Value) {
    out.shift_remove("config");
    let Some(active) = answer.get("active_deployment").filter(|active| active.is_object()) else { return };
    let told = |text: Option<&Value>| text.filter(|text| **text != "").cloned();
    for (field, value) in [
        ("git_source", active.get("git_source").cloned()),
        ("source_code_path", told(answer.get("default_source_code_path"))),
    ] {
        out.shift_remove(field);
        insert(out, field, value);
    }
    let variables = elements(Some(active), "env_vars").into_iter().map(|variable| {
        let mut one = Map::new();
        insert(&mut one, "name", variable.get("name").cloned());
        insert(&mut one, "value", told(variable.get("value")));
        insert(&mut one, "value_from", told(variable.get("value_from")));
        Value::Object(one)
    });
    let (command, env) = (elements(Some(active), "command"), variables.collect::<Vec<_>>());
    if command.is_empty() && env.is_empty() {
        return;
    }
    let mut config = Map::new();
    insert(&mut config, "command", active.get("command").filter(|list| list.is_array()).cloned());
    insert(&mut config, "env", (!env.is_empty()).then_some(Value::Array(env)));
    out.insert("config".into(), Value::Object(config));
}

/// A remote state with the names and fields of what is sent and saved.
pub fn configured(kind: &Kind, remote: &Value) -> Value {
    if kind.renamed.is_empty() {
        return typed::received(remote, kind.state);
    }
    let mut renamed = remote.as_object().cloned().unwrap_or_default();
    for (from, to) in kind.renamed {
        if let Some(value) = renamed.shift_remove(*from) {
            renamed.insert((*to).to_owned(), value);
        }
    }
    typed::received(&Value::Object(renamed), kind.state)
}

/// Whether one of these is read by a list of all.
pub fn is_listed(kind: &Kind) -> bool {
    kind.api.lift.iter().any(|lift| matches!(lift, Lift::Item { .. }))
}

/// Whether an answer to a read says that there is no such thing: a list without it, or the
/// trash.
pub fn is_absent(kind: &Kind, id: &str, answer: &Value) -> bool {
    if answer.get("lifecycle_state").and_then(Value::as_str) == Some("TRASHED") {
        return true;
    }
    kind.api.lift.iter().any(|lift| match lift {
        Lift::Item { list, key } => !elements(Some(answer), list).iter().any(|e| e.get(*key).is_some_and(|k| k == id)),
        _ => false,
    })
}

/// What the permissions API answers, as a list of levels; inherited ones are not ours.
fn permissions(answer: &Value) -> Value {
    let mut out = Vec::new();
    for entry in answer.get("access_control_list").and_then(Value::as_array).into_iter().flatten() {
        for permission in entry.get("all_permissions").and_then(Value::as_array).into_iter().flatten() {
            if permission.get("inherited").and_then(Value::as_bool) == Some(true) {
                continue;
            }
            let mut one = Map::new();
            insert(&mut one, "level", permission.get("permission_level").cloned());
            for principal in PRINCIPALS {
                insert(&mut one, principal, entry.get(principal).cloned());
            }
            out.push(Value::Object(one));
        }
    }
    Value::Array(out)
}
